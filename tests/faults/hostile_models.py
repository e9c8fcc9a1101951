"""Model files made to do harm, each in one way. A builder spoils a whole folder in place.

`kind` says which loader reads the folder: `weights` (written by train), `model` (by export) or `checkpoint`.
"""

from __future__ import annotations

import io
import json
import os
import pickletools
import struct
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import onnx
import torch
from onnx import TensorProto, helper
from safetensors.torch import load_file, save, save_file

from voxloop.config import find_config, load_config
from voxloop.store.digests import digest_json
from voxloop.tasks import emotion
from voxloop.training.checkpoints import STATE_NAME, TENSORS_NAME, CheckpointStore

Kind = Literal["weights", "model", "checkpoint"]
Spoil = Callable[[Path], None]
LABELS = ("anger", "fear", "happiness", "neutral", "sadness", "surprise")
WEIGHTS, REPORT, GRAPH, RECORD = "weights.safetensors", "training.json", "model.onnx", "model.json"
STOLEN = b"cos\nsystem\n(S'touch stolen'\ntR."
"""A pickle of protocol 0 that would run a command."""


@dataclass(frozen=True)
class HostileModel:
    """What is done to which kind of folder, and a word of the refusal."""

    name: str
    kind: Kind
    spoil: Spoil
    told: str


def make_weights(folder: Path) -> Path:
    """Write a weights folder as train does, of an untrained network."""
    names = ("network.channels=[4]", "network.time_strides=[2]", "network.hidden=8", "network.attention=4")
    config = load_config(emotion.EmotionConfig, find_config("tasks", "emotion", "smoke"), names)
    encoding = emotion.EmotionEncoding(labels=LABELS, weights=(1.0,) * len(LABELS))
    folder.mkdir(parents=True)
    save_file(emotion.build_network(config, encoding).state_dict(), folder / WEIGHTS)
    report = {
        "schema_version": 2,
        "task": "emotion",
        "config": config.model_dump(mode="json"),
        "encoding": encoding.model_dump(mode="json"),
        "dataset_digest": "0" * 64,
    }
    (folder / REPORT).write_text(json.dumps(report))
    return folder


def make_model(folder: Path) -> Path:
    """Write a model folder as export does, of a graph that answers alike to everything."""
    folder.mkdir(parents=True)
    share = helper.make_tensor("share", TensorProto.FLOAT, [1, len(LABELS)], [1 / len(LABELS)] * len(LABELS))
    nodes = [
        helper.make_node("Cast", ["num_samples"], ["counts"], to=TensorProto.FLOAT),
        helper.make_node("ReduceMax", ["waveform"], ["loudest"], keepdims=0),
        helper.make_node("Mul", ["counts", "loudest"], ["both"]),
        helper.make_node("Mul", ["both", "none"], ["nothing"]),
        helper.make_node("Unsqueeze", ["nothing", "last"], ["column"]),
        helper.make_node("Add", ["column", "share"], ["probabilities"]),
    ]
    none = helper.make_tensor("none", TensorProto.FLOAT, [1], [0.0])
    last = helper.make_tensor("last", TensorProto.INT64, [1], [1])
    graph = helper.make_graph(
        nodes,
        "model",
        [
            helper.make_tensor_value_info("waveform", TensorProto.FLOAT, ["batch", "samples"]),
            helper.make_tensor_value_info("num_samples", TensorProto.INT64, ["batch"]),
        ],
        [helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["batch", len(LABELS)])],
        [share, none, last],
    )
    write_graph(folder, helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9))
    encoding = emotion.EmotionEncoding(labels=LABELS, weights=(1.0,) * len(LABELS))
    record = {
        "schema_version": 2,
        "task": "emotion",
        "labels": list(LABELS),
        "sample_rate": 16_000,
        "encoding": encoding.model_dump(mode="json"),
        "request": emotion.request(encoding).as_json(),
    }
    (folder / RECORD).write_text(json.dumps(record))
    return folder


def make_checkpoint(folder: Path) -> Path:
    """Write a checkpoint as a training does."""
    return CheckpointStore(folder, keep=1).save(1, {"network.weight": torch.ones(4, 4)}, {"progress": {}})


MAKERS: dict[Kind, Callable[[Path], Path]] = {
    "weights": make_weights,
    "model": make_model,
    "checkpoint": make_checkpoint,
}


def write_graph(folder: Path, model: onnx.ModelProto) -> None:
    (folder / GRAPH).write_bytes(model.SerializeToString())


def put(name: str, content: bytes) -> Spoil:
    """Return what puts these bytes in the place of a file."""
    return lambda folder: _write(folder / name, content)


def cut(name: str) -> Spoil:
    """Return what takes the second half of a file away."""
    return lambda folder: _write(folder / name, (folder / name).read_bytes()[: (folder / name).stat().st_size // 2])


def report(**changes: Any) -> Spoil:
    """Return what changes keys of the training report; a dotted key is one inside."""
    return lambda folder: change_json(folder / REPORT, changes)


def record(**changes: Any) -> Spoil:
    """Return what changes keys of the model's record."""
    return lambda folder: change_json(folder / RECORD, changes)


def change_json(path: Path, changes: dict[str, Any]) -> None:
    value = json.loads(path.read_text())
    for key, new in changes.items():
        place = value
        *parents, leaf = key.split("__")
        for parent in parents:
            place = place[parent]
        place[leaf] = new
    path.write_text(json.dumps(value))


def tensors(change: Callable[[dict[str, torch.Tensor]], dict[str, torch.Tensor] | None]) -> Spoil:
    """Return what changes the weights."""

    def spoil(folder: Path) -> None:
        found = load_file(folder / WEIGHTS)
        (folder / WEIGHTS).write_bytes(save(change(found) or found))

    return spoil


def graph(change: Callable[[onnx.ModelProto], None]) -> Spoil:
    """Return what changes the graph."""

    def spoil(folder: Path) -> None:
        found = onnx.load(folder / GRAPH)
        change(found)
        write_graph(folder, found)

    return spoil


def with_header(header: bytes, data: bytes = b"", length: int | None = None) -> bytes:
    """Return a safetensors file of this header, true or not."""
    return struct.pack("<Q", len(header) if length is None else length) + header + data


def overlapping() -> bytes:
    entry = {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}
    return with_header(json.dumps({"a": entry, "b": entry}).encode(), bytes(8))


def claiming(shape: list[int], size: int) -> bytes:
    entry = {"dtype": "F32", "shape": shape, "data_offsets": [0, size]}
    return with_header(json.dumps({"a": entry}).encode(), bytes(8))


def zipped_pickle() -> bytes:
    """Return what `torch.save` writes: a zip with a pickle inside, here one that would run a command."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("archive/data.pkl", STOLEN)
        archive.writestr("archive/version", "3\n")
    return buffer.getvalue()


def sparse(name: str, size: int) -> Spoil:
    """Return what makes a file of `size` bytes that takes no room on the disk."""
    return lambda folder: os.truncate(folder / name, size)


def linked(name: str) -> Spoil:
    """Return what moves a file out of the folder and leaves a link to it."""

    def spoil(folder: Path) -> None:
        outside = folder.parent / f"outside-{name}"
        (folder / name).rename(outside)
        (folder / name).symlink_to(outside)

    return spoil


def piped(name: str) -> Spoil:
    """Return what puts a pipe in the place of a file: who opens it waits for ever."""

    def spoil(folder: Path) -> None:
        (folder / name).unlink()
        os.mkfifo(folder / name)

    return spoil


def keep_outside(location: str) -> Callable[[onnx.ModelProto], None]:
    """Return what makes the first weight of a graph lie in another file."""

    def change(model: onnx.ModelProto) -> None:
        tensor = model.graph.initializer[0]
        tensor.ClearField("float_data")
        tensor.data_location = TensorProto.EXTERNAL
        tensor.external_data.add(key="location", value=location)

    return change


def hide_outside(model: onnx.ModelProto) -> None:
    """Put a weight that lies in another file into a branch of a branch."""
    tensor = helper.make_tensor("far", TensorProto.FLOAT, [1], [0.0])
    keep_outside("../secret")(helper.make_model(helper.make_graph([], "g", [], [], [tensor])))
    tensor.ClearField("float_data")
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="../secret")
    inner = helper.make_graph([helper.make_node("Constant", [], ["far"], value=tensor)], "inner", [], [])
    model.graph.node.append(helper.make_node("If", ["num_samples"], [], then_branch=inner, else_branch=inner))


def call_foreign(model: onnx.ModelProto) -> None:
    model.graph.node[-1].domain = "evil.corp"
    model.opset_import.append(helper.make_opsetid("evil.corp", 1))


def rename_input(model: onnx.ModelProto) -> None:
    model.graph.input[0].name = "audio"
    for node in model.graph.node:
        node.input[:] = ["audio" if name == "waveform" else name for name in node.input]


def reshape_input(model: onnx.ModelProto) -> None:
    model.graph.input[0].type.tensor_type.shape.dim.add(dim_value=3)


def retype_output(model: onnx.ModelProto) -> None:
    model.graph.output[0].type.tensor_type.elem_type = TensorProto.DOUBLE


def reseal(**changes: Any) -> Spoil:
    """Return what changes a checkpoint's state and seals it anew, as somebody would who knows the format."""

    def spoil(folder: Path) -> None:
        body = json.loads((folder / STATE_NAME).read_text())["checkpoint"] | changes
        (folder / STATE_NAME).write_text(json.dumps({"digest": digest_json(body), "checkpoint": body}))

    return spoil


def climb(folder: Path) -> None:
    """Keep a tensor under a name that is a path out of the folder."""
    found = load_file(folder / WEIGHTS)
    (folder / WEIGHTS).write_bytes(save({f"../../{name}": value for name, value in found.items()}))


def _write(path: Path, content: bytes) -> None:
    path.write_bytes(content)


def first(found: dict[str, torch.Tensor]) -> str:
    return next(name for name, value in sorted(found.items()) if value.is_floating_point() and value.numel())


def without_first(found: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return {name: value for name, value in found.items() if name != first(found)}


def _spoiled(value: float) -> Callable[[dict[str, torch.Tensor]], None]:
    def change(found: dict[str, torch.Tensor]) -> None:
        found[first(found)].view(-1)[0] = value

    return change


DEEP = b'{"task": ' + b"[" * 200_000 + b"]" * 200_000 + b"}"
assert list(pickletools.genops(STOLEN))

HOSTILE_MODELS: tuple[HostileModel, ...] = (
    HostileModel("pickle-as-safetensors", "weights", put(WEIGHTS, STOLEN), "not a weights folder"),
    HostileModel("torch-save-as-safetensors", "weights", put(WEIGHTS, zipped_pickle()), "not a weights folder"),
    HostileModel("header-of-2-to-63-bytes", "weights", put(WEIGHTS, with_header(b"{}", length=2**63)), "header"),
    HostileModel("header-longer-than-file", "weights", put(WEIGHTS, with_header(b"{}", length=9999)), "header"),
    HostileModel("header-that-is-no-json", "weights", put(WEIGHTS, with_header(b"{" * 64)), "header"),
    HostileModel("overlapping-offsets", "weights", put(WEIGHTS, overlapping()), "not a weights folder"),
    HostileModel("shape-larger-than-data", "weights", put(WEIGHTS, claiming([2**40], 8)), "not a weights folder"),
    HostileModel("shape-that-overflows", "weights", put(WEIGHTS, claiming([2**62, 2**62], 8)), "not a weights folder"),
    HostileModel("a-terabyte-of-nothing", "weights", sparse(WEIGHTS, 2**40), "bytes, the network at most"),
    HostileModel("empty-weights", "weights", put(WEIGHTS, b""), "not a weights folder"),
    HostileModel("cut-weights", "weights", cut(WEIGHTS), "not a weights folder"),
    HostileModel("weights-nan", "weights", tensors(_spoiled(float("nan"))), "no number"),
    HostileModel("weights-infinite", "weights", tensors(_spoiled(float("inf"))), "no number"),
    HostileModel("missing-tensor", "weights", tensors(without_first), "Missing key"),
    HostileModel("extra-tensor", "weights", tensors(lambda t: t | {"more": torch.ones(1)}), "Unexpected key"),
    HostileModel("wrong-shape", "weights", tensors(lambda t: t | {first(t): torch.ones(7)}), "size mismatch"),
    HostileModel("wrong-dtype", "weights", tensors(lambda t: t | {first(t): t[first(t)].double()}), "torch.float64"),
    HostileModel("names-that-are-paths", "weights", climb, "Unexpected key"),
    HostileModel("linked-weights", "weights", linked(WEIGHTS), "a link"),
    HostileModel("linked-report", "weights", linked(REPORT), "a link"),
    HostileModel("report-is-a-pipe", "weights", piped(REPORT), "no plain file"),
    HostileModel("report-of-a-terabyte", "weights", sparse(REPORT, 2**40), "at most"),
    HostileModel("report-too-deep", "weights", put(REPORT, DEEP), "nested too deep"),
    HostileModel("report-is-a-list", "weights", put(REPORT, b"[]"), "holds a list"),
    HostileModel("report-of-huge-number", "weights", put(REPORT, b'{"task": ' + b"9" * 9_999 + b"}"), "is not JSON"),
    HostileModel("report-with-a-key-twice", "weights", put(REPORT, b'{"task": "a", "task": "b"}'), "twice"),
    HostileModel("report-with-nan", "weights", put(REPORT, b'{"task": NaN}'), "no number"),
    HostileModel("report-is-not-utf8", "weights", put(REPORT, b"\xff\xfe{}"), "is not JSON"),
    HostileModel("unknown-task", "weights", report(task="../../evil"), "no task"),
    HostileModel("task-is-a-list", "weights", report(task=["emotion"]), "not a weights folder"),
    HostileModel("foreign-key-of-config", "weights", report(config__evil="rm"), "evil"),
    HostileModel("foreign-key-of-encoding", "weights", report(encoding__evil="rm"), "evil"),
    HostileModel("network-of-a-terabyte", "weights", report(config__network__hidden=2**38), "not a weights folder"),
    HostileModel("network-of-some-gigabytes", "weights", report(config__network__hidden=2**22), "asks for a tensor"),
    HostileModel("graph-is-a-pickle", "model", put(GRAPH, STOLEN), "model"),
    HostileModel("cut-graph", "model", cut(GRAPH), "cut or no ONNX graph"),
    HostileModel("weights-in-another-file", "model", graph(keep_outside("weights.bin")), "in another file"),
    HostileModel("weights-outside-the-folder", "model", graph(keep_outside("../../secret")), "in another file"),
    HostileModel("weights-hidden-in-a-branch", "model", graph(hide_outside), "in another file"),
    HostileModel("operator-of-a-foreign-domain", "model", graph(call_foreign), "evil.corp"),
    HostileModel("renamed-input", "model", graph(rename_input), "inputs"),
    HostileModel("input-of-more-dimensions", "model", graph(reshape_input), "inputs"),
    HostileModel("output-of-another-kind", "model", graph(retype_output), "outputs"),
    HostileModel("linked-graph", "model", linked(GRAPH), "a link"),
    HostileModel("record-of-another-schema", "model", record(schema_version=99), "schema 99"),
    HostileModel("record-without-request", "model", record(request=None), "request"),
    HostileModel("record-with-a-key-twice", "model", put(RECORD, b'{"task": 1, "task": 2}'), "twice"),
    HostileModel("checkpoint-is-a-pickle", "checkpoint", put(TENSORS_NAME, STOLEN), "broken"),
    HostileModel("checkpoint-of-a-terabyte", "checkpoint", sparse(TENSORS_NAME, 2**40), "at most"),
    HostileModel("checkpoint-of-a-link", "checkpoint", linked(TENSORS_NAME), "a link"),
    HostileModel("checkpoint-too-deep", "checkpoint", put(STATE_NAME, DEEP), "nested too deep"),
    HostileModel("checkpoint-of-another-step", "checkpoint", reseal(step=2), "of step 2"),
    HostileModel("checkpoint-that-claims-much", "checkpoint", reseal(tensors_bytes=-1), "broken"),
    HostileModel("checkpoint-of-another-schema", "checkpoint", reseal(schema_version=99), "schema 99"),
)
