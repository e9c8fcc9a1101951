"""The proof that a graph says what torch says, whatever the batch."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnxruntime as ort
import torch
from torch import nn

from voxloop.errors import VoxloopError

Floats = npt.NDArray[np.float32]


def check_parity(
    model: nn.Module, graph: Path, waveforms: Sequence[Floats], *, tolerance: float
) -> tuple[dict[str, Any], list[Floats]]:
    """Compare torch, the graph asked one by one, and the graph asked with all in one padded batch.

    Args:
        model: In evaluation mode; (waveform [batch, samples], num_samples [batch]) -> answer [batch, ...].
        graph: The ONNX file.
        waveforms: float32 [n] each.
        tolerance: Largest difference allowed.

    Returns:
        The report, JSON values only, and the graph's answer to each waveform alone.

    Raises:
        VoxloopError: A difference is larger, or not a number.
    """
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1  # the golden answers are bytes of the model: no sums that depend on the machine
    session = ort.InferenceSession(str(graph), sess_options=options, providers=["CPUExecutionProvider"])
    alone = [_ask_graph(session, [waveform])[0] for waveform in waveforms]
    together = _ask_graph(session, waveforms)
    with torch.inference_mode():
        reference = [model(*map(torch.from_numpy, _pad([waveform])))[0].numpy() for waveform in waveforms]
    cases = [
        {
            "samples": len(waveform),
            "graph_to_torch": _difference(alone[index], reference[index]),
            "padded_to_alone": _difference(together[index], alone[index]),
        }
        for index, waveform in enumerate(waveforms)
    ]
    largest = max(max(case["graph_to_torch"], case["padded_to_alone"]) for case in cases)
    if not largest <= tolerance:
        raise VoxloopError(
            f"{graph.name} differs from torch, or padded from alone, by {largest:.3g}",
            rule=f"at most {tolerance:g} is allowed",
            remedy="look at parity of the operators used, or raise tolerance in configs/export.yaml",
        )
    return {"schema_version": 1, "tolerance": tolerance, "largest": largest, "cases": cases}, alone


def _ask_graph(session: ort.InferenceSession, waveforms: Sequence[Floats]) -> Floats:
    waveform, num_samples = _pad(waveforms)
    answer: Floats = session.run(None, {"waveform": waveform, "num_samples": num_samples})[0]
    return answer


def _pad(waveforms: Sequence[Floats]) -> tuple[Floats, npt.NDArray[np.int64]]:
    lengths = np.array([len(waveform) for waveform in waveforms], dtype=np.int64)
    padded = np.zeros((len(waveforms), int(lengths.max())), dtype=np.float32)
    for row, waveform in zip(padded, waveforms, strict=True):
        row[: len(waveform)] = waveform
    return padded, lengths


def _difference(one: Floats, other: Floats) -> float:
    """Largest absolute difference; infinite where one is not finite."""
    return float(np.abs(one - other).max()) if np.isfinite(one).all() and np.isfinite(other).all() else float("inf")
