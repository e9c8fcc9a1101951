"""Putting an approved version into service: verify, stage, load, probe, flip, retire. Each step may be repeated.

Killed anywhere before the flip, the old champion is in force; after it, the new one. Running it again finishes
what is left. The alias `champion` in the registry is the flip.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Protocol

from voxloop.errors import VoxloopError
from voxloop.release.probe import Arrays, probe, read_golden
from voxloop.release.versions import CHALLENGER, CHAMPION, FALLBACK, PROMOTED_AT, ModelVersion


class Registry(Protocol):
    """What promotion asks of the model registry."""

    def find_alias(self, task: str, alias: str) -> ModelVersion | None:
        """Return the version that carries `alias`."""

    def download_model(self, version: ModelVersion, out: Path) -> Path:
        """Write the model folder of a version to `out`; raise `IntegrityError` unless it has the version's digest."""

    def download_signature(self, version: ModelVersion, out: Path) -> Path:
        """Write the signature of a version's model folder under `out`; raise `IntegrityError` where it has none."""

    def set_alias(self, version: ModelVersion, alias: str) -> None:
        """Move `alias` to `version`."""

    def remove_alias(self, task: str, alias: str) -> None:
        """Take `alias` away; nothing happens when no version carries it."""

    def set_tag(self, version: ModelVersion, name: str, value: str) -> None:
        """Tag a version."""


class Signatures(Protocol):
    """What promotion asks of the keeper of keys."""

    def verify(self, folder: Path, signature: Path) -> None:
        """Raise `IntegrityError` unless `folder` holds what was signed, no file more and none less."""


class Server(Protocol):
    """What promotion asks of the model server and its repository."""

    def stage(self, name: str, model: Path, model_digest: str) -> bool:
        """Put a model folder into the repository under `name`; return whether anything had to be written."""

    def load(self, name: str) -> None:
        """Load the staged model, or load it anew."""

    def unload(self, name: str) -> None:
        """Unload a model and wait until it is gone; nothing happens when it is not loaded."""

    def remove(self, name: str) -> None:
        """Take a model out of the repository."""

    def is_ready(self, name: str) -> bool:
        """Return whether `name` is loaded and answers."""

    def staged(self, task: str) -> Collection[str]:
        """Return the names of the task's models in the repository."""

    def answer(self, name: str, request: Arrays) -> Arrays:
        """Return the outputs for one request, both by name and without the batch dimension."""


@dataclass(frozen=True)
class Promotion:
    """What was put into service."""

    version: ModelVersion
    replaced: ModelVersion | None
    difference: float
    """Largest difference between a golden answer at export and on the server."""


def promote(
    registry: Registry, server: Server, signatures: Signatures, version: ModelVersion, *, workplace: Path, at: datetime
) -> Promotion:
    """Put `version` into service in place of the champion, which stays loaded as the fallback.

    Args:
        registry: Where versions and aliases are.
        server: What answers requests.
        signatures: What knows the key that versions are signed with.
        version: An approved version, or the champion itself, which is then brought back to the server.
        workplace: An empty folder to download into.
        at: The moment to record.

    Raises:
        IntegrityError: The downloaded model has another digest or no good signature, what was staged was changed, or
            the server answers otherwise than the export. The old champion stays in service, the new model is taken
            off the server.
        ServiceUnavailableError: Registry or server does not answer.
    """
    champion = registry.find_alias(version.task, CHAMPION)
    difference = serve(registry, server, signatures, version, workplace=workplace)
    flip(registry, version, champion, at=at)
    retire(registry, server, version.task)
    return Promotion(version, replaced=champion, difference=difference)


def serve(
    registry: Registry, server: Server, signatures: Signatures, version: ModelVersion, *, workplace: Path
) -> float:
    """Stage, load and probe a version; on any failure take it off the server again, unless it is in service."""
    name = version.serving_name
    model = registry.download_model(version, workplace / "model")
    signatures.verify(model, registry.download_signature(version, workplace))
    golden = read_golden(model)
    try:
        server.stage(name, model, version.model_digest)
        server.load(name)  # always: killed between the two, what is loaded may not be what is staged
        return probe(name, golden, lambda request: server.answer(name, request))
    except VoxloopError:
        if name not in names_in_service(registry, version.task):
            server.unload(name)
            server.remove(name)
        raise


def flip(registry: Registry, version: ModelVersion, champion: ModelVersion | None, *, at: datetime) -> None:
    """Move the aliases. The fallback is named first: killed in between, it names the champion still in force."""
    if champion is None or champion.number != version.number:
        if champion is not None:
            registry.set_alias(champion, FALLBACK)
        registry.set_alias(version, CHAMPION)
    if not version.was_champion:
        registry.set_tag(version, PROMOTED_AT, at.isoformat(timespec="seconds"))
    challenger = registry.find_alias(version.task, CHALLENGER)
    if challenger is not None and challenger.number == version.number:
        registry.remove_alias(version.task, CHALLENGER)


def retire(registry: Registry, server: Server, task: str) -> list[str]:
    """Unload and remove all models of a task but the champion and its fallback; return their names."""
    retired = sorted(set(server.staged(task)) - names_in_service(registry, task))
    for name in retired:
        server.unload(name)
        server.remove(name)
    return retired


def names_in_service(registry: Registry, task: str) -> set[str]:
    """Return the Triton names of a task's champion and fallback."""
    versions = (registry.find_alias(task, alias) for alias in (CHAMPION, FALLBACK))
    return {version.serving_name for version in versions if version is not None}
