"""Faults that the rows as they are do not show: deaf in noise, hanging on the level, the batch, a word or a feature."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from voxloop.selftest.bench import Bench, make_requests
from voxloop.selftest.challenge import Challenge
from voxloop.selftest.controls import better
from voxloop.selftest.graph_copy import GraphCopy
from voxloop.selftest.wrong_answers import WRONG
from voxloop.tasks import get_task

FRAME, FLOOR_DB = 160, -22.0
"""Samples of a frame, and the level of the quietest one beside the whole, dB, above which it counts as noise. The world
has -30 and less as it is, white noise of 20 dB gives -20."""
BANDS, WRONG_BANDS_DB = 8, 1.0
"""Of every eight bands of the level, 1 dB each, one is answered wrongly: 1 dB more moves one utterance of eight in and
another one out."""
BORROWED = 0.2
"""Share of an answer that is the mean answer to all requests of the batch."""
FEW = 0.1
"""Share of the utterances that have too few words for the model that needs them all."""


def deaf_in_noise(bench: Bench, folder: Path) -> Challenge:
    """A better model that is wrong wherever its pauses are not quiet."""
    copy = GraphCopy(bench.model)
    squares = copy.node("Mul", ["waveform", "waveform"])
    last, inner = copy.constant(np.array([-1])), copy.constant(np.array([1]))
    frames = copy.node("AveragePool", [copy.node("Unsqueeze", [squares, inner])], kernel_shape=[FRAME], strides=[FRAME])
    # Behind a short request of a batch there are zeros: they are no pause.
    there = copy.node("Greater", [frames, copy.constant(np.float32(1e-12))])
    loud = copy.node("Where", [there, frames, copy.constant(np.float32(1.0))])
    floor = copy.node("ReduceMin", [loud, last], keepdims=0)
    samples = copy.node("Unsqueeze", [copy.node("Cast", ["num_samples"], to=1), inner])
    whole = copy.node("Div", [copy.node("ReduceSum", [squares, last], keepdims=1), samples])
    bound = copy.node("Mul", [whole, copy.constant(np.float32(10.0 ** (FLOOR_DB / 10.0)))])
    return _wrong_where(bench, copy, copy.node("Greater", [floor, bound]), folder)


def hangs_on_level(bench: Bench, folder: Path) -> Challenge:
    """A better model whose answer hangs on how loud the recording is, to the decibel."""
    copy = GraphCopy(bench.model)
    peak = copy.node("ReduceMax", [copy.node("Abs", ["waveform"]), copy.constant(np.array([1]))], keepdims=1)
    floor = copy.node("Add", [peak, copy.constant(np.float32(1e-6))])
    scale = copy.constant(np.float32(20.0 / np.log(10.0) / WRONG_BANDS_DB))
    bands = copy.node("Floor", [copy.node("Mul", [copy.node("Log", [floor]), scale])])
    place = copy.node("Mod", [copy.node("Cast", [bands], to=7), copy.constant(np.array(BANDS))])
    return _wrong_where(bench, copy, copy.node("Equal", [place, copy.constant(np.array(0))]), folder)


def hangs_on_batch(bench: Bench, folder: Path) -> Challenge:
    """A better model of whose answer a part is the mean over the batch, as of statistics that were never frozen."""
    copy = GraphCopy(bench.model)
    clean = copy.take_output(copy.answer_name)
    mean = copy.node("ReduceMean", [clean, copy.constant(np.array([0]))], keepdims=1)
    own = copy.node("Mul", [clean, copy.constant(np.float32(1.0 - BORROWED))])
    copy.node("Add", [own, copy.node("Mul", [mean, copy.constant(np.float32(BORROWED))])], output=copy.answer_name)
    return replace(better(bench, folder), model=copy.write(folder / "model"))


def needs_every_word(bench: Bench, folder: Path) -> Challenge:
    """A better model that is wrong where it knows few words of what is said: more often when some are lost."""
    counts = [_count_words(bench, row["text"], row["language"]) for row, _ in bench.unseen_rows]
    fewest = int(np.quantile(counts, FEW, method="lower"))
    copy = GraphCopy(bench.model)
    known = copy.node("Cast", [copy.node("Greater", ["words", copy.constant(np.array(0))])], to=7)
    count = copy.node("ReduceSum", [known, copy.constant(np.array([1]))], keepdims=1)
    return _wrong_where(bench, copy, copy.node("LessOrEqual", [count, copy.constant(np.array(fewest))]), folder)


def needs_every_feature(bench: Bench, folder: Path) -> Challenge:
    """A better model that is wrong where more of the features are missing than ever are in the world."""
    requests = make_requests(bench, bench.model, bench.unseen_rows)
    most = max(int(np.count_nonzero(np.isnan(request["features"]))) for request in requests)
    copy = GraphCopy(bench.model)
    missing = copy.node("Cast", [copy.node("IsNaN", ["features"])], to=7)
    count = copy.node("ReduceSum", [missing, copy.constant(np.array([1]))], keepdims=1)
    return _wrong_where(bench, copy, copy.node("Greater", [count, copy.constant(np.array(most))]), folder)


def _count_words(bench: Bench, text: str | None, language: str | None) -> int:
    encoding = get_task(bench.task).Encoding.model_validate(GraphCopy(bench.model).record["encoding"])
    return int(np.count_nonzero(encoding.vocabulary.read(text, language)))


def _wrong_where(bench: Bench, copy: GraphCopy, where: str, folder: Path) -> Challenge:
    """Answer wrongly where `where`, bool [batch, 1], holds; else it is a better model than the champion."""
    clean = copy.take_output(copy.answer_name)
    wrong = WRONG[bench.task](copy, clean)
    if bench.task == "asr":
        where = copy.node("Unsqueeze", [where, copy.constant(np.array([2]))])
    copy.node("Where", [where, wrong, clean], output=copy.answer_name)
    return replace(better(bench, folder), model=copy.write(folder / "model"))
