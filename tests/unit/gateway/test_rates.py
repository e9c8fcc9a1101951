from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from voxloop.gateway.rates import RateLimiter

Gaps = st.lists(st.floats(0, 2, allow_nan=False), min_size=1, max_size=200)


@given(Gaps, st.floats(0.1, 50), st.integers(1, 20))
def test_in_any_stretch_no_key_gets_more_than_its_burst_and_its_rate(
    gaps: list[float], rate: float, burst: int
) -> None:
    limiter, at = RateLimiter(rate, burst), 0.0
    let_in: list[float] = []
    for gap in gaps:
        at += gap
        if not limiter.take("key", at):
            let_in.append(at)
    for first in range(len(let_in)):
        for last in range(first, len(let_in)):
            assert last - first + 1 <= burst + rate * (let_in[last] - let_in[first]) + 1e-6


@given(Gaps, st.floats(0.1, 50), st.integers(1, 20))
def test_who_waits_as_told_is_let_in(gaps: list[float], rate: float, burst: int) -> None:
    limiter, at = RateLimiter(rate, burst), 0.0
    for gap in gaps:
        at += gap
        if wait := limiter.take("key", at):
            at += wait + 1e-9
            assert limiter.take("key", at) == 0.0


def test_one_key_does_not_spend_anothers() -> None:
    limiter = RateLimiter(1.0, 2)
    assert [limiter.take("greedy", 0.0) for _ in range(3)] == [0.0, 0.0, 1.0]
    assert limiter.take("modest", 0.0) == 0.0
