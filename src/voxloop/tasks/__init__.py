"""The families of models. A family is one file here, found by its name and loaded when it is asked for."""

from __future__ import annotations

import pkgutil
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any, Protocol, cast

from voxloop.errors import InputError

if TYPE_CHECKING:
    from torch import Tensor, nn

    from voxloop.tasks.recipe import Recipe

_NO_TASKS = {"recipe"}


@dataclass(frozen=True)
class TensorSpec:
    """One tensor of a request: name, ONNX dtype (`float32`, `int64`) and shape; a word stands for any length."""

    name: str
    dtype: str
    shape: tuple[int | str, ...]


@dataclass(frozen=True)
class Request:
    """What a served model takes and gives."""

    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]

    def as_json(self) -> dict[str, Any]:
        """Return the request as plain JSON values."""
        return {
            "inputs": [_spec_json(spec) for spec in self.inputs],
            "outputs": [_spec_json(spec) for spec in self.outputs],
        }


class Task(Protocol):
    """What the module of a family holds. Functions are attributes here because modules are what implements this."""

    NAME: str
    TARGET: str
    """The manifest column the family learns."""
    LABELS: tuple[str, ...]
    REQUEST: Request
    Config: type[Recipe]

    def build_network(self, config: Any) -> nn.Module:
        """Return the network: (waveform float32 [batch, samples], num_samples int64 [batch]) -> logits."""

    def answer(self, logits: Tensor) -> Tensor:
        """Turn logits into what the request promises, inside the exported graph."""

    def label_weights(self, counts: Tensor) -> Tensor:
        """Return the weight of each label in the loss, from its count in training."""

    def loss(self, logits: Tensor, labels: Tensor, weights: Tensor) -> Tensor:
        """Return the mean loss of a batch, a scalar."""

    def decode(self, probabilities: Any, labels: Sequence[str]) -> list[str]:
        """Return the label of each row of probabilities."""

    def uar(self, reference: Sequence[str], predicted: Sequence[str], labels: Sequence[str]) -> float:
        """Return the unweighted average recall."""


def task_names() -> list[str]:
    """Return the names of the families there are, loading none."""
    return sorted(module.name for module in pkgutil.iter_modules(__path__) if module.name not in _NO_TASKS)


def require_task(name: str) -> None:
    """Raise `InputError`, naming those there are, unless `name` is a family; loads none."""
    if name not in task_names():
        raise InputError(
            f"no task {name!r}", rule=f"the tasks are {', '.join(task_names())}", remedy="name one of them"
        )


def get_task(name: str) -> Task:
    """Load one family.

    Raises:
        InputError: There is no such family.
    """
    require_task(name)
    return cast("Task", import_module(f"{__name__}.{name}"))


def _spec_json(spec: TensorSpec) -> dict[str, Any]:
    return {**asdict(spec), "shape": list(spec.shape)}
