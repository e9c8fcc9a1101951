"""From a weights folder to a model folder: one ONNX graph, from the task's request to its answer, and the proof."""

from __future__ import annotations

import json
import logging
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from safetensors import SafetensorError
from safetensors.numpy import save
from torch import Tensor, nn

from voxloop.errors import InputError, VoxloopError
from voxloop.speech.waveform import SAMPLE_RATE
from voxloop.store.atomic import write_file
from voxloop.store.digests import digest_file
from voxloop.store.plain_files import read_json_object
from voxloop.tasks import Request, Task, get_task
from voxloop.tasks.batches import pad_rows
from voxloop.tasks.output_difference import LOGARITHMS, Arrays
from voxloop.training.export_config import ExportConfig
from voxloop.training.parity import check_parity
from voxloop.training.weights_file import REPORT_NAME, WEIGHTS_NAME, load_network

MODEL_NAME = "model.onnx"
MODEL_REPORT_NAME = "model.json"
GOLDEN_NAME = "golden.safetensors"
PARITY_NAME = "parity.json"


@dataclass(frozen=True)
class Trained:
    """What a weights folder holds, loaded."""

    task: Task
    encoding: Any
    network: nn.Module
    dataset_digest: str
    weights_digest: str


class Answering(nn.Module):
    """A network with the task's answer behind it: what is served."""

    def __init__(self, network: nn.Module, task: Task) -> None:
        super().__init__()
        self.network = network
        self.task = task

    def forward(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        """The request's inputs, in order -> its outputs."""
        return self.task.answer(self.network(*inputs))


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
    request = trained.task.request(trained.encoding)
    golden = list(trained.task.golden_inputs(trained.encoding, config.seconds))
    write_graph(model, request, golden, folder / MODEL_NAME, opset=config.opset)
    over_frames = any(spec.name.startswith(LOGARITHMS) for spec in request.outputs)
    tolerance = config.frame_tolerance if over_frames else config.tolerance
    parity, answers = check_parity(model, folder / MODEL_NAME, golden, tolerance=tolerance)
    tensors = {
        f"{name}_{index}": np.ascontiguousarray(array)
        for index, (asked, answered) in enumerate(zip(golden, answers, strict=True))
        for name, array in {**asked, **answered}.items()
    }
    write_file(folder / GOLDEN_NAME, save(tensors))
    _write_json(folder / PARITY_NAME, parity)
    _write_json(folder / MODEL_REPORT_NAME, _describe(trained, config))


def load_trained(weights: Path) -> Trained:
    """Build the network of a weights folder and load its weights, every one of them.

    Raises:
        InputError: A file is missing or malformed, or the weights are not those of the configuration.
    """
    try:
        report = read_json_object(weights / REPORT_NAME)
        task = get_task(report["task"])
        encoding = task.Encoding.model_validate(report["encoding"])
        config = task.Config.model_validate(report["config"])
        network = load_network(weights / WEIGHTS_NAME, lambda: task.build_network(config, encoding))
        digests = (str(report["dataset_digest"]), digest_file(weights / WEIGHTS_NAME))
    except (InputError, OSError, ValueError, KeyError, TypeError, RuntimeError, SafetensorError) as broken:
        raise InputError(
            f"{weights} is not a weights folder: {broken}",
            rule=f"{REPORT_NAME} and {WEIGHTS_NAME}, written by train, belong together",
            remedy="name a folder written by train",
        ) from None
    return Trained(task, encoding, network.eval(), *digests)


def write_graph(model: nn.Module, request: Request, examples: Sequence[Arrays], path: Path, *, opset: int) -> None:
    """Export `model` as one ONNX file, weights inside; dimensions that the request names by a word are dynamic.

    Args:
        model: The request's inputs -> a tuple of its outputs.
        request: Names and shapes.
        examples: Two or more requests without the batch dimension: a batch of 1 would fix that dimension at 1.
        path: The file to write.
        opset: Version of the ONNX operators.
    """
    example = tuple(torch.from_numpy(pad_rows([one[spec.name] for one in examples])) for spec in request.inputs)
    dynamic = [
        {place: torch.export.Dim.DYNAMIC for place, size in enumerate(spec.shape) if isinstance(size, str)}
        for spec in request.inputs
    ]
    with torch.inference_mode(), _quiet_exporter():
        program = torch.onnx.export(
            model,
            example,
            input_names=[spec.name for spec in request.inputs],
            output_names=[spec.name for spec in request.outputs],
            dynamic_shapes=(tuple(dynamic),),
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
        "schema_version": 2,
        "task": trained.task.NAME,
        "request": trained.task.request(trained.encoding).as_json(),
        "sample_rate": SAMPLE_RATE,
        "labels": list(trained.encoding.labels),
        "encoding": trained.encoding.model_dump(mode="json"),
        "opset": config.opset,
        "dataset_digest": trained.dataset_digest,
        "weights_digest": trained.weights_digest,
    }


def _write_json(path: Path, content: dict[str, Any]) -> None:
    write_file(path, json.dumps(content, indent=2) + "\n")
