"""The exported graph is the network, whatever the batch and the length."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
import pytest
import torch
from safetensors.numpy import load_file
from torch import nn
from torch.nn import functional

from voxloop.errors import InputError, VoxloopError
from voxloop.evaluation.report import ModelRecord, read_json_record
from voxloop.store.digests import digest_file, digest_tree
from voxloop.tasks import Request, TensorSpec
from voxloop.training.export import Answering, Trained, export_model, load_trained, write_graph
from voxloop.training.export_config import ExportConfig
from voxloop.training.parity import check_parity

CONFIG = ExportConfig(opset=18, tolerance=1e-4, frame_tolerance=1e-3, seconds=(0.3, 1.7))


def requests(trained: Trained, *seconds: float) -> list[dict[str, Any]]:
    return list(trained.task.golden_inputs(trained.encoding, seconds))


@pytest.fixture(scope="module")
def model(weights: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("model")
    export_model(weights, folder, CONFIG)
    return folder


@pytest.mark.parametrize("lengths", [(1,), (500,), (16_000,), (16_001, 320), (48_000, 16_000, 700, 640, 639)])
def test_the_graph_says_what_torch_says(model: Path, weights: Path, lengths: tuple[int, ...]) -> None:
    draw = np.random.default_rng(0)
    batch = (0.1 * draw.standard_normal((len(lengths), max(lengths)))).astype(np.float32)
    sizes = np.array(lengths, dtype=np.int64)
    session = ort.InferenceSession(model / "model.onnx", providers=["CPUExecutionProvider"])
    (found,) = session.run(["probabilities"], {"waveform": batch, "num_samples": sizes})
    trained = load_trained(weights)
    with torch.inference_mode():
        (expected,) = Answering(trained.network, trained.task)(torch.from_numpy(batch), torch.from_numpy(sizes))
    np.testing.assert_allclose(found, expected.numpy(), atol=1e-5)
    np.testing.assert_allclose(found.sum(axis=1), 1.0, atol=1e-5)


def test_silence_is_answered_alike(model: Path, weights: Path) -> None:
    silence = np.zeros((1, 16_000), dtype=np.float32)
    session = ort.InferenceSession(model / "model.onnx", providers=["CPUExecutionProvider"])
    (found,) = session.run(None, {"waveform": silence, "num_samples": np.array([16_000])})
    with torch.inference_mode():
        trained = load_trained(weights)
        (expected,) = Answering(trained.network, trained.task)(torch.from_numpy(silence), torch.tensor([16_000]))
    np.testing.assert_allclose(found, expected.numpy(), atol=1e-5)


def test_the_description_is_the_request(model: Path, weights: Path) -> None:
    described = json.loads((model / "model.json").read_text())
    graph = ort.InferenceSession(model / "model.onnx", providers=["CPUExecutionProvider"])
    assert [spec["name"] for spec in described["request"]["inputs"]] == [node.name for node in graph.get_inputs()]
    assert [spec["name"] for spec in described["request"]["outputs"]] == [node.name for node in graph.get_outputs()]
    assert [node.type for node in graph.get_inputs()] == ["tensor(float)", "tensor(int64)"]
    assert described["weights_digest"] == digest_file(weights / "weights.safetensors")
    assert described["sample_rate"] == 16_000
    assert (described["schema_version"], described["labels"]) == (2, described["encoding"]["labels"])
    record = read_json_record(ModelRecord, model / "model.json")
    assert (record.task, list(record.labels)) == ("emotion", described["labels"])


def test_golden_answers_are_the_graphs(model: Path) -> None:
    golden = load_file(model / "golden.safetensors")
    session = ort.InferenceSession(model / "model.onnx", providers=["CPUExecutionProvider"])
    for index, seconds in enumerate(CONFIG.seconds):
        waveform = golden[f"waveform_{index}"]
        assert len(waveform) == round(16_000 * seconds)
        request = {"waveform": waveform[None], "num_samples": np.array([len(waveform)])}
        (found,) = session.run(None, request)
        np.testing.assert_allclose(found[0], golden[f"probabilities_{index}"], atol=1e-5)
    assert json.loads((model / "parity.json").read_text())["largest"] <= CONFIG.tolerance


def test_the_graph_is_one_file_without_paths_of_this_machine(model: Path) -> None:
    assert {path.name for path in model.iterdir()} == {
        "model.onnx", "model.json", "golden.safetensors", "parity.json"
    }  # fmt: skip
    content = (model / "model.onnx").read_bytes()
    assert str(Path(__file__).parents[3]).encode() not in content
    assert b".py" not in content
    graph = onnx.load_from_string(content)
    assert not any(tensor.data_location == onnx.TensorProto.EXTERNAL for tensor in graph.graph.initializer)
    assert {entry.domain: entry.version for entry in graph.opset_import}[""] == CONFIG.opset


def test_the_same_weights_give_the_same_bytes(model: Path, weights: Path, tmp_path: Path) -> None:
    export_model(weights, tmp_path, CONFIG)
    assert digest_tree(tmp_path) == digest_tree(model)


def test_a_graph_of_other_weights_is_found_out(model: Path, weights: Path) -> None:
    trained = load_trained(weights)
    with torch.no_grad():
        trained.network.get_submodule("classify").bias[0] += 1.0  # type: ignore[operator, index]
    other = Answering(trained.network, trained.task)
    with pytest.raises(VoxloopError, match=r"model.onnx differs from torch, or padded from alone, by"):
        check_parity(other, model / "model.onnx", requests(trained, 0.3), tolerance=1e-4)


@pytest.mark.parametrize("missing", ["training.json", "weights.safetensors"])
def test_half_a_weights_folder_is_refused(weights: Path, tmp_path: Path, missing: str) -> None:
    half = shutil.copytree(weights, tmp_path / "half")
    (half / missing).unlink()
    with pytest.raises(InputError, match=r"half is not a weights folder: .*" + missing):
        export_model(half, tmp_path / "out", CONFIG)


def test_weights_of_another_configuration_are_refused(weights: Path, tmp_path: Path) -> None:
    other = shutil.copytree(weights, tmp_path / "other")
    report = json.loads((other / "training.json").read_text())
    report["config"]["network"]["hidden"] = 24
    (other / "training.json").write_text(json.dumps(report))
    with pytest.raises(InputError, match="size mismatch"):
        export_model(other, tmp_path / "out", CONFIG)


class Counting(nn.Module):
    """A network of another kind: steps of 4 samples, a number for each, and how many there are."""

    def __init__(self, extra: int = 0) -> None:
        super().__init__()
        self.conv = nn.Conv1d(1, 3, 4, stride=4)
        self.extra = extra

    def forward(self, *inputs: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Scores float32 [batch, steps, 3], zero past the steps of each, and counts int64 [batch]."""
        waveform, num_samples = inputs
        scores = self.conv(functional.pad(waveform, (0, 3))[:, None]).transpose(1, 2)
        counts = torch.div(num_samples + 3, 4, rounding_mode="floor")
        inside = torch.arange(scores.shape[1])[None, :] < counts[:, None]
        return scores * inside[:, :, None], counts + self.extra


COUNTING = Request(
    inputs=(TensorSpec("waveform", "float32", ("batch", "samples")), TensorSpec("num_samples", "int64", ("batch",))),
    outputs=(TensorSpec("scores", "float32", ("batch", "steps", 3)), TensorSpec("counts", "int64", ("batch",))),
)


@pytest.fixture(scope="module")
def counting(tmp_path_factory: pytest.TempPathFactory) -> tuple[Counting, Path, list[dict[str, Any]]]:
    """Return a network with an output over time and one of counts, its graph and requests of many lengths."""
    torch.manual_seed(0)
    network, path = Counting().eval(), tmp_path_factory.mktemp("counting") / "model.onnx"
    draw = np.random.default_rng(0)
    waveforms = [draw.standard_normal(length).astype(np.float32) for length in (1, 4, 5, 63, 1_000)]
    asked = [{"waveform": waveform, "num_samples": np.array(len(waveform))} for waveform in waveforms]
    write_graph(network, COUNTING, asked[2:], path, opset=18)
    return network, path, asked


def test_outputs_over_time_and_counts_are_compared_too(
    counting: tuple[Counting, Path, list[dict[str, Any]]],
) -> None:
    network, path, asked = counting
    report, answers = check_parity(network, path, asked, tolerance=1e-5)
    assert report["largest"] <= 1e-5
    assert [int(answer["counts"]) for answer in answers] == [1, 1, 2, 16, 250]
    assert [answer["scores"].shape for answer in answers] == [(1, 3), (1, 3), (2, 3), (16, 3), (250, 3)]


def test_a_count_that_is_off_by_one_is_found_out(counting: tuple[Counting, Path, list[dict[str, Any]]]) -> None:
    network, path, asked = counting
    other = Counting(extra=1).eval()
    other.load_state_dict(network.state_dict())
    with pytest.raises(VoxloopError, match="by inf; at most 10 is allowed"):
        check_parity(other, path, asked, tolerance=10.0)
