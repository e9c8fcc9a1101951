"""The systems a release drives, as it sees them: registry, server, keeper of keys, and the ledger that decides."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:  # a rollback has one second: numpy is not for it to load
    from voxloop.ledger.book import Ledger
    from voxloop.release.budgets import ProbeBudgets
    from voxloop.release.versions import ModelVersion
    from voxloop.tasks import Answer
    from voxloop.tasks.output_difference import Arrays


class Versions(Protocol):
    """What is asked of the registry to find a champion."""

    def list_versions(self, task: str) -> Sequence[ModelVersion]:
        """Return all versions of a task's model; none when it has no model yet."""

    def find_alias(self, task: str, alias: str) -> ModelVersion | None:
        """Return the version that carries `alias`."""


class Registry(Versions, Protocol):
    """What promotion asks of the model registry."""

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

    def read_model_tag(self, task: str, name: str) -> str | None:
        """Return a tag of the registered model; None where it has none."""

    def set_model_tag(self, task: str, name: str, value: str) -> None:
        """Tag the registered model."""


class Signatures(Protocol):
    """What promotion asks of the keeper of keys."""

    def verify(self, folder: Path, signature: Path) -> None:
        """Raise `IntegrityError` unless `folder` holds what was signed, no file more and none less."""


class Served(Protocol):
    """A model on the server, its description read once."""

    def make_golden(self, seconds: float) -> Arrays:
        """Return a request of this length, in the model's encoding."""

    def answer(self, request: Arrays) -> Arrays:
        """Return the outputs for one request, both by name and without the batch dimension."""

    def decode(self, outputs: Arrays) -> Answer | None:
        """Return the answer of one row of outputs, as the server describes the model; None where one is not finite."""


class Reference(Protocol):
    """A model folder as evaluation opens it."""

    def requests(self) -> Iterator[tuple[str, Arrays]]:
        """Give one request of every kind that a server must bear, by kind."""

    def answer(self, request: Arrays) -> Arrays:
        """Return the outputs for one request, both by name and without the batch dimension."""

    def decode(self, outputs: Arrays) -> Answer | None:
        """Return the answer of one row of outputs, as evaluation describes the model; None where one is not finite."""


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

    def read_digest(self, name: str) -> str:
        """Return the model digest that `name` is served with; raise `ServiceUnavailableError` when it is not served."""

    def staged(self, task: str) -> Collection[str]:
        """Return the names of the task's models in the repository."""

    def answer(self, name: str, request: Arrays) -> Arrays:
        """Return the outputs for one request, both by name and without the batch dimension."""

    def open(self, name: str) -> Served:
        """Return a model to be asked again and again; raise `ServiceUnavailableError` when it is not served."""

    def read_memory(self, name: str) -> int | None:
        """Return the resident memory of a model's own processes at most, bytes; None where none is seen."""


class Front(Protocol):
    """What promotion asks of the place where callers ask."""

    def read_answering(self, task: str) -> str | None:
        """Return the digest of the model that answers a family; None where nobody can be asked.

        Raises `ServiceUnavailableError` when callers are not answered.
        """


@dataclass(frozen=True)
class Platform:
    """Everything a release works on.

    Args:
        registry: Where versions are, and where people look.
        server: What answers requests.
        signatures: What knows the key that versions are signed with.
        ledger: What decides.
        place: Name of this server's model repository. Whoever works on it holds its lock, so a claim made here and
            still open belongs to a process that has ended.
        clock: Gives the moment to record.
        front: Where callers ask.
        budgets: What a model may take before it takes over.
        open_reference: Opens a verified model folder as evaluation does.
    """

    registry: Registry
    server: Server
    signatures: Signatures
    ledger: Ledger
    place: str
    clock: Callable[[], datetime]
    front: Front
    budgets: ProbeBudgets
    open_reference: Callable[[Path], Reference]
