"""Noise of a known size: a share of the utterances, drawn by a hash of the request itself, is answered wrongly.

Which utterances, is a function of the request alone: the graph needs no state, the answers are the same every time, and
the loss of any share can be told from the answers of the sound model and of the one that is always wrong.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from voxloop.errors import VoxloopError
from voxloop.selftest.bench import Bench, Pair, ask_model, make_requests, measure_rows
from voxloop.selftest.graph_copy import GraphCopy
from voxloop.selftest.wrong_answers import WRONG
from voxloop.tasks import Answer

PRIME = 1_000_003
READ = 1_600
"""Samples, or words, at the start of a request that the hash reads."""
HASHED = ("waveform", "words")
"""Inputs that are hashed; a request has one of them."""
LINEAR = ("uar", "wer")
"""Measures that are means over rows."""
DRAWS, HALVINGS = 12, 10
TOLERANCE = 0.1
"""How far the loss may lie from the one asked for, as a share of it."""
ROUNDING = 2e-3
"""What a row on the edge may move the loss by."""

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
        drawn = copy.node("Less", [add_hash(copy, self.weights), copy.constant(np.float32(self.share))])
        clean = copy.take_output(copy.answer_name)
        wrong = WRONG[copy.record["task"]](copy, clean)
        if copy.record["task"] == "asr":
            drawn = copy.node("Unsqueeze", [drawn, copy.constant(np.array([2]))])
        copy.node("Where", [drawn, wrong, clean], output=copy.answer_name)
        return copy.write(folder)


def add_noisy_model(bench: Bench) -> Bench:
    """Write the sound model with noise that costs twice the margin where the gate never looks; return what it costs.

    Raises:
        VoxloopError: No share of wrong answers costs that, or the graph errs on other rows than it should.
    """
    weights = draw_weights(bench, "noise")
    always = Noise(2.0, weights).apply(bench.model, bench.folder / "always-wrong")
    losses = Losses(bench, *(tuple(ask_model(bench, one, bench.unseen_rows)) for one in (bench.model, always)))
    share = losses.find_share(2.0 * bench.margin)
    noisy = Noise(share, weights).apply(bench.model, bench.noisy)
    _check_graph(bench, losses, noisy, share, weights)
    return replace(bench, share=share, loss=losses.expect(share))


@dataclass(frozen=True)
class Losses:
    """What wrong answers cost on the rows the gate never sees.

    Args:
        bench: Whose rows.
        right: The sound model's answers.
        wrong: Those of the model that is always wrong.
    """

    bench: Bench
    right: tuple[Answer, ...]
    wrong: tuple[Answer, ...]

    @cached_property
    def best(self) -> float:
        """The sound model's value of the policy's first measure."""
        return measure_rows(self.bench, self.bench.unseen_rows, self.right)

    def measure(self, chosen: npt.NDArray[np.bool_]) -> float:
        """Return the loss when the rows chosen, bool [n], are answered wrongly."""
        mixed = [wrong if bad else right for bad, right, wrong in zip(chosen, self.right, self.wrong, strict=True)]
        return worse_by(self.bench, self.best, measure_rows(self.bench, self.bench.unseen_rows, mixed))

    def expect(self, share: float) -> float:
        """Return the mean loss over all ways to draw a share of the rows: what is true of the noise, not of one draw.

        Recalls and error rates are means over rows, so it is that share of the loss of all; agreement is not, and is
        drawn `DRAWS` times.
        """
        if self.bench.policy.primary in LINEAR:
            return share * self.measure(np.ones(len(self.right), dtype=np.bool_))
        draw = np.random.default_rng(self.bench.seed)
        return float(np.mean([self.measure(draw.random(len(self.right)) < share) for _ in range(DRAWS)]))

    def find_share(self, loss: float) -> float:
        """Return the share that costs `loss`.

        Raises:
            VoxloopError: None does.
        """
        low, high = 0.0, 1.0
        for _ in range(HALVINGS):
            middle = (low + high) / 2
            low, high = (middle, high) if self.expect(middle) < loss else (low, middle)
        if abs(self.expect(high) - loss) > TOLERANCE * loss:
            raise VoxloopError(
                f"noise on {high:.0%} of the rows costs {self.expect(high):.4f} {self.bench.policy.primary}",
                rule=f"where the gate never looks it must cost {loss:.4f}",
                remedy="give the world of configs/selftest more speakers, or the model more epochs",
            )
        return high


def _check_graph(bench: Bench, losses: Losses, noisy: Path, share: float, weights: Weights) -> None:
    """Raise `VoxloopError` unless the graph loses what it must on the rows that the hash chooses."""
    rows = bench.unseen_rows
    wanted = losses.measure(np.array(hash_rows(bench, rows, weights)) < share)
    found = worse_by(bench, losses.best, measure_rows(bench, rows, ask_model(bench, noisy, rows)))
    if abs(found - wanted) > ROUNDING:
        raise VoxloopError(
            f"the noisy graph loses {found:.4f} {bench.policy.primary}, its hash says {wanted:.4f}",
            rule="the noise of a self-test is of a known size",
            remedy="look at voxloop.selftest.noise: graph and hash have come apart",
        )


def draw_weights(bench: Bench, what: str) -> Weights:
    """Return the weights of a hash of one purpose."""
    return bench.draw(what).integers(1, 2**20, READ)


def worse_by(bench: Bench, than: float, value: float) -> float:
    """Return how much worse a value of the policy's first measure is than another."""
    return than - value if bench.family.OBJECTIVE.mode == "max" else value - than


def hash_rows(bench: Bench, rows: Sequence[Pair], weights: Weights, folder: Path | None = None) -> list[float]:
    """Return the hash of each row's request, in [0, 1): the number that the graph of the model in `folder` computes.

    The bench's own model where none is given: the encoding is what matters.
    """
    return hash_requests(make_requests(bench, folder or bench.model, rows), weights)


def hash_requests(requests: Iterable[Mapping[str, npt.NDArray[Any]]], weights: Weights) -> list[float]:
    """Return the hash of each request by its sound or its words, in [0, 1); sound as 16-bit samples or as scaled."""
    found = []
    for request in requests:
        read = np.asarray(request[_find_hashed(request)])[:READ]
        numbers = (np.rint(read * 32_768.0) if read.dtype.kind == "f" else read).astype(np.int64)
        found.append(int(numbers @ weights[: len(numbers)]) % PRIME / PRIME)
    return found


def add_hash(copy: GraphCopy, weights: Weights) -> str:
    """Add the hash of sound or words, float32 [batch, 1]; in whole numbers, so that padding changes nothing."""
    numbers = _find_hashed(copy.inputs)
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


def _find_hashed(inputs: Iterable[str]) -> str:
    """Return which input is hashed: one that varies in length and is never missing, as a feature may be."""
    return next(name for name in inputs if name in HASHED)
