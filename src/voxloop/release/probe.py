"""Golden requests: what the exported model answered must be what the server answers."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from safetensors import SafetensorError
from safetensors.numpy import load_file

from voxloop.errors import IntegrityError
from voxloop.tasks.output_difference import Arrays, difference

GOLDEN_NAME = "golden.safetensors"
RECORD_NAME = "model.json"
# ONNX Runtime of another version, on another processor, differs by 1e-6; a wrong model by far more.
TOLERANCE = 1e-4


@dataclass(frozen=True)
class GoldenRequest:
    """A request and the outputs recorded at export, both by name and without the batch dimension."""

    inputs: Arrays
    outputs: Arrays


def read_golden(model: Path) -> list[GoldenRequest]:
    """Return the golden requests of a model folder.

    Raises:
        IntegrityError: A file is missing, unreadable, empty, or a request lacks a tensor.
    """
    try:
        request = json.loads((model / RECORD_NAME).read_bytes())["request"]
        sides = [[(str(spec["name"]), len(spec["shape"])) for spec in request[side]] for side in ("inputs", "outputs")]
        tensors = load_file(model / GOLDEN_NAME)
        count = sum(name.startswith(f"{sides[0][0][0]}_") for name in tensors)
        golden = [GoldenRequest(*(_take(tensors, side, place) for side in sides)) for place in range(count)]
    except (OSError, SafetensorError, KeyError, TypeError, ValueError, IndexError) as unreadable:
        raise IntegrityError(f"{model / GOLDEN_NAME} cannot be read ({unreadable})", remedy="export again") from None
    if not golden:
        raise IntegrityError(f"{model / GOLDEN_NAME} holds no request", rule="a probe asks", remedy="export again")
    return golden


def _take(tensors: Arrays, side: list[tuple[str, int]], place: int) -> Arrays:
    """Return the tensors of one request; a number is kept as one of one dimension."""
    found = {name: (tensors[f"{name}_{place}"], rank) for name, rank in side}
    return {name: array.reshape(()) if rank == 1 else array for name, (array, rank) in found.items()}


def probe(name: str, golden: list[GoldenRequest], answer: Callable[[Arrays], Arrays]) -> float:
    """Ask each golden request and return the largest difference from the recorded outputs.

    Args:
        name: The model asked, for the message.
        golden: At least one request.
        answer: Gives the server's outputs for a request.

    Raises:
        IntegrityError: An output is missing, has another shape, is not a number, or differs by more than `TOLERANCE`;
            counts differ at all.
    """
    worst = 0.0
    for number, request in enumerate(golden):
        found = difference(request.outputs, answer(request.inputs))
        if found > TOLERANCE:
            raise IntegrityError(
                f"{name} answers golden request {number} with a difference of {found:.2g}",
                rule=f"at most {TOLERANCE:g} between export and server",
                remedy="the model before it stays in service; export and register again",
            )
        worst = max(worst, found)
    return worst
