"""How Triton runs a model: `configs/serving.yaml`, and what of `config.pbtxt` says so."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Literal, Self

from pydantic import Field, field_validator, model_validator

from voxloop.config import StrictModel, load_config
from voxloop.errors import ConfigError
from voxloop.tasks import Request, TensorSpec

CONFIG = ("configs", "serving.yaml")
"""Below the project."""


class Instances(StrictModel):
    """Copies of the model.

    Args:
        kind: Where they compute.
        count: How many; on GPUs, on each of them.
        gpus: Numbers of the GPUs; all there are when empty.
    """

    kind: Literal["cpu", "gpu"]
    count: int = Field(ge=1, le=64)
    gpus: tuple[int, ...] = ()

    @model_validator(mode="after")
    def _gpus_of_gpus(self) -> Self:
        if self.gpus and self.kind != "gpu":
            raise ValueError("gpus are named for instances of the kind gpu")
        if len(set(self.gpus)) != len(self.gpus) or min(self.gpus, default=0) < 0:
            raise ValueError("gpus are different numbers, from 0 on")
        return self


class DynamicBatching(StrictModel):
    """Requests of several callers, joined by the server; it joins those of one length alone.

    Args:
        preferred: Sizes of batches that are sent off at once.
        queue_delay_us: How long a request waits for others, microseconds.
    """

    preferred: tuple[int, ...] = ()
    queue_delay_us: int = Field(ge=0, le=1_000_000)

    @field_validator("preferred")
    @classmethod
    def _rising(cls, sizes: tuple[int, ...]) -> tuple[int, ...]:
        if list(sizes) != sorted(set(sizes)) or min(sizes, default=1) < 1:
            raise ValueError("preferred sizes are at least 1 and rise")
        return sizes


class Threads(StrictModel):
    """Threads of ONNX Runtime for an instance, within an operator and across them; 0 for one a core."""

    intra: int = Field(ge=0)
    inter: int = Field(ge=0)


class Lengths(StrictModel):
    """Lengths of a dimension that TensorRT builds an engine for: the least, the one it is tuned to, the most."""

    min: int = Field(ge=1)
    opt: int
    max: int

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if not self.min <= self.opt <= self.max:
            raise ValueError("min <= opt <= max")
        return self


class TensorRt(StrictModel):
    """TensorRT under ONNX Runtime, for what of the graph it takes; CUDA does the rest.

    Args:
        precision: Of the numbers within.
        workspace_mib: Memory of the GPU it may take for a while, MiB.
        lengths: By the word that stands for the dimension in the request of a family.
        engine_cache: Folder of the server, outside its repository, where engines outlive it; none are kept without.
    """

    precision: Literal["FP32", "FP16"]
    workspace_mib: int = Field(ge=1)
    lengths: dict[str, Lengths]
    engine_cache: Path | None = None

    @field_validator("engine_cache")
    @classmethod
    def _absolute(cls, folder: Path | None) -> Path | None:
        if folder is not None and not folder.is_absolute():
            raise ValueError("engine_cache is an absolute path, on the server")
        return folder


class ServingConfig(StrictModel):
    """See configs/serving.yaml for the reasons.

    Args:
        backend: `python` runs ONNX Runtime by serving/onnx/model.py; `onnxruntime` is Triton's own.
        max_batch_size: Rows of a request, or of several that were joined, at most.
        threads: Of an instance.
        instances: Groups of copies.
        dynamic_batching: Whether the server joins requests; none joins none.
        tensorrt: Whether GPUs run the graph by TensorRT.
    """

    backend: Literal["python", "onnxruntime"]
    max_batch_size: int = Field(ge=1, le=1024)
    threads: Threads
    instances: tuple[Instances, ...] = Field(min_length=1)
    dynamic_batching: DynamicBatching | None = None
    tensorrt: TensorRt | None = None

    @model_validator(mode="after")
    def _fit_together(self) -> Self:
        kinds = {group.kind for group in self.instances}
        if self.backend == "python" and (kinds != {"cpu"} or self.dynamic_batching or self.tensorrt):
            raise ValueError(
                "the backend python answers each request by itself, on a CPU: gpu, dynamic_batching and "
                "tensorrt are for the backend onnxruntime"
            )
        if self.tensorrt and kinds != {"gpu"}:
            raise ValueError("tensorrt needs instances of the kind gpu, and no others")
        if self.dynamic_batching and max(self.dynamic_batching.preferred, default=1) > self.max_batch_size:
            raise ValueError("no preferred size is beyond max_batch_size")
        return self

    @property
    def runs_program(self) -> bool:
        """Whether the server needs model.py beside the graph."""
        return self.backend == "python"


def load_serving_config(project_root: Path, overrides: tuple[str, ...] = ()) -> ServingConfig:
    """Return how models of a project are served.

    Raises:
        ConfigError: The file is missing, or a key or value is not acceptable.
    """
    return load_config(ServingConfig, project_root.joinpath(*CONFIG), overrides)


def describe_serving(config: ServingConfig, request: Request) -> Mapping[str, str]:
    """Return what a template of `config.pbtxt` is filled with, by name, but for tensors and names of the model.

    Args:
        config: How models are served.
        request: Of the model: TensorRT is told the shapes of its inputs.

    Raises:
        ConfigError: TensorRT is asked for, and a dimension of the request has no lengths.
    """
    return {
        "backend": config.backend,
        "max_batch_size": str(config.max_batch_size),
        "intra_op_threads": str(config.threads.intra),
        "inter_op_threads": str(config.threads.inter),
        "serving": "\n".join(_describe_serving(config, request)),
    }


def _describe_serving(config: ServingConfig, request: Request) -> Iterator[str]:
    for group in config.instances:
        gpus = f" gpus: [ {', '.join(map(str, group.gpus))} ]" if group.gpus else ""
        yield f"instance_group [ {{ kind: KIND_{group.kind.upper()} count: {group.count}{gpus} }} ]"
    if batching := config.dynamic_batching:
        sizes = f"preferred_batch_size: [ {', '.join(map(str, batching.preferred))} ] " if batching.preferred else ""
        yield f"dynamic_batching {{ {sizes}max_queue_delay_microseconds: {batching.queue_delay_us} }}"
    if config.tensorrt:
        options = _list_options(config, config.tensorrt, request)
        told = "\n".join(
            f"  parameters {{ key: {_quote(key)} value: {_quote(value)} }}" for key, value in options.items()
        )
        accelerator = f'gpu_execution_accelerator [ {{ name: "tensorrt"\n{told}\n}} ]'
        yield f"optimization {{ execution_accelerators {{ {accelerator} }} }}"


def _list_options(config: ServingConfig, tensorrt: TensorRt, request: Request) -> dict[str, str]:
    """Keys of https://github.com/triton-inference-server/onnxruntime_backend, which ONNX Runtime knows as its own."""
    preferred = config.dynamic_batching.preferred if config.dynamic_batching else ()
    batch = Lengths(min=1, opt=max(preferred, default=1), max=config.max_batch_size)
    options = {
        "precision_mode": tensorrt.precision,
        "max_workspace_size_bytes": str(tensorrt.workspace_mib * 2**20),
    }
    for end in ("min", "opt", "max"):
        shapes = (_describe_shape(spec, end, batch, tensorrt) for spec in request.inputs)
        options[f"trt_profile_{end}_shapes"] = ",".join(shapes)
    if tensorrt.engine_cache:
        options |= {"trt_engine_cache_enable": "true", "trt_engine_cache_path": str(tensorrt.engine_cache)}
    return options


def _describe_shape(spec: TensorSpec, end: str, batch: Lengths, tensorrt: TensorRt) -> str:
    sizes = [getattr(batch, end)]
    for size in spec.shape[1:]:
        if isinstance(size, str) and size not in tensorrt.lengths:
            raise ConfigError(
                f"tensorrt.lengths in {CONFIG[-1]} has no {size!r}, a dimension of {spec.name}",
                rule="TensorRT builds engines for lengths it is told beforehand",
                remedy=f"add tensorrt.lengths.{size}, with min, opt and max",
            )
        sizes.append(getattr(tensorrt.lengths[size], end) if isinstance(size, str) else size)
    return f"{spec.name}:{'x'.join(map(str, sizes))}"


def _quote(text: str) -> str:
    return json.dumps(text)
