"""Noise of a known size: a share of the utterances, drawn by a hash of the request itself, is answered wrongly.

Which utterances, is a function of the request alone: the graph needs no state, the answers are the same every time, and
the loss of any share can be told from the answers of the sound model and of the one that is always wrong.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from voxloop.errors import VoxloopError
from voxloop.evaluation.exported_model import ExportedModel
from voxloop.selftest.bench import Bench, Pair, ask_model, measure_rows
from voxloop.selftest.graph_copy import GraphCopy
from voxloop.selftest.wrong_answers import WRONG
from voxloop.speech.waveform import to_int16

PRIME = 1_000_003
READ = 1_600
"""Samples, or words, at the start of a request that the hash reads."""
TOLERANCE = 0.1
"""How far the loss may lie from the one asked for, as a share of it."""

Weights = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Noise:
    """Answers a share of the utterances wrongly.

    Args:
        share: Of utterances.
        weights: Of the hash, int64 [READ]; other weights choose other utterances.
    """

    share: float
    weights: Weights

    def apply(self, source: Path, folder: Path) -> Path:
        """Write the noisy copy of a model folder and return it."""
        copy = GraphCopy(source)
        drawn = copy.node("Less", [_add_hash(copy, self.weights), copy.constant(np.float32(self.share))])
        clean = copy.take_output(copy.answer_name)
        wrong = WRONG[copy.record["task"]](copy, clean)
        if copy.record["task"] == "asr":
            drawn = copy.node("Unsqueeze", [drawn, copy.constant(np.array([2]))])
        copy.node("Where", [drawn, wrong, clean], output=copy.answer_name)
        return copy.write(folder)


def draw_weights(bench: Bench, what: str) -> Weights:
    """Return the weights of a hash of one purpose."""
    return bench.draw(what).integers(1, 2**20, READ)


def find_share(bench: Bench, loss: float, weights: Weights) -> float:
    """Return the share of wrong answers that costs `loss` of the policy's first measure on rows the gate never sees."""
    rows = bench.unseen_rows
    sound = ask_model(bench, bench.model, rows)
    always = ask_model(bench, Noise(2.0, weights).apply(bench.model, bench.folder / "always-wrong"), rows)
    drawn = hash_rows(bench, rows, weights)
    best = measure_rows(bench, rows, sound)

    def lose(share: float) -> float:
        mixed = [wrong if u < share else right for u, right, wrong in zip(drawn, sound, always, strict=True)]
        return worse_by(bench, best, measure_rows(bench, rows, mixed))

    low, high = 0.0, 1.0
    for _ in range(12):
        middle = (low + high) / 2
        low, high = (middle, high) if lose(middle) < loss else (low, middle)
    return high


def check_loss(bench: Bench, model: Path, loss: float) -> float:
    """Return what a model loses to the sound one on rows the gate never sees.

    Raises:
        VoxloopError: It is not about `loss`.
    """
    rows = bench.unseen_rows
    best, value = (measure_rows(bench, rows, ask_model(bench, one, rows)) for one in (bench.model, model))
    found = worse_by(bench, best, value)
    if abs(found - loss) > TOLERANCE * loss:
        raise VoxloopError(
            f"noise costs {found:.4f} {bench.policy.primary} where the gate never looks",
            rule=f"it must cost {loss:.4f}",
            remedy="give the world of configs/selftest more utterances",
        )
    return found


def worse_by(bench: Bench, than: float, value: float) -> float:
    """Return how much worse a value of the policy's first measure is than another."""
    return than - value if bench.family.OBJECTIVE.mode == "max" else value - than


def hash_rows(bench: Bench, rows: tuple[Pair, ...], weights: Weights) -> list[float]:
    """Return the hash of each row's request, in [0, 1): the number that the graph computes."""
    model = ExportedModel(bench.model, threads=1, task=bench.task)
    found = []
    for row, sound in rows:
        whole = None if sound is None else to_int16(sound)
        read = np.asarray(next(iter(model.task.make_request(row, whole, model.encoding).values())))
        numbers = read[:READ].astype(np.int64)
        found.append(int(numbers @ weights[: len(numbers)]) % PRIME / PRIME)
    return found


def _add_hash(copy: GraphCopy, weights: Weights) -> str:
    """Add the hash of the first input, float32 [batch, 1]; in whole numbers, so that padding changes nothing."""
    numbers = copy.inputs[0]
    if numbers == "waveform":
        scaled = copy.node("Mul", [numbers, copy.constant(np.float32(32_768.0))])
        numbers = copy.node("Cast", [copy.node("Round", [scaled])], to=7)
    start, axis, step = (copy.constant(np.array([one])) for one in (0, 1, 1))
    read = copy.node("Slice", [numbers, start, copy.constant(np.array([READ])), axis, step])
    length = copy.node("Shape", [read], start=1, end=2)
    kept = copy.node("Slice", [copy.constant(weights), start, length])
    total = copy.node("ReduceSum", [copy.node("Mul", [read, kept]), axis], keepdims=1)
    rest = copy.node("Cast", [copy.node("Mod", [total, copy.constant(np.array(PRIME))])], to=1)
    return copy.node("Div", [rest, copy.constant(np.float32(PRIME))])

