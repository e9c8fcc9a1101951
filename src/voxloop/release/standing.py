"""Which registered versions are in force or may still come into force: what retention keeps and erasure looks at."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from voxloop.errors import IntegrityError
from voxloop.release.approval import REJECTED, find_objection
from voxloop.release.versions import (
    APPROVAL,
    CHAMPION,
    DATA_DIGEST,
    EVALUATION_DIGEST,
    MODEL_DIGEST,
    ModelVersion,
)

AWAITING = "awaiting approval"


@dataclass(frozen=True)
class RegisteredModel:
    """A registered model as the registry gives it: all of its versions, and which of them carry an alias."""

    name: str
    versions: tuple[ModelVersion, ...]
    aliases: Mapping[str, int]


@dataclass(frozen=True)
class TrackedRun:
    """A tracked run: its id, its experiment, when anything happened to it last (seconds since 1970)."""

    run_id: str
    experiment: str
    changed: float
    tags: Mapping[str, str]

    def __str__(self) -> str:
        return f"run {self.run_id} of {self.experiment}"


class Archive(Protocol):
    """What retention and erasure ask of registry and tracking server.

    Every method raises `ServiceUnavailableError` when the server does not answer.
    """

    def list_models(self) -> Sequence[RegisteredModel]:
        """Return every registered model, also of families the code has forgotten."""

    def list_runs(self) -> Sequence[TrackedRun]:
        """Return every run of every experiment, deleted ones too: their artifacts are still there."""

    def list_artifacts(self, run_id: str) -> Mapping[str, int]:
        """Return the bytes of every artifact of a run by its path."""

    def read_artifact(self, run_id: str, path: str) -> bytes:
        """Return the content of one artifact."""

    def delete_artifacts(self, run_id: str, paths: Collection[str]) -> None:
        """Delete artifacts of a run; those that are gone already are no error."""

    def tag_run(self, run_id: str, name: str, value: str) -> None:
        """Tag a run."""

    def tag_version(self, version: ModelVersion, name: str, value: str) -> None:
        """Tag a version."""

    def read_note(self, version: ModelVersion) -> str:
        """Return the description of a version; empty without one."""

    def write_note(self, version: ModelVersion, note: str) -> None:
        """Replace the description of a version."""


def find_standing(model: RegisteredModel) -> dict[int, str]:
    """Return the numbers of the versions that are or may come into force, each with the reason in words.

    A version stands that carries any alias, and one that is open: newer than the champion with an approval that is not
    rejected, or the newest that nobody has answered and the rules of approval would let into service. Older ones that
    nobody answered are superseded by it: kept all, a store would grow with every night that nobody looks.

    Raises:
        IntegrityError: An alias names a version that is not there, or one that does not say what it was made from.
    """
    by_number = {version.number: version for version in model.versions}
    standing: dict[int, str] = {}
    for alias, number in sorted(model.aliases.items(), key=lambda item: (item[0] != CHAMPION, item[0])):
        if number not in by_number:
            raise _not_understood(f"the alias {alias} of {model.name} names version {number}, which is not there")
        require_traceable(by_number[number], alias)
        standing.setdefault(number, alias)
    champion = by_number.get(model.aliases.get(CHAMPION, -1))
    newer = [one for one in model.versions if champion is None or one.number > champion.number]
    answered = {one.number: said for one in newer if (said := one.tags.get(APPROVAL)) not in (None, REJECTED)}
    # What reads like a slip of the pen is open too: a person corrects it, not a sweep.
    for number, said in answered.items():
        standing.setdefault(number, f"approval {said}")
    waiting = [one.number for one in newer if APPROVAL not in one.tags and not find_objection(one, champion)]
    for number in sorted(waiting)[-1:]:
        standing.setdefault(number, AWAITING)
    return standing


def require_traceable(version: ModelVersion, alias: str) -> None:
    """Raise `IntegrityError` unless a version in force names its run and the digest of its model."""
    if not version.run_id or not version.model_digest:
        raise _not_understood(f"{version} is {alias} and does not say which run or which bytes it is")


def describe_needs(version: ModelVersion) -> list[str]:
    """Return the digests of the folders a version was made from: its model, its data, its evaluation."""
    found = (version.tags.get(name, "") for name in (MODEL_DIGEST, DATA_DIGEST, EVALUATION_DIGEST))
    return [digest for digest in found if digest]


def read_needs(models: Sequence[RegisteredModel]) -> list[tuple[ModelVersion, str]]:
    """Return every version that stands, with `emotion version 3 (champion)` for a reason.

    Raises:
        IntegrityError: As `find_standing`.
    """
    needs = []
    for model in models:
        standing = find_standing(model)
        needs += [(one, f"{one} ({standing[one.number]})") for one in model.versions if one.number in standing]
    return needs


def is_young(run: TrackedRun, before: datetime) -> bool:
    """Return whether anything happened to a run at or after `before`."""
    return run.changed >= before.timestamp()


def _not_understood(problem: str) -> IntegrityError:
    return IntegrityError(
        problem, rule="what is in force must be known before anything is freed", remedy="correct it in MLflow"
    )
