"""The proof that a graph says what torch says, whatever the batch."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy.typing as npt
import onnxruntime as ort
import torch
from torch import nn

from voxloop.errors import VoxloopError
from voxloop.tasks.batches import pad_rows
from voxloop.tasks.output_difference import Arrays, difference


def check_parity(
    model: nn.Module, graph: Path, requests: Sequence[Arrays], *, tolerance: float
) -> tuple[dict[str, Any], list[dict[str, npt.NDArray[Any]]]]:
    """Compare torch, the graph asked one by one, and the graph asked with all in one padded batch.

    Args:
        model: In evaluation mode; the request's inputs -> a tuple of its outputs.
        graph: The ONNX file.
        requests: Inputs by name, in the order of the graph's, without the batch dimension.
        tolerance: Largest difference allowed in numbers; counts are the same.

    Returns:
        The report, JSON values only, and the graph's answer to each request alone, by name of output.

    Raises:
        VoxloopError: A difference is larger, or not a number.
    """
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1  # the golden answers are bytes of the model: no sums that depend on the machine
    session = ort.InferenceSession(str(graph), sess_options=options, providers=["CPUExecutionProvider"])
    alone = [_ask_graph(session, [request])[0] for request in requests]
    together = _ask_graph(session, requests)
    with torch.inference_mode():
        reference = [_ask_torch(model, request, list(alone[0])) for request in requests]
    cases: list[dict[str, Any]] = [
        {
            "shapes": {name: list(array.shape) for name, array in request.items()},
            "graph_to_torch": difference(alone[index], _crop(reference[index], alone[index])),
            "padded_to_alone": difference(alone[index], _crop(together[index], alone[index])),
        }
        for index, request in enumerate(requests)
    ]
    largest = max(max(case["graph_to_torch"], case["padded_to_alone"]) for case in cases)
    if not largest <= tolerance:
        raise VoxloopError(
            f"{graph.name} differs from torch, or padded from alone, by {largest:.3g}",
            rule=f"at most {tolerance:g} is allowed",
            remedy="look at parity of the operators used, or raise tolerance in configs/export.yaml",
        )
    return {"schema_version": 2, "tolerance": tolerance, "largest": largest, "cases": cases}, alone


def _ask_graph(session: ort.InferenceSession, requests: Sequence[Arrays]) -> list[dict[str, npt.NDArray[Any]]]:
    padded = {name: pad_rows([request[name] for request in requests]) for name in requests[0]}
    names = [output.name for output in session.get_outputs()]
    answers = dict(zip(names, session.run(names, padded), strict=True))
    return [{name: answer[place] for name, answer in answers.items()} for place in range(len(requests))]


def _ask_torch(model: nn.Module, request: Arrays, names: Sequence[str]) -> dict[str, npt.NDArray[Any]]:
    answers = model(*[torch.from_numpy(pad_rows([array])) for array in request.values()])
    return {name: answer[0].numpy() for name, answer in zip(names, answers, strict=True)}


def _crop(padded: Arrays, alone: Arrays) -> Arrays:
    """Return of each output of a padded batch what the request alone has: the rest is padding."""
    return {name: padded[name][tuple(slice(0, size) for size in values.shape)] for name, values in alone.items()}
