"""What is known of a page that was drawn: a JSON file beside it, written after it."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

from pydantic import AwareDatetime, Field, ValidationError

from voxloop.config import StrictModel
from voxloop.store.atomic import write_file
from voxloop.store.digests import digest_file

PAGE_SUFFIX, NOTE_SUFFIX = ".html", ".note.json"


class ReportNote(StrictModel):
    """Of a page that is drawn.

    Args:
        name: Of the page: the episode or the window it was drawn for.
        start: Of the window.
        end: Of the window.
        digest: SHA-256 of the page.
        same: Distances of which Evidently says the same as the quick check, at the same thresholds.
        others: Those of which it does not, or which it does not measure, each with both words.
        said: What a reader must know of the rows it was drawn from.
        link: Where MLflow's UI shows it; None while it is not there.
    """

    name: str
    start: AwareDatetime
    end: AwareDatetime
    digest: str = Field(pattern=r"^[0-9a-f]{64}$")
    same: int
    others: tuple[str, ...]
    said: tuple[str, ...]
    link: str | None = None


def name_episode_page(begin: datetime) -> str:
    """Return the name of the page of an episode of drift, by the start of its first window."""
    return f"episode-{begin.astimezone(UTC):%Y%m%dT%H%MZ}"


def name_window_page(start: datetime) -> str:
    """Return the name of the page that a person asked for, by its window's start."""
    return f"window-{start.astimezone(UTC):%Y%m%dT%H%MZ}"


def write_page(folder: Path, note: ReportNote, page: bytes) -> None:
    """Write a page, then its note: who finds the note finds the page.

    Raises:
        OSError: They cannot be written.
    """
    write_file(folder / f"{note.name}{PAGE_SUFFIX}", page)
    write_note(folder, note)


def write_note(folder: Path, note: ReportNote) -> None:
    """Write what is known of a page.

    Raises:
        OSError: It cannot be written.
    """
    write_file(folder / f"{note.name}{NOTE_SUFFIX}", note.model_dump_json(indent=2) + "\n")


def read_note(folder: Path, name: str) -> ReportNote | None:
    """Return what is known of a page; None where there is none, or it is not what was drawn: it is drawn again."""
    try:
        note = ReportNote.model_validate(json.loads((folder / f"{name}{NOTE_SUFFIX}").read_bytes()))
        drawn = digest_file(folder / f"{name}{PAGE_SUFFIX}")
    except (OSError, ValueError, ValidationError):
        return None
    return note if (note.name, note.digest) == (name, drawn) else None
