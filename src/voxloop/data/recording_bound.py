"""A dataset as of a moment: what was recorded at it or later is left out, and what was not is known by a digest.

So a night that is made up for later learns from what that night would have learned from, whatever came afterwards. A
row without a time of its own stays: nobody can tell when it came.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from voxloop.data.corpora.clips import Clip
from voxloop.data.corpora.reader import Candidate
from voxloop.data.schema import ADDED_COLUMNS, Utterance
from voxloop.errors import InputError
from voxloop.store.digests import digest_file, digest_json


def read_bound(text: str) -> datetime | None:
    """Return the moment before which a recording must have been made, in UTC; None for an empty text: no bound.

    Raises:
        InputError: It is no time with a zone.
    """
    if not text:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        raise InputError(
            f"recorded_before = {text[:80]!r}",
            rule="it is a time in ISO 8601 with a zone, or empty",
            remedy="write it as 2026-01-05T02:00:00Z",
        )
    return moment.astimezone(UTC)


@dataclass(frozen=True)
class Bounded:
    """The candidates of a corpus, parted at a moment.

    Args:
        taken: Those recorded before it, and those without a time; in the order of the corpus.
        later: How many were recorded at it or later.
        undated: How many of those taken have no time of their own.
    """

    taken: tuple[Candidate, ...]
    later: int
    undated: int

    def __str__(self) -> str:
        stay = f"; {self.undated} without a time of their own stay" if self.undated else ""
        return f"{self.later} recorded at it or later are left out{stay}"


def part_at(candidates: Sequence[Candidate], bound: datetime | None) -> Bounded:
    """Part the candidates of a corpus at a moment, None for no bound; nothing is decoded."""
    taken = tuple(one for one in candidates if bound is None or one.recorded_at is None or one.recorded_at < bound)
    undated = sum(one.recorded_at is None for one in taken)
    return Bounded(taken, len(candidates) - len(taken), undated)


def digest_rows(candidates: Sequence[Candidate], bound: datetime | None) -> str:
    """Return the digest of what the rows before a moment are made of; what comes later does not change it.

    That is labels, texts, times and every byte of the files of sound. A file that no row names has no part in it. The
    configuration of the corpus has none either, nor what the speaker world draws from it: it is bound beside it.

    Args:
        candidates: Of the whole corpus.
        bound: The moment; None for all rows there are.
    """
    known: dict[Path, str | None] = {}
    return digest_json([_tell(candidate, known) for candidate in part_at(candidates, bound).taken])


def _tell(candidate: Candidate, known: dict[Path, str | None]) -> list[object]:
    time = candidate.recorded_at.astimezone(UTC).isoformat() if candidate.recorded_at else None
    # `load` is a partial of plain data: a reader promises it, for it travels to other processes.
    made_of = candidate.load.args if isinstance(candidate.load, partial) else ()
    return [candidate.path, candidate.speaker_id, time, [_tell_part(part, known) for part in made_of]]


def _tell_part(part: object, known: dict[Path, str | None]) -> object:
    if isinstance(part, Clip):
        file = part.folder / part.path
        if file not in known:
            known[file] = digest_file(file) if file.is_file() else None
        return [part.path, known[file], part.start_s, part.seconds, part.column]
    if isinstance(part, Utterance):
        # A field younger than digests that are kept has no part in them where a row has none of it.
        told = {name: value for name, value in vars(part).items() if value is not None or name not in ADDED_COLUMNS}
        return told | {"recorded_at": part.recorded_at.astimezone(UTC).isoformat()}
    return part if isinstance(part, str | int) else None
