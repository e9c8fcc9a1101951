"""The learning rate over a training."""

from __future__ import annotations

import pytest

from voxloop.tasks.recipe import OptimiserConfig
from voxloop.training.speech_module import rate_share

CONFIG = OptimiserConfig(learning_rate=1.0, warmup_share=0.2)


def test_the_rate_rises_and_falls_to_zero() -> None:
    shares = [rate_share(step, 100, CONFIG) for step in range(101)]
    assert shares[:20] == sorted(shares[:20])
    assert shares[20] == max(shares) == 1.0
    assert shares[20:] == sorted(shares[20:], reverse=True)
    assert shares[100] == pytest.approx(0.0)


@pytest.mark.parametrize(("step", "steps"), [(0, 1), (1, 1), (500, 100)])
def test_a_step_outside_the_plan_is_no_error(step: int, steps: int) -> None:
    assert 0.0 <= rate_share(step, steps, CONFIG) <= 1.0
