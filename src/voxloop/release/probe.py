"""Golden requests: what the exported model answered must be what the server answers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load_file

from voxloop.errors import IntegrityError

Floats = NDArray[np.float32]

GOLDEN_NAME = "golden.safetensors"
# ONNX Runtime of another version, on another processor, differs by 1e-6; a wrong model by far more.
TOLERANCE = 1e-4


@dataclass(frozen=True)
class GoldenRequest:
    """A waveform (float32 [samples], 16 kHz) and the probabilities (float32 [labels]) recorded at export."""

    waveform: Floats
    probabilities: Floats


def read_golden(model: Path) -> list[GoldenRequest]:
    """Return the golden requests of a model folder.

    Raises:
        IntegrityError: The file is missing, unreadable, empty, or a request lacks its answer.
    """
    try:
        tensors = load_file(model / GOLDEN_NAME)
        names = sorted(name for name in tensors if name.startswith("waveform_"))
        golden = [GoldenRequest(tensors[name], tensors[name.replace("waveform", "probabilities")]) for name in names]
    except (OSError, SafetensorError, KeyError) as unreadable:
        raise IntegrityError(f"{model / GOLDEN_NAME} cannot be read ({unreadable})", remedy="export again") from None
    if not golden:
        raise IntegrityError(f"{model / GOLDEN_NAME} holds no request", rule="a probe asks", remedy="export again")
    return golden


def probe(name: str, golden: list[GoldenRequest], answer: Callable[[Floats], Floats]) -> float:
    """Ask each golden request and return the largest difference from the recorded probabilities.

    Args:
        name: The model asked, for the message.
        golden: At least one request.
        answer: Gives the server's probabilities (float32 [labels]) for a waveform.

    Raises:
        IntegrityError: An answer has another shape, is not a number, or differs by more than `TOLERANCE`.
    """
    worst = 0.0
    for number, request in enumerate(golden):
        served = answer(request.waveform)
        same_shape = served.shape == request.probabilities.shape
        difference = float(np.abs(served - request.probabilities).max()) if same_shape else float("inf")
        if not difference <= TOLERANCE:  # also when it is NaN
            raise IntegrityError(
                f"{name} answers golden request {number} with a difference of {difference:.2g}",
                rule=f"at most {TOLERANCE:g} between export and server",
                remedy="the model before it stays in service; export and register again",
            )
        worst = max(worst, difference)
    return worst
