"""Models small enough to write by hand: they hear the mean of the samples and answer the nearest label's."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper, numpy_helper

from voxloop.store.digests import digest_tree
from voxloop.tasks import emotion

LABELS = ("anger", "neutral", "sadness")
RATE = 16_000


def level_of(label: str) -> float:
    """Return the constant amplitude that stands for a label."""
    return (LABELS.index(label) + 1) / 10


def write_model(
    folder: Path, *, labels: Sequence[str] = LABELS, heard: Sequence[str] | None = None, task: str = "emotion"
) -> Path:
    """Write a model folder.

    Args:
        folder: Made when missing.
        labels: What `model.json` calls the outputs.
        heard: Label whose amplitude each output really answers to; other than `labels`, the model errs.
        task: What `model.json` says.
    """
    folder.mkdir(parents=True)
    centres = np.array([[level_of(label) for label in heard or labels]], dtype=np.float32)
    onnx.save(_graph(centres), folder / "model.onnx")
    encoding = emotion.EmotionEncoding(labels=tuple(labels), weights=(1.0,) * len(labels))
    request = emotion.request(encoding).as_json()
    record = {"schema_version": 2, "task": task, "labels": list(labels), "sample_rate": RATE, "request": request}
    record["encoding"] = encoding.model_dump(mode="json")
    (folder / "model.json").write_text(json.dumps(record))
    return folder


def write_champion(folder: Path, model: Path | None = None, *, ever: bool = True, **record: Any) -> Path:
    """Write a folder as `fetch_champion` does, with a copy of `model` as the champion, or none."""
    folder.mkdir(parents=True)
    if model is not None:
        (folder / "model").mkdir()
        for file in model.iterdir():
            (folder / "model" / file.name).write_bytes(file.read_bytes())
    digest = None if model is None else digest_tree(model)
    content = {"version": None if model is None else 3, "model_digest": digest, "ever": ever, **record}
    (folder / "champion.json").write_text(json.dumps(content))
    return folder


def make_rows(
    labels: Sequence[str | None], *, sample_rate: int = RATE
) -> Iterator[tuple[dict[str, Any], npt.NDArray[np.float32]]]:
    """Yield a row and a waveform for each label, each of another length; None is a row without a label."""
    for index, label in enumerate(labels):
        samples = 400 + 37 * (index * 7 % 11)
        level = 0.0 if label is None else level_of(label)
        yield (
            {
                "utterance_id": f"u{index:03d}",
                "speaker_id": f"s{index % 4}",
                "gender": None,
                "source": "by hand",
                "duration_s": samples / sample_rate,
                "sample_rate": sample_rate,
                "emotion": label,
            },
            np.full(samples, level, dtype=np.float32),
        )


def _graph(centres: npt.NDArray[np.float32]) -> onnx.ModelProto:
    tensors = {"axes": np.array([1]), "centres": centres, "sharp": np.array(-4000.0, dtype=np.float32)}
    nodes = [
        helper.make_node("ReduceSum", ["waveform", "axes"], ["sums"], keepdims=1),
        helper.make_node("Cast", ["num_samples"], ["lengths"], to=TensorProto.FLOAT),
        helper.make_node("Unsqueeze", ["lengths", "axes"], ["column"]),
        helper.make_node("Div", ["sums", "column"], ["means"]),
        helper.make_node("Sub", ["means", "centres"], ["distances"]),
        helper.make_node("Mul", ["distances", "distances"], ["squares"]),
        helper.make_node("Mul", ["squares", "sharp"], ["logits"]),
        helper.make_node("Softmax", ["logits"], ["probabilities"], axis=1),
    ]
    graph = helper.make_graph(
        nodes,
        "nearest_level",
        [
            helper.make_tensor_value_info("waveform", TensorProto.FLOAT, ["batch", "samples"]),
            helper.make_tensor_value_info("num_samples", TensorProto.INT64, ["batch"]),
        ],
        [helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["batch", centres.shape[1]])],
        [numpy_helper.from_array(array, name) for name, array in tensors.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
