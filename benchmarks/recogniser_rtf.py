"""The real-time factor of a 13 M-parameter recogniser offline: ONNX Runtime on two cores, one utterance at a time.

Sound goes in and text comes out: the log-mel spectrogram is in the graph, greedy decoding is behind it. The network is
that of `asr` `base`, narrower and with fewer layers; its weights are random, which changes nothing about the time. The
graph must first say what torch says. The peer is the clock: one second of work a second of speech.

The figure is seconds of the wall, the best of a few rounds, because a server's caller waits for those; where others use
the same cores, processor seconds are told beside it: of both threads, so at most twice the wall's.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnxruntime as ort
import torch

from benchmarks.report import Finding
from voxloop.config import find_config, load_config
from voxloop.tasks import asr, get_task
from voxloop.tasks.transcripts import BLANK_NAME, WORD_START, AsrEncoding
from voxloop.training.export import Answering, write_graph
from voxloop.training.parity import check_parity

SHAPE = ("network.width=256", "network.layers=8", "network.heads=4")
"""Overrides that make the configuration `base` one of 13 M parameters."""
SECONDS = (2.0, 5.0, 10.0, 16.0, 30.0)
ROUNDS = 5
THREADS = 2
TARGET = 0.1
TOLERANCE = 1e-4


def measure() -> Finding:
    """Return seconds of work a second of speech: the best round of each length, added up."""
    torch.manual_seed(0)
    config = load_config(asr.AsrConfig, find_config("tasks", "asr", "base"), SHAPE)
    assert config.network is not None
    encoding = make_encoding(config)
    model = Answering(asr.build_network(config, encoding), get_task(asr.NAME)).eval()
    parameters = sum(parameter.numel() for parameter in model.parameters()) / 1e6
    requests = list(asr.golden_inputs(encoding, SECONDS))
    with tempfile.TemporaryDirectory() as folder:
        graph = Path(folder) / "model.onnx"
        write_graph(model, asr.request(encoding), requests[:3], graph, opset=18)
        parity, _ = check_parity(model, graph, requests, tolerance=TOLERANCE)
        session = open_session(graph)
    taken = np.array([time_answers(session, request, encoding) for request in requests])
    frame = config.log_mel.hop * 2 ** len(config.network.channels) / config.log_mel.sample_rate
    for seconds, (wall, processor) in zip(SECONDS, taken, strict=True):
        print(f"{seconds:4.0f} s: {wall / seconds:.4f} wall, {processor / seconds:.4f} processor", file=sys.stderr)
    told = f"{frame * 1e3:.0f} ms frames, {THREADS} threads, difference from torch {parity['largest']:.1e}"
    load = f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores"
    wall, processor = taken.sum(axis=0) / sum(SECONDS)
    print(f"{told}, {load}: {wall:.4f} wall, {processor:.4f} processor seconds a second of speech", file=sys.stderr)
    return Finding(f"recogniser of {parameters:.1f} M: seconds a second of speech", float(wall), 1.0, TARGET, "at most")


def make_encoding(config: asr.AsrConfig) -> AsrEncoding:
    """Return as many symbols as the configuration has pieces; what they spell does not matter."""
    pieces = config.symbols.pieces or 30
    return AsrEncoding(symbols=(BLANK_NAME, *(f"{WORD_START}{number:x}" for number in range(pieces))))


def open_session(graph: Path) -> ort.InferenceSession:
    """Return the graph on `THREADS` threads of the CPU."""
    options = ort.SessionOptions()
    options.intra_op_num_threads = THREADS
    return ort.InferenceSession(str(graph), sess_options=options, providers=["CPUExecutionProvider"])


def time_answers(
    session: ort.InferenceSession, request: Mapping[str, npt.NDArray[Any]], encoding: AsrEncoding
) -> tuple[float, float]:
    """Return the least seconds, of the wall and of processors, that the text of one request took."""
    batch = {name: np.asarray(value)[None] for name, value in request.items()}
    names = [output.name for output in session.get_outputs()]
    rounds = []
    for _ in range(1 + ROUNDS):
        started, used = time.monotonic(), time.process_time()
        outputs = dict(zip(names, session.run(names, batch), strict=True))
        assert len(asr.decode(outputs, encoding)) == 1
        rounds.append((time.monotonic() - started, time.process_time() - used))
    wall, processor = zip(*rounds[1:], strict=True)
    return min(wall), min(processor)


if __name__ == "__main__":
    print(measure().as_json())
