"""What the processes of one training leave for the one that started them: the job, and how each rank ended."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NamedTuple

from voxloop import errors
from voxloop.config import StrictModel
from voxloop.errors import VoxloopError
from voxloop.store.atomic import write_file
from voxloop.training.endings import LostRankError, PrunedTrainingError

SPEC_NAME = "ranks.json"


class RanksSpec(StrictModel):
    """One training for ranks to run: the arguments of `fit_task`, as JSON.

    Args:
        dataset: Folder written by ingest.
        folder: Existing folder for rank 0 to fill.
        task: Name of the family.
        recipe: Its configuration, resolved.
        features: Table of features.
        checkpoints: Folder for checkpoints, on a disk that all machines share.
        start: Weights to start from, safetensors.
        watcher: Socket at which the starting process' watcher listens; None lets rank 0 print.
    """

    dataset: Path
    folder: Path
    task: str
    recipe: dict[str, Any]
    features: Path | None = None
    checkpoints: Path | None = None
    start: Path | None = None
    watcher: Path | None = None


class Failure(NamedTuple):
    """A process that ended badly, as torchrun saw it."""

    rank: int
    exit_code: int
    """Negative: the number of the signal that ended it."""
    signal: str


def write_spec(place: Path, spec: RanksSpec) -> Path:
    """Write the job into the folder of one training's ranks, and return the file."""
    return write_file(place / SPEC_NAME, spec.model_dump_json(indent=2) + "\n")


def read_spec(path: Path) -> RanksSpec:
    """Read what `write_spec` wrote."""
    return RanksSpec.model_validate_json(path.read_text(encoding="utf-8"))


def write_error(place: Path, rank: int, error: VoxloopError) -> None:
    """Leave what ended a rank."""
    parts = {"problem": error.problem, "rule": error.rule, "remedy": error.remedy}
    told: dict[str, Any] = {"kind": type(error).__name__, **parts}
    if isinstance(error, PrunedTrainingError):
        told["epoch"] = error.epoch
    write_file(place / f"error-{rank:05d}.json", json.dumps(told))


def read_errors(place: Path) -> dict[int, VoxloopError]:
    """Return what ended each rank, by rank, as far as they could say."""
    found = {}
    for path in sorted(place.glob("error-*.json")):
        found[int(path.stem.removeprefix("error-"))] = _rebuild(json.loads(path.read_text(encoding="utf-8")))
    return found


def write_failures(place: Path, node: int, failures: list[Failure]) -> None:
    """Leave which processes of one machine ended badly."""
    write_file(place / f"failures-{node:05d}.json", json.dumps([failure._asdict() for failure in failures]))


def read_failures(place: Path) -> list[Failure]:
    """Return which processes ended badly, on all machines that share the folder."""
    return [
        Failure(**failure)
        for path in sorted(place.glob("failures-*.json"))
        for failure in json.loads(path.read_text(encoding="utf-8"))
    ]


def _rebuild(told: dict[str, Any]) -> VoxloopError:
    if told["kind"] == PrunedTrainingError.__name__:
        return PrunedTrainingError(told["epoch"])
    known: dict[str, type[VoxloopError]] = {**vars(errors), LostRankError.__name__: LostRankError}
    kind = known.get(told["kind"], VoxloopError)
    rebuilt: VoxloopError = kind(told["problem"], rule=told["rule"], remedy=told["remedy"])
    return rebuilt
