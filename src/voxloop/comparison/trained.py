"""What a training left to be read: its report, and the record of what it was made from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from voxloop.errors import InputError, IntegrityError
from voxloop.store.digests import RECORD_NAME, digest_file
from voxloop.store.plain_files import read_json_object
from voxloop.training.progress import Epoch

REPORT_NAME = "training.json"


class _Part(BaseModel):
    """A part of a report: frozen, and what later versions add is passed over."""

    model_config = ConfigDict(frozen=True, extra="ignore", protected_namespaces=())


class ObjectiveValue(_Part):
    """The measure an epoch was chosen by, and what it came to."""

    name: str
    value: float


class BySplit(_Part):
    """A number for each split that training reads."""

    train: float = Field(ge=0.0)
    dev: float = Field(ge=0.0)


class TrainingReport(_Part):
    """What `training.json` says of one training."""

    schema_version: Literal[2]
    task: str
    config: dict[str, Any]
    history: tuple[Epoch, ...] = Field(min_length=1)
    best_epoch: int = Field(ge=1)
    objective: ObjectiveValue
    dev: dict[str, float | None]
    """Measures at the best epoch; None for what cannot be measured."""
    dataset_digest: str
    torch: str
    utterances: BySplit
    audio_seconds: BySplit
    parameters: int = Field(ge=0)

    @model_validator(mode="after")
    def _best_epoch_is_one_of_them(self) -> Self:
        if [epoch.epoch for epoch in self.history] != list(range(1, len(self.history) + 1)):
            raise ValueError("the epochs of the history are not 1, 2, 3, …")
        if self.best_epoch > len(self.history):
            raise ValueError(f"best_epoch {self.best_epoch} is none of {len(self.history)} epochs")
        if missing := [epoch.epoch for epoch in self.history if self.objective.name not in epoch.dev]:
            raise ValueError(f"epoch {missing[0]} does not say its {self.objective.name}")
        return self

    @property
    def best(self) -> Epoch:
        """The epoch whose weights were kept."""
        return self.history[self.best_epoch - 1]


@dataclass(frozen=True)
class TrainedRun:
    """One training to be compared.

    Args:
        names: What it may be called, the shortest first: the first that no other run has becomes its label.
        kind: Where it was read from, in words.
        report: What it came to.
        inputs: Digests of the features it read and of the weights it went on from, as far as its record says.
        code: Digest of the code it was made by; None without a record.
        seconds: Wall time of the step that trained, from its start to its end; None where nobody kept it.
    """

    names: tuple[str, ...]
    kind: str
    report: TrainingReport
    inputs: Mapping[str, str | None]
    code: str | None = None
    seconds: float | None = None


def read_trained(folder: Path, names: tuple[str, ...], kind: str, seconds: float | None = None) -> TrainedRun:
    """Read one training.

    Args:
        folder: Written by train, or what of it was kept elsewhere: `training.json`, and the step's record if there is.
        names: As in `TrainedRun`; so are `kind` and `seconds`.
        kind: See there.
        seconds: See there.

    Raises:
        InputError: There is no report, or it cannot be one.
        IntegrityError: The report is not the one its record speaks of.
    """
    report = read_report(folder / REPORT_NAME)
    if not (folder / RECORD_NAME).exists():
        return TrainedRun(names, kind, report, {}, seconds=seconds)
    record = read_json_object(folder / RECORD_NAME)
    outputs, inputs, code = (record.get(name) for name in ("outputs", "inputs", "code"))
    if not isinstance(outputs, dict) or outputs.get(REPORT_NAME) != digest_file(folder / REPORT_NAME):
        raise IntegrityError(
            f"{folder / REPORT_NAME} is not what its step recorded",
            rule="what is compared is what was measured",
            remedy="take it from the job store or train again",
        )
    known = {str(name): None if value is None else str(value) for name, value in dict(inputs or {}).items()}
    return TrainedRun(names, kind, report, known, code=str(code), seconds=seconds)


def read_report(path: Path) -> TrainingReport:
    """Return what a `training.json` says.

    Raises:
        InputError: It is missing, cut short, or no report of a training.
    """
    try:
        return TrainingReport.model_validate(read_json_object(path))
    except ValidationError as invalid:
        first = invalid.errors(include_url=False, include_input=False)[0]
        place = ".".join(map(str, first["loc"]))
        raise InputError(
            f"{path} is no report of a training: {f'{place}: ' if place else ''}{first['msg']}"[:500],
            rule="train writes it, of schema 2",
            remedy="train again, or name another run",
        ) from None
