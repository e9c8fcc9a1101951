"""How a graph is opened for evaluation: the same in scoring and where its memory is measured."""

from __future__ import annotations

from pathlib import Path

import onnxruntime as ort

from voxloop.errors import InputError


def open_session(path: Path, threads: int) -> ort.InferenceSession:
    """Open `model.onnx`; `threads` inside ONNX Runtime, 0 for one a core.

    Raises:
        InputError: It is not a graph that can be run.
    """
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 3  # warnings about the graph are the exporter's to heed
    try:
        return ort.InferenceSession(str(path), sess_options=options, providers=["CPUExecutionProvider"])
    except Exception as unreadable:  # noqa: BLE001 - onnxruntime's errors share no other class
        raise InputError(
            f"{path.parent.name}/{path.name} is not a model: {unreadable}", remedy="export it again"
        ) from None
