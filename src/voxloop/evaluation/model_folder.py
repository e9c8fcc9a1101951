"""A model folder looked at before anything runs it: one graph, wholly in its file, that asks what its record says."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import onnx
from google.protobuf.message import DecodeError

from voxloop.errors import InputError
from voxloop.store.plain_files import read_json_object, read_plain_file

SCHEMA_VERSION = 2
MOST_GRAPH_BYTES = 2**31 - 1
"""Of a protobuf message."""
DOMAINS = ("", "ai.onnx", "ai.onnx.ml")
"""Operators of the standard; others are code of whoever runs the graph."""


def check_model_folder(folder: Path) -> None:
    """Refuse what `export` cannot have written.

    Args:
        folder: Holds `model.json` and `model.onnx`.

    Raises:
        InputError: A file is missing, a link, cut or malformed; the record is of another schema; the graph keeps
            weights outside its file, calls operators outside the standard, or takes and gives other tensors than the
            record's request says.
    """
    record = read_json_object(folder / "model.json")
    if record.get("schema_version") != SCHEMA_VERSION:
        raise _refuse(folder, f"model.json is of schema {record.get('schema_version')!r:.50}, not {SCHEMA_VERSION}")
    try:
        graph = onnx.ModelProto.FromString(read_plain_file(folder / "model.onnx", most=MOST_GRAPH_BYTES))
    except DecodeError:
        raise _refuse(folder, "model.onnx is cut or no ONNX graph") from None
    if any(tensor.data_location == onnx.TensorProto.EXTERNAL for tensor in _messages(graph, onnx.TensorProto)):
        raise _refuse(folder, "model.onnx keeps weights in another file")
    local = {(function.domain, function.name) for function in graph.functions}
    for node in _messages(graph, onnx.NodeProto):
        if node.domain not in DOMAINS and (node.domain, node.op_type) not in local:
            raise _refuse(folder, f"model.onnx calls {node.domain}.{node.op_type}"[:200])
    _check_request(folder, graph, record.get("request"))


def _check_request(folder: Path, graph: onnx.ModelProto, request: Any) -> None:
    stored = {tensor.name for tensor in graph.graph.initializer}
    found = {
        "inputs": [_describe(value) for value in graph.graph.input if value.name not in stored],
        "outputs": [_describe(value) for value in graph.graph.output],
    }
    for side, specs in found.items():
        try:
            wanted = [(spec["name"], spec["dtype"], len(spec["shape"])) for spec in request[side]]
        except (TypeError, KeyError):
            raise _refuse(folder, f"model.json has no {side} of its request") from None
        if wanted != specs:
            raise _refuse(folder, f"model.onnx has the {side} {specs}, model.json says {wanted}"[:500])


def _describe(value: onnx.ValueInfoProto) -> tuple[str, str, int]:
    tensor = value.type.tensor_type
    kind = onnx.TensorProto.DataType.Name(tensor.elem_type).lower() if tensor.elem_type else "nothing"
    return value.name, {"float": "float32", "double": "float64"}.get(kind, kind), len(tensor.shape.dim)


def _messages(message: Any, kind: type[Any]) -> Iterator[Any]:
    """Yield every message of a kind inside `message`, at any depth: protobuf itself refuses more than 100 levels."""
    for field, value in message.ListFields():
        if field.message_type is None:
            continue
        for one in [value] if hasattr(value, "ListFields") else value:
            if isinstance(one, kind):
                yield one
            if not isinstance(one, onnx.TensorProto):
                yield from _messages(one, kind)


def _refuse(folder: Path, problem: str) -> InputError:
    return InputError(f"{folder.name}: {problem}", rule="a model folder is what export wrote", remedy="export it again")
