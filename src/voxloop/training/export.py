"""From a weights folder to a model folder: one ONNX graph, from the task's request to its answer, and the proof."""

from __future__ import annotations

import json
import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import onnx
import torch
from pydantic import ValidationError
from safetensors import SafetensorError
from safetensors.numpy import save
from safetensors.torch import load_file
from torch import Tensor, nn

from voxloop.errors import InputError, VoxloopError
from voxloop.speech.waveform import SAMPLE_RATE
from voxloop.store.atomic import write_file
from voxloop.store.digests import digest_file
from voxloop.tasks import Request, Task, get_task
from voxloop.training.export_config import ExportConfig
from voxloop.training.fit import REPORT_NAME, WEIGHTS_NAME
from voxloop.training.golden import golden_waveforms
from voxloop.training.parity import check_parity

MODEL_NAME = "model.onnx"
MODEL_REPORT_NAME = "model.json"
GOLDEN_NAME = "golden.safetensors"
PARITY_NAME = "parity.json"


@dataclass(frozen=True)
class Trained:
    """What a weights folder holds, loaded."""

    task: Task
    network: nn.Module
    dataset_digest: str
    weights_digest: str


class Answering(nn.Module):
    """A network with the task's answer behind it: what is served."""

    def __init__(self, network: nn.Module, task: Task) -> None:
        super().__init__()
        self.network = network
        self.task = task

    def forward(self, waveform: Tensor, num_samples: Tensor) -> Tensor:
        """Waveform float32 [batch, samples], num_samples int64 [batch] -> the request's output."""
        return self.task.answer(self.network(waveform, num_samples))


def export_model(weights: Path, folder: Path, config: ExportConfig) -> None:
    """Write `model.onnx`, `model.json`, `golden.safetensors` and `parity.json` into `folder`.

    Args:
        weights: Folder written by `fit_task`.
        folder: Existing folder to fill.
        config: Opset, tolerance and golden lengths.

    Raises:
        InputError: `weights` is not such a folder.
        VoxloopError: The graph and torch disagree by more than the tolerance.
    """
    trained = load_trained(weights)
    model = Answering(trained.network, trained.task).eval()
    write_graph(model, trained.task.REQUEST, folder / MODEL_NAME, opset=config.opset)
    waveforms = golden_waveforms(config.seconds)
    parity, answers = check_parity(model, folder / MODEL_NAME, waveforms, tolerance=config.tolerance)
    golden = {f"waveform_{index}": waveform for index, waveform in enumerate(waveforms)}
    golden |= {f"probabilities_{index}": answer for index, answer in enumerate(answers)}
    write_file(folder / GOLDEN_NAME, save(golden))
    _write_json(folder / PARITY_NAME, parity)
    _write_json(folder / MODEL_REPORT_NAME, _describe(trained, config))


def load_trained(weights: Path) -> Trained:
    """Build the network of a weights folder and load its weights, every one of them.

    Raises:
        InputError: A file is missing or malformed, or the weights are not those of the configuration.
    """
    try:
        report = json.loads((weights / REPORT_NAME).read_text(encoding="utf-8"))
        task = get_task(report["task"])
        network = task.build_network(task.Config.model_validate(report["config"]))
        network.load_state_dict(load_file(weights / WEIGHTS_NAME), strict=True)
        digests = (str(report["dataset_digest"]), digest_file(weights / WEIGHTS_NAME))
    except (OSError, ValueError, KeyError, TypeError, RuntimeError, SafetensorError, ValidationError) as broken:
        raise InputError(
            f"{weights} is not a weights folder: {broken}",
            rule=f"{REPORT_NAME} and {WEIGHTS_NAME}, written by train, belong together",
            remedy="name a folder written by train",
        ) from None
    return Trained(task, network.eval(), *digests)


def write_graph(model: nn.Module, request: Request, path: Path, *, opset: int) -> None:
    """Export `model` as one ONNX file, weights inside, with any batch and any length."""
    dynamic = torch.export.Dim.DYNAMIC
    # An example batch of 1 would fix that dimension at 1.
    example = (torch.zeros(2, 2 * SAMPLE_RATE), torch.tensor([2 * SAMPLE_RATE, SAMPLE_RATE]))
    with torch.inference_mode(), _quiet_exporter():
        program = torch.onnx.export(
            model,
            example,
            input_names=[spec.name for spec in request.inputs],
            output_names=[spec.name for spec in request.outputs],
            dynamic_shapes=({0: dynamic, 1: dynamic}, {0: dynamic}),
            opset_version=opset,
            dynamo=True,
            verbose=False,
        )
    if program is None:
        raise VoxloopError("torch exported nothing", remedy="look at the messages of torch.onnx above")
    graph = program.model_proto
    strip_traces(graph)
    onnx.checker.check_model(graph, full_check=True)
    write_file(path, graph.SerializeToString(deterministic=True))


def strip_traces(graph: onnx.ModelProto) -> None:
    """Remove what the exporter notes about Python's stack: paths of this machine, no part of the computation."""
    parts = [graph, graph.graph, *graph.graph.node, *graph.graph.value_info, *graph.graph.initializer]
    parts += [*graph.graph.input, *graph.graph.output, *graph.functions]
    parts += [node for function in graph.functions for node in function.node]
    for part in parts:
        del part.metadata_props[:]
        part.ClearField("doc_string")


@contextmanager
def _quiet_exporter() -> Iterator[None]:
    talker = logging.getLogger("torch.onnx")
    level = talker.level
    talker.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            # torch 2.13 copies trees in a way it calls out of date itself.
            warnings.filterwarnings("ignore", message=".*treespec, LeafSpec.*", category=FutureWarning)
            yield
    finally:
        talker.setLevel(level)


def _describe(trained: Trained, config: ExportConfig) -> dict[str, Any]:
    return {
        "schema_version": 1,
        "task": trained.task.NAME,
        "request": trained.task.REQUEST.as_json(),
        "sample_rate": SAMPLE_RATE,
        "labels": list(trained.task.LABELS),
        "opset": config.opset,
        "dataset_digest": trained.dataset_digest,
        "weights_digest": trained.weights_digest,
    }


def _write_json(path: Path, content: dict[str, Any]) -> None:
    write_file(path, json.dumps(content, indent=2) + "\n")
