"""The learning rate over a training."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voxloop.tasks.recipe import OptimiserConfig
from voxloop.training.schedule import rate_share

CONFIG = OptimiserConfig(learning_rate=1.0, warmup_share=0.2)


def test_the_rate_rises_and_falls_to_zero() -> None:
    shares = [rate_share(step, 100, CONFIG) for step in range(101)]
    assert shares[:20] == sorted(shares[:20])
    assert shares[20] == max(shares) == 1.0
    assert shares[20:] == sorted(shares[20:], reverse=True)
    assert shares[100] == pytest.approx(0.0)


@given(st.integers(0, 1000), st.integers(1, 500), st.floats(0.0, 0.99))
def test_a_step_anywhere_has_a_share(step: int, steps: int, warmup: float) -> None:
    config = OptimiserConfig(learning_rate=1.0, warmup_share=warmup)
    assert 0.0 <= rate_share(step, steps, config) <= 1.0
