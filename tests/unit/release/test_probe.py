from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from voxloop.errors import IntegrityError
from voxloop.release.probe import TOLERANCE, GoldenRequest, probe, read_golden
from voxloop.tasks.output_difference import Array, Arrays

REQUEST = {
    "inputs": [{"name": "waveform", "shape": ["batch", "samples"]}],
    "outputs": [{"name": "probabilities", "shape": ["batch", 2]}],
}
GOLDEN = [GoldenRequest({"waveform": np.zeros(4, np.float32)}, {"probabilities": np.array([0.25, 0.75], np.float32)})]


@pytest.fixture(autouse=True)
def record(tmp_path: Path) -> None:
    (tmp_path / "model.json").write_text(json.dumps({"request": REQUEST}))


def test_golden_requests_are_read_with_their_answers(tmp_path: Path) -> None:
    tensors = {f"waveform_{n}": np.full(n + 1, n, np.float32) for n in range(3)}
    save_file(
        tensors | {f"probabilities_{n}": np.array([n], np.float32) for n in range(3)}, tmp_path / "golden.safetensors"
    )
    golden = read_golden(tmp_path)
    assert [(len(one.inputs["waveform"]), one.outputs["probabilities"].tolist()) for one in golden] == [
        (1, [0.0]),
        (2, [1.0]),
        (3, [2.0]),
    ]


@pytest.mark.parametrize("tensors", [{}, {"other": np.zeros(1)}, {"waveform_0": np.zeros(1)}])
def test_a_probe_without_questions_is_no_probe(tmp_path: Path, tensors: dict[str, Array]) -> None:
    save_file(tensors, tmp_path / "golden.safetensors")
    with pytest.raises(IntegrityError, match="export again"):
        read_golden(tmp_path)


@pytest.mark.parametrize("content", [None, b"", b"not tensors at all"])
def test_an_unreadable_file_is_said(tmp_path: Path, content: bytes | None) -> None:
    if content is not None:
        (tmp_path / "golden.safetensors").write_bytes(content)
    with pytest.raises(IntegrityError, match="cannot be read"):
        read_golden(tmp_path)


@pytest.mark.parametrize(
    "answer",
    [[0.25 + 2 * TOLERANCE, 0.75], [np.nan, 0.75], [0.25, np.inf], [0.25], [0.25, 0.75, 0.0], [], [[0.25, 0.75]]],
)
def test_another_answer_fails(answer: list[float]) -> None:
    with pytest.raises(IntegrityError, match="golden request 0"):
        probe("emotion-0", GOLDEN, lambda _: {"probabilities": np.array(answer, np.float32)})


def test_the_largest_difference_is_told() -> None:
    worst = probe("emotion-0", GOLDEN, lambda _: {"probabilities": np.array([0.25, 0.75 + TOLERANCE / 2], np.float32)})
    assert worst == pytest.approx(TOLERANCE / 2, rel=0.01)


def test_counts_are_the_same_and_logarithms_are_compared_as_probabilities() -> None:
    outputs = {"log_probs": np.log(np.array([[1e-6, 1 - 1e-6]], np.float32)), "num_frames": np.array(1, np.int64)}
    golden = [GoldenRequest({"waveform": np.zeros(4, np.float32)}, outputs)]
    rounded = outputs | {"log_probs": outputs["log_probs"] + np.array([[0.01, 0.0]], np.float32)}
    assert probe("asr-0", golden, lambda _: rounded) == pytest.approx(1e-8, rel=0.01)
    wrongs: list[dict[str, Array]] = [
        outputs | {"num_frames": np.array(2, np.int64)},
        {"log_probs": outputs["log_probs"]},
    ]
    for wrong in wrongs:
        with pytest.raises(IntegrityError, match="difference of inf"):
            probe("asr-0", golden, answer_with(wrong))


def answer_with(outputs: dict[str, Array]) -> Callable[[Arrays], Arrays]:
    return lambda _: outputs
