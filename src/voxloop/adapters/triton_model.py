"""A model as Triton serves it: how a request to it is written, and how its answer is read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from voxloop.adapters.triton_config import Description, parse_description
from voxloop.errors import InputError
from voxloop.tasks import Answer, Row, Task, TensorSpec, get_task
from voxloop.tasks.batches import pad_rows
from voxloop.tasks.output_difference import Array, Arrays

if TYPE_CHECKING:
    from tritonclient.http import InferInput, InferResult


@dataclass(frozen=True)
class ServedModel:
    """What the configuration of a served model says of it.

    Args:
        name: Of the model in Triton.
        digest: Of the model folder it was staged from.
        described: Request, labels and encoding.
    """

    name: str
    digest: str
    described: Description

    @cached_property
    def task(self) -> Task:
        """The family."""
        return get_task(self.described.task)

    @cached_property
    def encoding(self) -> Any:
        """What the family learnt beside the weights."""
        return self.task.Encoding.model_validate(self.described.encoding)

    def make_request(self, row: Row, waveform: npt.NDArray[np.int16] | None) -> dict[str, Array]:
        """Return what the model is asked about a row, without the batch dimension, as evaluation does.

        Raises:
            InputError: There is nothing in it that the model knows.
        """
        request = self.task.make_request(row, waveform, self.encoding)
        if all(_is_blank(array) for array in request.values()):
            names = ", ".join(request)
            raise InputError(
                f"{self.name} is asked about nothing it knows",
                rule=f"it reads {names}",
                remedy="send words of its language, or sound, whichever of these it reads",
            )
        return request

    def decode(self, outputs: Arrays) -> Answer | None:
        """Return the answer of one row of outputs, without the batch dimension; None where one is not finite."""
        if not all(np.isfinite(array).all() for array in outputs.values()):
            return None
        return self.task.decode({name: np.asarray(array)[None] for name, array in outputs.items()}, self.encoding)[0]

    def write_inputs(self, batch: Arrays) -> list[InferInput]:
        """Return a request for Triton's client.

        Args:
            batch: Arrays [batch, …] by name of input.

        Raises:
            InputError: An input is missing.
        """
        return [_write_input(spec, batch, self.name) for spec in self.described.request.inputs]

    def read_outputs(self, result: InferResult) -> dict[str, Array]:
        """Return the outputs [batch, …] by name."""
        found = {spec.name: (spec, result.as_numpy(spec.name)) for spec in self.described.request.outputs}
        return {name: array if len(spec.shape) > 1 else array.reshape(-1) for name, (spec, array) in found.items()}


def make_batch(request: Arrays) -> dict[str, Array]:
    """Return a batch of one."""
    return {name: pad_rows([array]) for name, array in request.items()}


def read_served(name: str, config: Mapping[str, Any]) -> ServedModel:
    """Return what the configuration that Triton gives of a model says.

    Args:
        name: Of the model.
        config: The JSON of `GET /v2/models/<name>/config`.

    Raises:
        InputError: It was not staged by this version of voxloop.
    """
    parameters = {key: value["string_value"] for key, value in config.get("parameters", {}).items()}
    if not {"model_digest", "description"} <= parameters.keys():
        raise InputError(
            f"{name} says no model_digest or no description",
            rule="it was not staged by this version of voxloop",
            remedy="stage it again: `voxloop deploy`",
        )
    return ServedModel(name, parameters["model_digest"], parse_description(parameters["description"], name))


def _is_blank(array: Array) -> bool:
    return bool(np.isnan(array).all()) if array.dtype.kind == "f" else not np.any(array)


def _write_input(spec: TensorSpec, batch: Arrays, name: str) -> InferInput:
    from tritonclient.http import InferInput
    from tritonclient.utils import np_to_triton_dtype

    if spec.name not in batch:
        raise InputError(
            f"a request to {name} has no {spec.name}",
            rule="every input is sent",
            remedy=f"send {spec.name}, {spec.dtype} {list(spec.shape)}",
        )
    array = np.ascontiguousarray(batch[spec.name], dtype=spec.dtype)
    array = array.reshape(-1, 1) if len(spec.shape) == 1 else array
    tensor = InferInput(spec.name, list(array.shape), np_to_triton_dtype(array.dtype))
    tensor.set_data_from_numpy(array)
    return tensor
