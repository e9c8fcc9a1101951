"""The utterances of which the running features of callers' speakers are made: the newest of each, in one SQLite file.

A mean over what is known cannot be moved on from the mean alone (how many values were null is not in it), and a running
row that is made of its utterances anew is right after a kill anywhere, and counts none of them twice.
"""

from __future__ import annotations

import json
import math
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from voxloop.data.heard_speakers import STEP, Heard
from voxloop.errors import IntegrityError, ServiceUnavailableError

BUSY_SECONDS = 5.0
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_TABLE = """
CREATE TABLE IF NOT EXISTS heard (
    speaker TEXT NOT NULL, utterance_id TEXT NOT NULL, at_us INTEGER NOT NULL, content TEXT NOT NULL,
    PRIMARY KEY (speaker, utterance_id)
) WITHOUT ROWID
"""


@dataclass(frozen=True)
class KeptSpeaker:
    """What is kept of a speaker, without what was heard.

    Args:
        speaker: The name they are kept under.
        last: When they were heard last, aware, UTC.
        size: Bytes of it, about.
    """

    speaker: str
    last: datetime
    size: int


class HeardJournal:
    """Keeps what was heard.

    Args:
        path: The file, its owner's alone.
        most: Utterances that are kept of a speaker; older ones go.
    """

    def __init__(self, path: Path, most: int) -> None:
        self._path, self._most = path, most

    def add(self, speaker: str, heard: Heard) -> list[Heard]:
        """Keep an utterance, once, and return all that are kept of its speaker, the oldest first.

        One that is not later than the last is counted `STEP` after it: the past stays as it was told.

        Raises:
            IntegrityError: The file is no journal.
            ServiceUnavailableError: It cannot be written now.
        """
        with self._open() as journal:
            known = (speaker, heard.utterance_id)
            if journal.execute("SELECT 1 FROM heard WHERE speaker = ? AND utterance_id = ?", known).fetchone() is None:
                (last,) = journal.execute("SELECT max(at_us) FROM heard WHERE speaker = ?", (speaker,)).fetchone()
                at = heard.at if last is None else max(heard.at, _to_moment(last) + STEP)
                row = (*known, _to_micros(at), _to_json(heard))
                journal.execute("INSERT INTO heard VALUES (?, ?, ?, ?)", row)
                self._forget_oldest(journal, speaker)
            rows = journal.execute(
                "SELECT utterance_id, at_us, content FROM heard WHERE speaker = ? ORDER BY at_us", (speaker,)
            ).fetchall()
            return [_from_json(*row) for row in rows]

    def erase(self, speaker: str) -> int:
        """Take a speaker out, bytes and all, and return how many utterances were kept; raises as `add`."""
        if not self._path.exists():
            return 0
        with self._open() as journal:
            return journal.execute("DELETE FROM heard WHERE speaker = ?", (speaker,)).rowcount

    def list_speakers(self) -> list[KeptSpeaker]:
        """Return who is kept, by name; raises as `add`."""
        if not self._path.exists():
            return []
        with self._open() as journal:
            rows = journal.execute(
                "SELECT speaker, max(at_us), sum(length(content)) FROM heard GROUP BY speaker ORDER BY speaker"
            ).fetchall()
            return [KeptSpeaker(speaker, _to_moment(last), size) for speaker, last, size in rows]

    def find_last(self, speaker: str) -> datetime | None:
        """Return when a speaker was heard last, None where nothing is kept of them; raises as `add`."""
        if not self._path.exists():
            return None
        with self._open() as journal:
            (last,) = journal.execute("SELECT max(at_us) FROM heard WHERE speaker = ?", (speaker,)).fetchone()
            return None if last is None else _to_moment(last)

    def _forget_oldest(self, journal: sqlite3.Connection, speaker: str) -> None:
        journal.execute(
            "DELETE FROM heard WHERE speaker = ?1 AND at_us <= ("
            "SELECT at_us FROM heard WHERE speaker = ?1 ORDER BY at_us DESC LIMIT 1 OFFSET ?2)",
            (speaker, self._most),
        )

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        """Give the file within one transaction."""
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            if not self._path.exists():
                self._path.touch(mode=0o600)
            with closing(sqlite3.connect(self._path, timeout=BUSY_SECONDS, isolation_level=None)) as journal:
                journal.execute("PRAGMA secure_delete = ON")
                journal.execute("BEGIN IMMEDIATE")
                journal.execute(_TABLE)
                yield journal
                journal.execute("COMMIT")
        except (sqlite3.OperationalError, OSError) as failed:
            raise ServiceUnavailableError(
                f"{self._path.name}: {failed}",
                rule="what is counted is on the disk first",
                remedy="make room, or try again",
            ) from None
        except (sqlite3.DatabaseError, ValueError, TypeError, KeyError) as broken:
            raise IntegrityError(
                f"{self._path.name} is no journal of utterances: {broken}",
                rule="running features are made of it",
                remedy="put it aside; profiles begin anew",
            ) from None


def _to_micros(at: datetime) -> int:
    return (at - _EPOCH) // _MICROSECOND


def _to_moment(micros: int) -> datetime:
    return _EPOCH + timedelta(microseconds=micros)


def _to_json(heard: Heard) -> str:
    prosody = {name: None if math.isnan(value) else value for name, value in heard.prosody.items()}
    kept = {"duration_s": heard.duration_s, "prosody": prosody, "words": heard.words, "emotion": heard.emotion}
    return json.dumps(kept, allow_nan=False)


def _from_json(utterance_id: str, at_us: int, content: str) -> Heard:
    kept = json.loads(content)
    prosody = {name: float("nan") if value is None else value for name, value in kept["prosody"].items()}
    return Heard(utterance_id, _to_moment(at_us), kept["duration_s"], prosody, kept["words"], kept["emotion"])
