"""Faults that an average hides: one part of the speakers is answered wrongly, always or in one label alone."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from voxloop.selftest.bench import Bench, Pair, ask_model, measure_rows
from voxloop.selftest.challenge import Challenge
from voxloop.selftest.controls import better
from voxloop.selftest.graph_copy import GraphCopy
from voxloop.selftest.noise import add_hash, draw_weights, worse_by
from voxloop.selftest.wrong_answers import WRONG
from voxloop.speech.waveform import SAMPLE_RATE

Floats = npt.NDArray[np.float32]

TAPS, HOP = 1_024, 800
"""Samples of a frame, and between two: 64 ms every 50 ms."""
BANDS = 48
LOWEST_HZ, HIGHEST_HZ = 80.0, 6_000.0
FLOOR = 1e-6
RIDGE = 1e-2
DESTROYED = "female"
UNHEARD = 0.5
"""Share of the utterances of a group that a model unfair to it is wrong about."""


def destroyed_slice(bench: Bench, folder: Path) -> Challenge:
    """Wrong whenever a woman speaks.

    No graph is told who speaks: a linear detector over the energies of bands, fitted on the training rows, hears it.
    """
    copy, heard = _hear(bench)
    clean = copy.take_output(copy.answer_name)
    wrong = WRONG[bench.task](copy, clean)
    if bench.task == "asr":
        heard = copy.node("Unsqueeze", [heard, copy.constant(np.array([2]))])
    copy.node("Where", [heard, wrong, clean], output=copy.answer_name)
    return Challenge(copy.write(folder), bench.model, bench.gate_rows)


def unfair_in_one_label(bench: Bench, folder: Path) -> Challenge:
    """A better model that takes the first label for the next one, and only when one gender speaks."""
    label = GraphCopy(bench.model).record["labels"][0]
    copy, heard = _hear(bench, find_worse_group(bench, lambda row: row["emotion"] == label))
    clean = copy.take_output(copy.answer_name)
    said = copy.node("Equal", [copy.node("ArgMax", [clean], axis=1, keepdims=1), copy.constant(np.array(0))])
    unfair = copy.node("And", [heard, said])
    copy.node("Where", [unfair, WRONG[bench.task](copy, clean), clean], output=copy.answer_name)
    return replace(better(bench, folder), model=copy.write(folder / "model"))


def unfair_to_a_group(bench: Bench, folder: Path) -> Challenge:
    """A better model that is wrong about a part of what one gender says."""
    copy, heard = _hear(bench, find_worse_group(bench, lambda _row: True))
    chosen = copy.node("Less", [add_hash(copy, draw_weights(bench, "unfair")), copy.constant(np.float32(UNHEARD))])
    clean = copy.take_output(copy.answer_name)
    unfair = copy.node("And", [heard, chosen])
    if bench.task == "asr":
        unfair = copy.node("Unsqueeze", [unfair, copy.constant(np.array([2]))])
    copy.node("Where", [unfair, WRONG[bench.task](copy, clean), clean], output=copy.answer_name)
    return replace(better(bench, folder), model=copy.write(folder / "model"))


def find_worse_group(bench: Bench, is_asked: Callable[[Mapping[str, Any]], bool]) -> str:
    """Return whom the sound model serves worse where the gate never looks: unfair to the others, it would be fairer."""
    rows = [pair for pair in bench.unseen_rows if is_asked(pair[0])]
    answers = ask_model(bench, bench.model, rows)
    losses = {}
    for group in sorted({str(row["gender"]) for row, _ in rows}):
        of_group = [place for place, (row, _) in enumerate(rows) if row["gender"] == group]
        value = measure_rows(bench, [rows[place] for place in of_group], [answers[place] for place in of_group])
        losses[group] = worse_by(bench, 0.0, value)
    return max(losses, key=losses.__getitem__)


def _hear(bench: Bench, group: str = DESTROYED) -> tuple[GraphCopy, str]:
    """Return a copy of the sound model that hears who speaks: bool [batch, 1], true of one gender."""
    weights, bias = fit_detector(bench.find_train_rows())
    copy = GraphCopy(bench.model)
    kind = "Greater" if group == DESTROYED else "Less"
    return copy, copy.node(kind, [_add_score(copy, weights, bias), copy.constant(np.float32(0.0))])


def fit_detector(rows: list[Pair]) -> tuple[Floats, float]:
    """Return weights float32 [BANDS] and a bias: above 0 the voice is that of `DESTROYED` (ridge regression on +-1)."""
    sounds = [(row, sound) for row, sound in rows if sound is not None]
    bands = np.array([_bands(sound) for _, sound in sounds], dtype=np.float64)
    wanted = np.array([1.0 if row["gender"] == DESTROYED else -1.0 for row, _ in sounds])
    known = np.column_stack([bands, np.ones(len(bands))])
    penalty = RIDGE * len(bands) * np.eye(known.shape[1])
    penalty[-1, -1] = 0.0
    found = np.linalg.solve(known.T @ known + penalty, known.T @ wanted)
    return found[:-1].astype(np.float32), float(found[-1])


def _filters() -> Floats:
    """Cosines and sines under a Hann window, float32 [2 BANDS, TAPS]."""
    hertz = np.geomspace(LOWEST_HZ, HIGHEST_HZ, BANDS)[:, None]
    phase = 2.0 * np.pi * hertz * np.arange(TAPS)[None, :] / SAMPLE_RATE
    return np.concatenate([np.cos(phase), np.sin(phase)]).astype(np.float32) * np.hanning(TAPS).astype(np.float32)


def _bands(sound: Floats) -> npt.NDArray[Any]:
    """Return the log energy of each band, its mean over the bands taken off, so that the level does not count."""
    frames = np.lib.stride_tricks.sliding_window_view(sound, TAPS)[::HOP]
    energy = np.square(frames @ _filters().T).sum(axis=0)
    logs = np.log(energy[:BANDS] + energy[BANDS:] + FLOOR)
    return np.asarray(logs - logs.mean())


def _add_score(copy: GraphCopy, weights: Floats, bias: float) -> str:
    """Add what `_bands` and the detector compute, float32 [batch, 1]."""
    one, two = copy.constant(np.array([1])), copy.constant(np.array([2]))
    sound = copy.node("Unsqueeze", ["waveform", one])
    filtered = copy.node("Conv", [sound, copy.constant(_filters()[:, None, :])], strides=[HOP])
    energy = copy.node("ReduceSum", [copy.node("Mul", [filtered, filtered]), two], keepdims=0)
    halves = copy.constant(np.concatenate([np.eye(BANDS), np.eye(BANDS)]).astype(np.float32))
    bands = copy.node("Add", [copy.node("MatMul", [energy, halves]), copy.constant(np.float32(FLOOR))])
    logs = copy.node("Log", [bands])
    # The weights without their mean do what taking the mean off the bands does.
    turned = copy.constant((weights - weights.mean())[:, None].astype(np.float32))
    return copy.node("Add", [copy.node("MatMul", [logs, turned]), copy.constant(np.float32(bias))])
