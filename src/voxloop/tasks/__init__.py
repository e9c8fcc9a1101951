"""The families of models. A family is one file here and its name in `FAMILIES`, loaded when it is asked for."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any, Literal, Protocol, cast

from voxloop.errors import InputError

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    from torch import Tensor, nn

    from voxloop.tasks.recipe import Recipe

    Array = npt.NDArray[Any]

FAMILIES = ("asr", "emotion", "personality")
"""The modules here that are families; the others are what several share, or a part of one too long for one file."""

Row = Mapping[str, Any]
"""A manifest row, by column; `features` holds what else is known of it: a number by name, perhaps None."""

Answer = dict[str, Any]
"""What a model says of one row, JSON values only."""


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


@dataclass(frozen=True)
class Example:
    """One row as a network takes it, without the batch dimension.

    Args:
        inputs: Arrays by the names of the request's inputs. Rows of one batch are padded with zeros to the longest;
            int16 stands for sound and becomes float32 in [-1, 1].
        targets: Arrays by the names the family's loss knows; padded in the same way.
        weight: Its share in the loss, against the other rows.
        seconds: What it costs to compute, in seconds of audio: batches are budgets of it.
    """

    inputs: Mapping[str, Array]
    targets: Mapping[str, Array]
    weight: float
    seconds: float


@dataclass(frozen=True)
class Objective:
    """The measure by which epochs and trials are compared, and whether more or less of it is better."""

    name: str
    mode: Literal["max", "min"]

    def is_better(self, value: float, than: float) -> bool:
        """Return whether `value` beats `than`; nothing beats by being NaN."""
        return value > than if self.mode == "max" else value < than


class Encoding(Protocol):
    """What a family learnt of its training rows beside the weights; a strict model, kept as JSON with the weights."""

    @property
    def labels(self) -> tuple[str, ...]:
        """What the columns of the first output stand for: classes, symbols or traits."""


class Task(Protocol):
    """What the module of a family holds. Functions are attributes here because modules are what implements this."""

    NAME: str
    AUDIO: bool
    """Whether an example needs the sound of its row."""
    ANSWERS_ARE_LABELS: bool
    """Whether an answer is made of the encoding's labels: two models are comparable only if theirs are the same."""
    FEATURES: str | None
    """The table of the step `features` that its rows are completed from; None for a family that needs none of them."""
    OBJECTIVE: Objective
    """One of the names that `measure` gives."""
    Config: type[Recipe]
    Encoding: type[Any]

    def learn_encoding(self, rows: Sequence[Row], config: Any) -> Any:
        """Return the encoding of the training rows.

        Raises:
            CorpusError: None of them is labelled.
        """

    def request(self, encoding: Any) -> Request:
        """Return what the exported model takes and gives."""

    def make_request(self, row: Row, waveform: npt.NDArray[np.int16] | None, encoding: Any) -> dict[str, Array]:
        """Return what a model is asked about a row, without the batch dimension; labels have no say in it."""

    def encode(self, row: Row, waveform: npt.NDArray[np.int16] | None, encoding: Any, config: Any) -> Example | None:
        """Return the example of a labelled row, None for a row without a label.

        Raises:
            CorpusError: The label or the sound is not one the family can learn from.
        """

    def perturb(self, example: Example, config: Any, draw: np.random.Generator) -> Example:
        """Return a random variation of a training example, drawn from `draw` alone; or the example itself."""

    def build_network(self, config: Any, encoding: Any) -> nn.Module:
        """Return a fresh network: the request's inputs in order -> outputs, one tensor or a tuple of them."""

    def rate_scale(self, parameter: str, config: Any) -> float:
        """Return the share of the learning rate that a parameter of this name gets; 0 freezes it."""

    def losses(self, outputs: Any, targets: Mapping[str, Tensor], config: Any) -> Tensor:
        """Return the loss of each example, float32 [batch], unweighted."""

    def answer(self, outputs: Any) -> tuple[Tensor, ...]:
        """Turn a network's outputs into the request's, inside the exported graph."""

    def calibrate(self, network: nn.Module, dev: Iterable[tuple[Any, Mapping[str, Tensor]]]) -> dict[str, float]:
        """Fit what of the network is fitted on dev after training; `dev` gives outputs and targets a batch, lazily.

        Returns:
            What the training report says of it.
        """

    def decode(self, outputs: Mapping[str, Array], encoding: Any) -> list[Answer]:
        """Return the answer of each row of a batch of the request's outputs: evaluation and serving share this."""

    def reference(self, row: Row, encoding: Any) -> Answer | None:
        """Return the answer a perfect model would give, as far as the row is labelled; None for one without a label."""

    def measure(self, references: Sequence[Answer], answers: Sequence[Answer], encoding: Any) -> dict[str, float]:
        """Return the measures over all rows, NaN where there is nothing to measure."""

    def golden_inputs(self, encoding: Any, seconds: Sequence[float]) -> Iterator[dict[str, Array]]:
        """Give one request (without the batch dimension) for each length, made by a formula."""


def task_names() -> list[str]:
    """Return the names of the families there are, loading none."""
    return sorted(FAMILIES)


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
