"""The real-time factor of a 13 M-parameter recogniser offline: ONNX Runtime, two threads, one utterance at a time.

The weights are random: what they are changes nothing about the time. The peer is the clock: one second of work a second
of speech. The graph must first say what torch says.
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnxruntime as ort
import torch

from benchmarks.report import Finding
from voxloop.config import find_config, load_config
from voxloop.tasks import asr, get_task
from voxloop.tasks.transcripts import AsrEncoding
from voxloop.training.export import Answering, write_graph
from voxloop.training.parity import check_parity

SHAPE = ("network.width=256", "network.layers=8", "network.heads=4")
"""Overrides that make the configuration `base` one of 13 M parameters."""
SECONDS = (4.0, 10.0, 16.0)
REPEATS = 3
THREADS = 2
TARGET = 0.1
TOLERANCE = 1e-4


def measure() -> Finding:
    """Return seconds of work a second of speech: the best of a few times of each length, added up."""
    torch.manual_seed(0)
    config = load_config(asr.AsrConfig, find_config("tasks", "asr", "base"), SHAPE)
    encoding = AsrEncoding(symbols=("<blank>", *"abcdefghijklmnopqrstuvwxyz '"))
    model = Answering(asr.build_network(config, encoding), get_task(asr.NAME)).eval()
    parameters = sum(parameter.numel() for parameter in model.parameters())
    requests = list(asr.golden_inputs(encoding, SECONDS))
    with tempfile.TemporaryDirectory() as folder:
        graph = Path(folder) / "model.onnx"
        write_graph(model, asr.request(encoding), requests, graph, opset=18)
        check_parity(model, graph, requests, tolerance=TOLERANCE)
        options = ort.SessionOptions()
        options.intra_op_num_threads = THREADS
        session = ort.InferenceSession(str(graph), sess_options=options, providers=["CPUExecutionProvider"])
    taken = sum(min(_ask(session, request) for _ in range(REPEATS)) for request in requests)
    what = f"recogniser of {parameters / 1e6:.1f} M parameters: seconds of work a second of speech"
    return Finding(what, taken / sum(SECONDS), 1.0, TARGET, "at most")


def _ask(session: ort.InferenceSession, request: dict[str, npt.NDArray[Any]]) -> float:
    """Return the seconds that one request took."""
    batch = {name: np.asarray(value)[None] for name, value in request.items()}
    started = time.monotonic()
    session.run(None, batch)
    return time.monotonic() - started


if __name__ == "__main__":
    print(measure().as_json())
