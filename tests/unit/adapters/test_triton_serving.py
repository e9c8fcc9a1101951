"""`configs/serving.yaml` becomes `config.pbtxt`, read back by Triton's own protobuf; what does not fit together is refused."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml
from google.protobuf import text_format
from hypothesis import given
from hypothesis import strategies as st

from tests.services.pipeline_folders import write_model
from voxloop.adapters.triton_repository import TEMPLATE, TritonRepository
from voxloop.adapters.triton_serving import ServingConfig, describe_serving, load_serving_config
from voxloop.config import build_config
from voxloop.errors import ConfigError
from voxloop.settings import Settings, find_project_root
from voxloop.tasks import Request, TensorSpec

NAME = "emotion-0123456789ab"
GPU: dict[str, Any] = {"backend": "onnxruntime", "instances": [{"kind": "gpu", "count": 1}]}
SAMPLES = {"samples": {"min": 1600, "opt": 48000, "max": 960000}}
TENSORRT: dict[str, Any] = {"precision": "FP32", "workspace_mib": 512, "lengths": SAMPLES}


def shipped() -> dict[str, Any]:
    return dict(yaml.safe_load((find_project_root() / "configs" / "serving.yaml").read_text()))


def make_config(**changes: Any) -> ServingConfig:
    return build_config(ServingConfig, {**shipped(), **changes}, origin="serving.yaml")


def parse(text: str) -> Any:
    """Return what Triton makes of a `config.pbtxt`: an unknown field or a wrong type is an error."""
    from tritonclient.grpc.model_config_pb2 import ModelConfig

    return text_format.Parse(text, ModelConfig())


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project with the true template and a `configs/serving.yaml` of the test's own."""
    shutil.copytree(find_project_root() / "serving", tmp_path / "project" / "serving")
    (tmp_path / "project" / "configs").mkdir()
    return tmp_path / "project"


@pytest.fixture
def model(tmp_path: Path) -> Path:
    write_model(tmp_path / "model", task="emotion", gain=1.0)
    return tmp_path / "model"


def stage(settings: Settings, project: Path, model: Path, **changes: Any) -> Any:
    """Return the configuration of a model staged in a project."""
    (project / "configs" / "serving.yaml").write_text(yaml.safe_dump({**shipped(), **changes}))
    TritonRepository(settings.model_copy(update={"project_root": project})).stage(NAME, model, "a" * 64)
    return parse((settings.model_repository / NAME / "config.pbtxt").read_text())


def list_staged(settings: Settings) -> list[str]:
    place = settings.model_repository / NAME
    return sorted(path.relative_to(place).as_posix() for path in place.rglob("*") if path.is_file())


def test_as_shipped_the_program_runs_it_on_one_thread(settings: Settings, project: Path, model: Path) -> None:
    config = stage(settings, project, model)
    assert (config.name, config.backend, config.max_batch_size) == (NAME, "python", 8)
    assert [(tensor.name, list(tensor.dims)) for tensor in config.input] == [("waveform", [-1]), ("num_samples", [1])]
    assert config.input[1].HasField("reshape")
    assert [(group.kind, group.count) for group in config.instance_group] == [(config.instance_group[0].KIND_CPU, 1)]
    assert not config.HasField("dynamic_batching")
    assert not config.HasField("optimization")
    threads = [config.parameters[f"{name}_op_thread_count"].string_value for name in ("intra", "inter")]
    assert threads == ["1", "1"]
    assert json.loads(config.parameters["description"].string_value)["task"] == "emotion"
    assert "1/model.py" in list_staged(settings)


def test_on_a_cluster_it_is_tritons_own_backend(settings: Settings, project: Path, model: Path) -> None:
    config = stage(
        settings,
        project,
        model,
        backend="onnxruntime",
        max_batch_size=32,
        threads={"intra": 2, "inter": 0},
        instances=[{"kind": "cpu", "count": 3}, {"kind": "gpu", "count": 2, "gpus": [0, 3]}],
        dynamic_batching={"preferred": [4, 16], "queue_delay_us": 1500},
    )
    assert (config.backend, config.max_batch_size) == ("onnxruntime", 32)
    group = config.instance_group[0]
    assert [(one.kind, one.count, list(one.gpus)) for one in config.instance_group] == [
        (group.KIND_CPU, 3, []),
        (group.KIND_GPU, 2, [0, 3]),
    ]
    assert list(config.dynamic_batching.preferred_batch_size) == [4, 16]
    assert config.dynamic_batching.max_queue_delay_microseconds == 1500
    assert not config.HasField("optimization")
    assert [config.parameters[f"{name}_op_thread_count"].string_value for name in ("intra", "inter")] == ["2", "0"]
    assert config.parameters["model_digest"].string_value == "a" * 64
    assert list_staged(settings) == ["1/model.onnx", "config.pbtxt"]


def test_tensorrt_is_told_precision_memory_shapes_and_cache(settings: Settings, project: Path, model: Path) -> None:
    batching = {"preferred": [2, 4], "queue_delay_us": 0}
    tensorrt = {**TENSORRT, "engine_cache": '/var/cache/"engines"'}
    config = stage(settings, project, model, **GPU, dynamic_batching=batching, tensorrt=tensorrt)
    (accelerator,) = config.optimization.execution_accelerators.gpu_execution_accelerator
    assert accelerator.name == "tensorrt"
    assert dict(accelerator.parameters) == {
        "precision_mode": "FP32",
        "max_workspace_size_bytes": str(512 * 2**20),
        "trt_profile_min_shapes": "waveform:1x1600,num_samples:1",
        "trt_profile_opt_shapes": "waveform:4x48000,num_samples:4",
        "trt_profile_max_shapes": "waveform:8x960000,num_samples:8",
        "trt_engine_cache_enable": "true",
        "trt_engine_cache_path": '/var/cache/"engines"',
    }
    assert list(config.optimization.execution_accelerators.cpu_execution_accelerator) == []


def test_a_length_that_tensorrt_is_not_told_is_named_and_nothing_is_staged(
    settings: Settings, project: Path, model: Path
) -> None:
    with pytest.raises(ConfigError, match="has no 'samples', a dimension of waveform"):
        stage(settings, project, model, **GPU, tensorrt={**TENSORRT, "lengths": {}})
    assert not (settings.model_repository / NAME).exists()


def test_another_way_to_serve_is_another_folder(settings: Settings, project: Path, model: Path) -> None:
    stage(settings, project, model)
    stage(settings, project, model, backend="onnxruntime")
    assert list_staged(settings) == ["1/model.onnx", "config.pbtxt"]
    TritonRepository(settings).verify(NAME)


@given(
    count=st.integers(1, 64),
    gpus=st.lists(st.integers(0, 15), unique=True, max_size=4),
    size=st.integers(1, 1024),
    delay=st.integers(0, 1_000_000),
    data=st.data(),
)
def test_whatever_is_accepted_is_read_back(
    count: int, gpus: list[int], size: int, delay: int, data: st.DataObject
) -> None:
    preferred = sorted(data.draw(st.sets(st.integers(1, size), max_size=5)))
    config = make_config(
        backend="onnxruntime",
        max_batch_size=size,
        instances=[{"kind": "gpu", "count": count, "gpus": gpus}],
        dynamic_batching={"preferred": preferred, "queue_delay_us": delay},
    )
    request = Request((TensorSpec("words", "int64", ("batch", "tokens")),), ())
    filled = describe_serving(config, request)
    found = parse(f"max_batch_size: {filled['max_batch_size']}\n{filled['serving']}")
    assert found.max_batch_size == size
    assert (found.instance_group[0].count, list(found.instance_group[0].gpus)) == (count, gpus)
    assert list(found.dynamic_batching.preferred_batch_size) == preferred
    assert found.dynamic_batching.max_queue_delay_microseconds == delay


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"backend": "tensorflow"}, "backend"),
        ({"max_batch_size": 0}, "max_batch_size"),
        ({"instances": []}, "instances"),
        ({"instances": [{"kind": "cpu", "count": 0}]}, "instances.0.count"),
        ({"instances": [{"kind": "cpu", "count": 1, "gpus": [0]}]}, "gpus are named for instances of the kind gpu"),
        ({**GPU, "instances": [{"kind": "gpu", "count": 1, "gpus": [1, 1]}]}, "different numbers"),
        ({"instances": [{"kind": "cpu", "count": 1, "gpu": [0]}]}, "'instances.0.gpu' is not a key"),
        ({"instances": [{"kind": "gpu", "count": 1}]}, "the backend python answers each request by itself"),
        ({"dynamic_batching": {"queue_delay_us": 1}}, "the backend python answers each request by itself"),
        ({**GPU, "dynamic_batching": {"preferred": [4, 2], "queue_delay_us": 1}}, "preferred sizes"),
        ({**GPU, "dynamic_batching": {"preferred": [16], "queue_delay_us": 1}}, "beyond max_batch_size"),
        ({**GPU, "dynamic_batching": {"queue_delay_us": -1}}, "queue_delay_us"),
        ({"backend": "onnxruntime", "tensorrt": TENSORRT}, "tensorrt needs instances of the kind gpu"),
        ({**GPU, "tensorrt": {**TENSORRT, "precision": "INT8"}}, "tensorrt.precision"),
        ({**GPU, "tensorrt": {**TENSORRT, "engine_cache": "engines"}}, "absolute path"),
        ({**GPU, "tensorrt": {**TENSORRT, "lengths": {"samples": {"min": 9, "opt": 3, "max": 10}}}}, "min <= opt"),
        ({"threads": {"intra": -1, "inter": 1}}, "threads.intra"),
        ({"batching": 1}, "'batching' is not a key"),
    ],
)
def test_what_does_not_fit_together_is_refused(changes: dict[str, Any], told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        make_config(**changes)


def test_the_example_in_the_file_is_one(tmp_path: Path) -> None:
    text = (find_project_root() / "configs" / "serving.yaml").read_text()
    example = text[text.index("# tensorrt:") : text.index("\ntensorrt: null")].replace("# ", "").replace("#", "")
    values = {**shipped(), **GPU, **yaml.safe_load(example)}
    (tmp_path / "configs").mkdir()
    (tmp_path / "configs" / "serving.yaml").write_text(yaml.safe_dump(values))
    config = load_serving_config(tmp_path)
    assert config.tensorrt is not None
    assert set(config.tensorrt.lengths) == {"samples", "tokens"}


def test_every_name_of_the_template_is_filled() -> None:
    template = find_project_root().joinpath(*TEMPLATE, "config.pbtxt.template").read_text()
    assert {f"${name}" for name in describe_serving(make_config(), Request((), ()))} <= set(
        template.replace('"', " ").split()
    )
