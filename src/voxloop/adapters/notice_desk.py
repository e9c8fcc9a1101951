"""Tells destinations what they are to hear now, and keeps what each of them was told."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from voxloop.adapters.apprise import Destination
from voxloop.notices.config import NoticesConfig
from voxloop.notices.history import History, hold_back, weigh
from voxloop.notices.notice import Notice
from voxloop.store.atomic import write_file
from voxloop.store.lock import hold_lock


@dataclass(frozen=True)
class Delivery:
    """What became of a notice at one destination.

    Args:
        destination: In words.
        title: Of the notice.
        state: `sent`, `failed`, or `held back`.
    """

    destination: str
    title: str
    state: str

    def __str__(self) -> str:
        return f"{self.state}: {self.title} -> {self.destination}"


class NoticeDesk:
    """Tells each destination of its own audiences, and is the only one that writes what they were told.

    Args:
        folder: Where that is kept, a file a destination.
        destinations: Where notices go.
        config: How often.
    """

    def __init__(self, folder: Path, destinations: Sequence[Destination], config: NoticesConfig) -> None:
        self._folder, self._destinations, self._config = folder, destinations, config

    def tell(self, notices: Iterable[Notice], *, at: float) -> list[Delivery]:
        """Return what became of each notice at each destination that wants it.

        One process at a time: two that fail at once are one message and a count.

        Args:
            notices: What to tell.
            at: Now, seconds since 1970.
        """
        wanted = list(notices)
        with hold_lock(self._folder / "desk.lock"):
            return [
                self._deliver(destination, notice, at)
                for destination in self._destinations
                for notice in wanted
                if notice.audience in destination.audiences
            ]

    def _deliver(self, destination: Destination, notice: Notice, at: float) -> Delivery:
        file = self._folder / f"{destination.key}.json"
        before = _read(file)
        message, after = weigh(before, notice, self._config, at)
        state = "held back" if message is None else "sent"
        if message is not None and not destination.send(message):
            state, after = "failed", hold_back(before, notice)
        write_file(file, after.model_dump_json() + "\n", mode=0o600)
        return Delivery(str(destination), notice.title, state)


def _read(file: Path) -> History:
    """A history that cannot be read is none: people are told once too often rather than never."""
    try:
        return History.model_validate_json(file.read_bytes())
    except (FileNotFoundError, ValidationError):
        return History()
