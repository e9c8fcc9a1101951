"""Taking a speaker out of the artifacts of tracked runs: answers an utterance, reports that quote their rows."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

from voxloop.data.erasure_scan import EXEMPT, Names, holds
from voxloop.data.erasure_words import SOUNDS, TABLES, TEXTS, kind_of
from voxloop.errors import ServiceUnavailableError, VoxloopError
from voxloop.release.standing import Archive, TrackedRun

ERASED = "voxloop.erased"
"""Tag of a run that lost artifacts to erasures: the tombstones, their first twelve characters, separated by spaces."""
READABLE = (*TEXTS, *SOUNDS, *TABLES)
TOMBSTONE_CHARS = 12


def erase_artifacts(archive: Archive, names: Names, tombstone: str, *, dry_run: bool) -> tuple[list[str], list[str]]:
    """Delete every artifact that holds the speaker; the numbers and tags of its run stay.

    Which speakers a model learnt from (`training/speakers.json`) stays too: without it nobody could say which models to
    look at.

    Returns:
        The artifacts deleted (or, in a dry run, found), and a line for each that could not be.

    Raises:
        ServiceUnavailableError: The server does not answer.
    """
    deleted: list[str] = []
    failed: list[str] = []
    for run in archive.list_runs():
        found = list(find_artifacts(archive, run, names))
        try:
            if found and not dry_run:
                marks = {*run.tags.get(ERASED, "").split(), tombstone[:TOMBSTONE_CHARS]}
                archive.tag_run(run.run_id, ERASED, " ".join(sorted(marks)))
                archive.delete_artifacts(run.run_id, found)
        except ServiceUnavailableError:
            raise
        except VoxloopError as refused:
            failed += [f"{run}: {path} ({refused})" for path in found]
        else:
            deleted += [f"{run}: {path}" for path in found]
    return deleted, failed


def find_artifacts(archive: Archive, run: TrackedRun, names: Names) -> Iterator[str]:
    """Yield the path of every artifact of a run that holds the speaker."""
    with tempfile.TemporaryDirectory(prefix="voxloop-erase-") as place:
        for path in sorted(archive.list_artifacts(run.run_id)):
            if kind_of(path) not in READABLE or Path(path).name in EXEMPT:
                continue
            copy = Path(place) / Path(path).name
            copy.write_bytes(archive.read_artifact(run.run_id, path))
            if _holds(copy, names):
                yield path


def _holds(copy: Path, names: Names) -> bool:
    try:
        return holds(copy, names)
    except VoxloopError:  # a table nobody can read: nobody loses anything with it
        return True
