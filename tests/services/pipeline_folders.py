"""The folders one pipeline run leaves, small: what the registry and Triton are tested with."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray
from onnx import TensorProto, helper
from safetensors.numpy import save_file

from voxloop.data.acceptance import Acceptance
from voxloop.settings import get_settings
from voxloop.store.digests import digest_tree
from voxloop.store.job_store import read_runner_key
from voxloop.verdict import Verdict

LABELS = ("anger", "neutral", "sadness")


@dataclass(frozen=True)
class PipelineFolders:
    weights: Path
    model: Path
    data: Path
    evaluation: Path
    verdict: Path

    @property
    def model_digest(self) -> str:
        return digest_tree(self.model)


def write_onnx(path: Path, gain: float, work: int = 0) -> None:
    """Softmax of the mean sample times a row of weights: the true request, three lines of arithmetic.

    With `work` that many products of matrices of 256 by 256 before it, which change nothing: about 1 ms each.
    """
    nodes = [
        helper.make_node("Cast", ["num_samples"], ["length"], to=TensorProto.FLOAT),
        helper.make_node("Unsqueeze", ["length", "axis"], ["lengths"]),
        helper.make_node("ReduceSum", ["waveform", "axis"], ["sum"], keepdims=1),
        helper.make_node("Div", ["sum", "lengths"], ["mean"]),
        helper.make_node("MatMul", ["mean", "weights"], ["plain"]),
        *make_work(),
        helper.make_node("Add", ["plain", "nothing"], ["logits"]),
        helper.make_node("Softmax", ["logits"], ["probabilities"], axis=-1),
    ]
    graph = helper.make_graph(
        nodes,
        "tiny",
        [
            helper.make_tensor_value_info("waveform", TensorProto.FLOAT, ["batch", "samples"]),
            helper.make_tensor_value_info("num_samples", TensorProto.INT64, ["batch"]),
        ],
        [helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["batch", len(LABELS)])],
        [
            helper.make_tensor("axis", TensorProto.INT64, [1], [1]),
            helper.make_tensor("weights", TensorProto.FLOAT, [1, 3], [gain, 2 * gain, -gain]),
            helper.make_tensor("rounds", TensorProto.INT64, [], [work]),
            helper.make_tensor("true", TensorProto.BOOL, [], [True]),
            helper.make_tensor("zero", TensorProto.FLOAT, [], [0.0]),
            helper.make_tensor("square", TensorProto.INT64, [2], [256, 256]),
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.checker.check_model(model)
    path.write_bytes(model.SerializeToString())


def make_work() -> list[onnx.NodeProto]:
    """A loop over products of matrices that hangs on the input, so that it cannot be folded, and comes to nothing."""
    tensor = helper.make_tensor_value_info
    product = helper.make_graph(
        [
            helper.make_node("Identity", ["going"], ["on"]),
            helper.make_node("MatMul", ["matrix", "matrix"], ["multiplied"]),
        ],
        "product",
        [
            tensor("step", TensorProto.INT64, []),
            tensor("going", TensorProto.BOOL, []),
            tensor("matrix", TensorProto.FLOAT, [256, 256]),
        ],
        [tensor("on", TensorProto.BOOL, []), tensor("multiplied", TensorProto.FLOAT, [256, 256])],
    )
    return [
        helper.make_node("ReduceSum", ["mean"], ["total"], keepdims=0),
        helper.make_node("Mul", ["total", "zero"], ["blank"]),
        helper.make_node("Expand", ["blank", "square"], ["start"]),
        helper.make_node("Loop", ["rounds", "true", "start"], ["done"], body=product),
        helper.make_node("ReduceSum", ["done"], ["nothing"], keepdims=0),
    ]


def run_onnx(path: Path, waveforms: Sequence[NDArray[np.float32]]) -> list[NDArray[np.float32]]:
    session = onnxruntime.InferenceSession(path.read_bytes(), providers=["CPUExecutionProvider"])
    return [
        session.run(None, {"waveform": one[None], "num_samples": np.array([len(one)], np.int64)})[0][0]
        for one in waveforms
    ]


def write_model(model: Path, *, task: str, gain: float, golden_shift: float = 0.0, work: int = 0) -> None:
    """Write an export folder; `golden_shift` spoils the recorded answers."""
    model.mkdir(parents=True)
    write_onnx(model / "model.onnx", gain, work)
    generator = np.random.default_rng(7)
    waveforms = [generator.uniform(-1, 1, size).astype(np.float32) for size in (800, 1600, 2401)]
    answers = run_onnx(model / "model.onnx", waveforms)
    golden = {f"waveform_{index}": waveform for index, waveform in enumerate(waveforms)}
    golden |= {f"num_samples_{index}": np.array(len(waveform)) for index, waveform in enumerate(waveforms)}
    golden |= {f"probabilities_{index}": answer + np.float32(golden_shift) for index, answer in enumerate(answers)}
    save_file(golden, model / "golden.safetensors")
    request = {
        "inputs": [
            {"name": "waveform", "dtype": "float32", "shape": ["batch", "samples"]},
            {"name": "num_samples", "dtype": "int64", "shape": ["batch"]},
        ],
        "outputs": [{"name": "probabilities", "dtype": "float32", "shape": ["batch", len(LABELS)]}],
    }
    described = {"schema_version": 2, "task": task, "request": request, "sample_rate": 16000, "labels": list(LABELS)}
    described["encoding"] = {"labels": list(LABELS), "weights": [1.0] * len(LABELS)}
    (model / "model.json").write_text(json.dumps(described))


def write_folders(
    root: Path,
    *,
    task: str,
    gain: float = 1.0,
    verdict: str = "PASS",
    champion: str | None = None,
    golden_shift: float = 0.0,
    work: int = 0,
    card: str = "",
    export: Path | None = None,
) -> PipelineFolders:
    """Write everything one run of the pipeline hands to `track` and `register`; the model is that of `export`, if any."""
    names = ("weights", "model", "data", "evaluation", "verdict")
    folders = PipelineFolders(*(root / name for name in names))
    for folder in (folders.weights, folders.data / "data_report" / "data_docs", folders.evaluation, folders.verdict):
        folder.mkdir(parents=True)
    if export is None:
        write_model(folders.model, task=task, gain=gain, golden_shift=golden_shift, work=work)
    else:
        shutil.copytree(export, folders.model)
    training = {
        "config": {"optimiser": {"lr": 0.001}, "layers": [8, 8], "gain": gain},
        "history": [
            {"epoch": 0, "train_loss": 1.5, "dev": {"uar": 0.3}},
            {"epoch": 1, "train_loss": 1.25, "dev": {"uar": 0.5}},
        ],
        "seed": 1,
        "dataset_digest": "d" * 64,
    }
    (folders.weights / "training.json").write_text(json.dumps(training))
    (folders.weights / "curves.png").write_bytes(b"\x89PNG picture of curves")
    write_acceptance(folders.data, task)
    (folders.data / "data_report" / "data_docs" / "index.html").write_text("<html></html>")
    model_digest = digest_tree(folders.model)
    evaluation = {
        "task": task,
        "dataset_digest": "d" * 64,
        "model_digest": model_digest,
        "sets": [
            {
                "name": "test",
                "counts": {"utterances": 40, "speakers": 8, "per_label": {}},
                "measures": {"challenger": {"uar": 0.75, "wa": 0.5}, "champion": None},
            }
        ],
    }
    (folders.evaluation / "evaluation.json").write_text(json.dumps(evaluation))
    (folders.evaluation / "confusion.png").write_bytes(b"\x89PNG picture of a confusion matrix")
    judged = {
        "verdict": verdict,
        "reasons": [{"rule": "floor", "verdict": verdict, "text": "UAR 0.750 against 0.500"}],
        "policy": {"name": "emotion", "digest": "e" * 64},
        "task": task,
        "evaluation_digest": digest_tree(folders.evaluation),
        "model_digest": model_digest,
        "champion": {"version": 1, "model_digest": champion, "labels": list(LABELS)} if champion else None,
        "interval": {"measure": "uar", "estimate": 0.75, "low": 0.6, "high": 0.9},
    }
    (folders.verdict / "verdict.json").write_text(json.dumps(judged))
    if card:
        (folders.verdict / "card.html").write_text(card)
    return folders


def write_acceptance(folder: Path, task: str, verdict: str = "PASS", dataset_digest: str = "d" * 64) -> None:
    """Write `acceptance.json`, sealed by the runner of the current settings."""
    accepted = Acceptance(
        task=task,
        poison_policy=task,
        verdict=Verdict(verdict),
        dataset_digest=dataset_digest,
        said={"validate": Verdict(verdict)},
        doubts=(),
    )
    accepted.sealed(read_runner_key(get_settings().runner_key_file)).write(folder)


def make_repository(root: Path, project: Path) -> Path:
    """Make a clean git checkout that has `serving/` and `configs/` of the true one."""
    root.mkdir()
    for name in ("serving", "configs"):
        (root / name).symlink_to(project / name)
    identity = ("-c", "user.name=test", "-c", "user.email=test@localhost")
    for command in (("init", "-q"), ("add", "."), (*identity, "commit", "-q", "-m", "everything")):
        subprocess.run(["git", "-C", str(root), *command], check=True, capture_output=True)
    return root
