"""Two outputs are compared output by output, and what cannot be compared is infinitely far apart."""

from __future__ import annotations

import numpy as np
import pytest

from voxloop.tasks.output_difference import Array, difference

RECORDED: dict[str, Array] = {"scores": np.array([[0.25, 0.75]], np.float32), "counts": np.array(3, np.int64)}


@pytest.mark.parametrize(("name", "largest"), [("log_probs", 9.1e-7), ("scores", 1e-3)])
def test_logarithms_are_compared_as_what_they_stand_for(name: str, largest: float) -> None:
    one, other = ({name: np.array([-7.0, value], np.float32)} for value in (-7.0, -7.001))
    assert difference(one, other) == pytest.approx(largest, rel=1e-2)


def test_the_largest_of_all_outputs_is_told() -> None:
    answered = RECORDED | {"scores": np.array([[0.25, 0.5]], np.float32), "more": np.array(1.0)}
    assert difference(RECORDED, RECORDED) == 0.0
    assert difference(RECORDED, answered) == pytest.approx(0.25)


@pytest.mark.parametrize(
    "changed",
    [
        pytest.param({"scores": np.array([0.25, 0.75], np.float32)}, id="another shape"),
        pytest.param({"scores": np.array([[0.25, 0.75]], np.float64)}, id="another type"),
        pytest.param({"scores": np.array([[0.25, np.nan]], np.float32)}, id="no number"),
        pytest.param({"counts": np.array(4, np.int64)}, id="another count"),
    ],
)
def test_what_cannot_be_compared_is_infinitely_far(changed: dict[str, Array]) -> None:
    assert difference(RECORDED, RECORDED | changed) == float("inf")


def test_a_missing_output_is_infinitely_far() -> None:
    assert difference(RECORDED, {"scores": RECORDED["scores"]}) == float("inf")
