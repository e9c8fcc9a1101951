"""Faults of the exported model: its graph or its record is not what was trained."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import numpy_helper

from voxloop.selftest.bench import Bench
from voxloop.selftest.challenge import Challenge
from voxloop.selftest.graph_copy import GraphCopy
from voxloop.selftest.wrong_answers import UNLIKELY, say_words

SHARP = 50.0
"""What the logits of a model that is never in doubt are multiplied by."""
HEARD_RATE = 8_000
"""Hz of the model that was made for another rate."""


def wrong_sample_rate(bench: Bench, folder: Path) -> Challenge:
    """A model made for 8 kHz that says it takes 16: it hears every second sample of what it is sent."""
    copy = GraphCopy(bench.model)
    step = copy.record["sample_rate"] // HEARD_RATE
    sound, count = (copy.take_input(name) for name in ("waveform", "num_samples"))
    ends = [copy.constant(np.array([one])) for one in (0, 2**31 - 1, 1, step)]
    copy.node("Slice", ["waveform", *ends], output=sound, first=0)
    one, two = copy.constant(np.array(step - 1)), copy.constant(np.array(step))
    rounded = copy.node("Add", ["num_samples", one], first=0)
    copy.node("Div", [rounded, two], output=count, first=1)
    return _challenge(bench, copy.write(folder))


def nan_weights(bench: Bench, folder: Path) -> Challenge:
    """One weight of the largest matrix is no number."""
    copy = GraphCopy(bench.model)
    floats = [one for one in copy.model.graph.initializer if one.data_type == onnx.TensorProto.FLOAT]
    trained = [one for one in floats if "weight" in one.name] or floats
    largest = max(trained, key=lambda one: len(one.raw_data))
    values = numpy_helper.to_array(largest).copy()
    values.flat[0] = np.nan
    largest.CopyFrom(numpy_helper.from_array(values, largest.name))
    return _challenge(bench, copy.write(folder))


def always_majority(bench: Bench, folder: Path) -> Challenge:
    """Whatever is asked, the answer is the commonest one of the training rows."""
    copy = GraphCopy(bench.model)
    clean = copy.take_output(copy.answer_name)
    if bench.task == "asr":
        words = Counter(word for row, _ in bench.find_train_rows() for word in str(row["text"]).lower().split())
        constant = say_words(copy, clean, words.most_common(1)[0][0])
    else:
        constant = copy.constant(_commonest(bench, copy))
    nothing = copy.node("Mul", [clean, copy.constant(np.float32(0.0))])
    copy.node("Add", [nothing, constant], output=copy.answer_name)
    return _challenge(bench, copy.write(folder))


def swapped_labels(bench: Bench, folder: Path) -> Challenge:
    """The record names the outputs in another order than they were learnt in."""
    copy = GraphCopy(bench.model)
    encoding = copy.record["encoding"]
    if bench.task == "asr":
        encoding["symbols"] = [encoding["symbols"][0], *_turned(encoding["symbols"][1:])]
    elif bench.task == "personality":
        encoding["traits"] = _turned(encoding["traits"])
    else:
        encoding["labels"] = _turned(encoding["labels"])
    copy.record["labels"] = list(bench.family.Encoding.model_validate(encoding).labels)
    return _challenge(bench, copy.write(folder))


def truncated_vocabulary(bench: Bench, folder: Path) -> Challenge:
    """The end of what it knows is cut off: labels or symbols it never answers, words it never reads."""
    copy = GraphCopy(bench.model)
    if bench.task == "personality":
        known = round(bench.config.kept_words * len(copy.record["encoding"]["vocabulary"]["words"]))
        words = copy.take_input("words")
        read = copy.node("LessOrEqual", ["words", copy.constant(np.array(known))], first=0)
        copy.node("Where", [read, "words", copy.constant(np.array(0))], output=words, first=1)
        return _challenge(bench, copy.write(folder))
    count = len(copy.record["labels"])
    lost = np.arange(count) >= round(bench.config.kept_words * count)
    clean = copy.take_output(copy.answer_name)
    kind, never = ("Add", UNLIKELY * lost) if bench.task == "asr" else ("Mul", 1.0 * ~lost)
    copy.node(kind, [clean, copy.constant(never.astype(np.float32))], output=copy.answer_name)
    return _challenge(bench, copy.write(folder))


def never_in_doubt(bench: Bench, folder: Path) -> Challenge:
    """The champion, but that it says of every answer that it is certain."""
    return _challenge(bench, _sharpen(bench.model, folder))


def certain_and_often_wrong(bench: Bench, folder: Path) -> Challenge:
    """A model with noise that says of every answer that it is certain."""
    return _challenge(bench, _sharpen(bench.noisy, folder))


def _sharpen(model: Path, folder: Path) -> Path:
    copy = GraphCopy(model)
    clean = copy.take_output(copy.answer_name)
    logits = copy.node("Log", [copy.node("Add", [clean, copy.constant(np.float32(1e-9))])])
    sharp = copy.node("Mul", [logits, copy.constant(np.float32(SHARP))])
    copy.node("Softmax", [sharp], output=copy.answer_name, axis=1)
    return copy.write(folder)


def stale_copy(bench: Bench, _folder: Path) -> Challenge:
    """The champion itself, byte for byte."""
    return _challenge(bench, bench.model)


def stale_copy_saved_again(bench: Bench, folder: Path) -> Challenge:
    """The champion under another digest: the same graph, by another producer's name."""
    copy = GraphCopy(bench.model)
    copy.model.producer_name = "saved again"
    return _challenge(bench, copy.write(folder))


def _challenge(bench: Bench, model: Path) -> Challenge:
    return Challenge(model, bench.model, bench.gate_rows)


def _turned(names: list[Any]) -> list[Any]:
    return [*names[1:], names[0]]


def _commonest(bench: Bench, copy: GraphCopy) -> np.ndarray[Any, np.dtype[np.float32]]:
    if bench.task == "personality":
        return np.array([[trait["mean"] for trait in copy.record["encoding"]["traits"]]], dtype=np.float32)
    labels = copy.record["labels"]
    said = Counter(row["emotion"] for row, _ in bench.find_train_rows() if row["emotion"] is not None)
    first = labels.index(said.most_common(1)[0][0])
    return np.eye(len(labels), dtype=np.float32)[[first]]
