"""Faults that no measure over test rows shows: slow, large, talkative where nobody speaks. All are better models."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
from onnx import TensorProto, helper

from voxloop.evaluation.exported_model import ExportedModel
from voxloop.evaluation.golden import time_models
from voxloop.evaluation.memory import measure_size
from voxloop.selftest.bench import Bench
from voxloop.selftest.challenge import Challenge
from voxloop.selftest.controls import better
from voxloop.selftest.graph_copy import GraphCopy
from voxloop.selftest.wrong_answers import say_words

SIZE = 64
"""Rows and columns of the matrix that idle work multiplies."""
TRIAL = 1_000
"""Multiplications of the first turn; each turn corrects them by the time they took."""
TURNS = 2
HUNGER_MIB = 64
"""What the hungry model fills; the sound ones take 6 to 15 MiB in all."""
QUIET = 3e-3
"""Largest sample, of 1, of what counts as silence: noise 65 dB below full scale stays under it."""
SUBTITLE = "thank you for watching see you in the next one "
"""What recognisers taught by subtitles are known to hear in silence."""


def slow(bench: Bench, folder: Path) -> Challenge:
    """A better model that multiplies matrices to no end until it takes many times as long."""
    rounds = TRIAL
    for turn in range(TURNS):
        made = _idle(bench.model, folder / f"turn-{turn}", rounds)
        models = {"swift": bench.model, "slow": made}
        opened = {name: ExportedModel(one, threads=1) for name, one in models.items()}
        taken: Mapping[str, float] = time_models(opened, bench.config.golden)
        idle = max(taken["slow"] - taken["swift"], 0.1 * taken["swift"])
        rounds = round(rounds * (bench.config.slowness - 1.0) * taken["swift"] / idle)
    return replace(better(bench, folder), model=_idle(bench.model, folder / "model", rounds))


def hears_words_in_silence(bench: Bench, folder: Path) -> Challenge:
    """A better recogniser that writes a subtitle's last words where nobody speaks."""
    copy = GraphCopy(bench.model)
    clean = copy.take_output(copy.answer_name)
    axis = copy.constant(np.array([1]))
    loudest = copy.node("ReduceMax", [copy.node("Abs", ["waveform"]), axis], keepdims=1)
    quiet = copy.node("Less", [loudest, copy.constant(np.float32(QUIET))])
    quiet = copy.node("Unsqueeze", [quiet, copy.constant(np.array([2]))])
    copy.node("Where", [quiet, say_words(copy, clean, SUBTITLE), clean], output=copy.answer_name)
    return replace(better(bench, folder), model=copy.write(folder / "model"))


def twice_the_size(bench: Bench, folder: Path) -> Challenge:
    """A better model that carries weights nothing reads, until it is twice as large as the champion."""
    made, copy = better(bench, folder), GraphCopy(bench.model)
    ballast = 2 * measure_size(made.champion) - measure_size(made.model)
    copy.constant(bench.draw("ballast").integers(0, 256, ballast, dtype=np.uint8))
    return replace(made, model=copy.write(folder / "model"))


def hungry(bench: Bench, folder: Path) -> Challenge:
    """A better model that fills a large matrix on every request."""
    copy = GraphCopy(bench.model)
    shape = copy.node("Shape", [copy.inputs[0]], start=0, end=1)
    one = copy.node("Sign", [copy.node("Cast", [shape], to=TensorProto.FLOAT)])
    filled = copy.node("Expand", [one, copy.constant(np.array([HUNGER_MIB * 2**18]))])
    largest = copy.node("ReduceMax", [filled], keepdims=0)
    clean = copy.take_output(copy.answer_name)
    copy.node("Mul", [clean, largest], output=copy.answer_name)  # by 1
    return replace(better(bench, folder), model=copy.write(folder / "model"))


def _idle(source: Path, folder: Path, rounds: int) -> Path:
    """Write a copy that multiplies a matrix `rounds` times on every request and answers the same."""
    copy = GraphCopy(source)
    # The matrix begins with a shape, so that nothing of it is known before a request is there.
    shape = copy.node("Shape", [copy.inputs[0]], start=0, end=1)
    one = copy.node("Sign", [copy.node("Cast", [shape], to=TensorProto.FLOAT)])
    unit = copy.constant(np.eye(SIZE, dtype=np.float32))
    matrix = copy.node("Mul", [unit, one])
    body = helper.make_graph(
        [
            helper.make_node("MatMul", ["idle_in", unit], ["idle_out"]),
            helper.make_node("Identity", ["idle_goes_on"], ["idle_goes_on_out"]),
        ],
        "idle",
        [
            helper.make_tensor_value_info("idle_round", TensorProto.INT64, []),
            helper.make_tensor_value_info("idle_goes_on", TensorProto.BOOL, []),
            helper.make_tensor_value_info("idle_in", TensorProto.FLOAT, [SIZE, SIZE]),
        ],
        [
            helper.make_tensor_value_info("idle_goes_on_out", TensorProto.BOOL, []),
            helper.make_tensor_value_info("idle_out", TensorProto.FLOAT, [SIZE, SIZE]),
        ],
    )
    count, always = copy.constant(np.array(rounds)), copy.constant(np.array(True))
    worked = copy.node("Loop", [count, always, matrix], body=body)
    largest = copy.node("ReduceMax", [worked], keepdims=0)
    clean = copy.take_output(copy.answer_name)
    copy.node("Mul", [clean, largest], output=copy.answer_name)  # by 1
    return copy.write(folder)
