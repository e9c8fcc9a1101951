"""A copy of an exported model whose graph or record may be changed: how most faults are made."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import helper, numpy_helper

from voxloop.store.atomic import write_file

Array = npt.NDArray[Any]


class GraphCopy:
    """`model.onnx` and `model.json` of a model folder, in memory.

    Args:
        folder: Written by `export`.
    """

    def __init__(self, folder: Path) -> None:
        self.model = onnx.load(folder / "model.onnx")
        self.record: dict[str, Any] = json.loads((folder / "model.json").read_text(encoding="utf-8"))
        nodes, stored = self.model.graph.node, self.model.graph.initializer
        self._taken = {name for node in nodes for name in node.output} | {tensor.name for tensor in stored}

    @property
    def inputs(self) -> list[str]:
        """Names of the request's inputs."""
        return [spec["name"] for spec in self.record["request"]["inputs"]]

    @property
    def answer_name(self) -> str:
        """Name of the output that says what the model thinks: the first."""
        return str(self.record["request"]["outputs"][0]["name"])

    def constant(self, value: npt.ArrayLike) -> str:
        """Add an array to the graph and return its name."""
        name = self._name()
        self.model.graph.initializer.append(numpy_helper.from_array(np.asarray(value), name))
        return name

    def node(self, kind: str, inputs: Sequence[str], *, output: str = "", first: int | None = None, **how: Any) -> str:
        """Add a node and return the name of its output.

        Args:
            kind: ONNX operator.
            inputs: Names.
            output: Name it must have; a fresh one when empty.
            first: Place among the nodes; at the end when None.
            how: The operator's attributes.
        """
        name = output or self._name()
        made = helper.make_node(kind, list(inputs), [name], **how)
        nodes = self.model.graph.node
        nodes.insert(len(nodes) if first is None else first, made)
        return name

    def take_output(self, name: str) -> str:
        """Give an output of the graph another name, so that a node added later may give what has the old one."""
        inner = self._name()
        for node in self.model.graph.node:
            for names in (node.input, node.output):
                _rename(names, name, inner)
        return inner

    def take_input(self, name: str) -> str:
        """Make all nodes read another name in place of an input; a node put first must give it."""
        inner = self._name()
        for node in self.model.graph.node:
            _rename(node.input, name, inner)
        return inner

    def write(self, folder: Path) -> Path:
        """Write the model folder and return it."""
        onnx.checker.check_model(self.model)
        write_file(folder / "model.onnx", self.model.SerializeToString(deterministic=True))
        write_file(folder / "model.json", json.dumps(self.record, indent=2) + "\n")
        return folder

    def _name(self) -> str:
        name = f"selftest_{len(self._taken)}"
        self._taken.add(name)
        return name


def _rename(names: Any, old: str, new: str) -> None:
    for place, name in enumerate(names):
        if name == old:
            names[place] = new
