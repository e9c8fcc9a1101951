"""Answers of the prediction log whose sound may be learnt from: who gave consent, and is known by a pseudonym.

Every row of an interval is one of them or is counted under the first reason for which it is none.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from voxloop.data.corpora.production import REQUEST
from voxloop.monitoring.labelled_answers import OLD_PSEUDONYM, TWICE, key_version
from voxloop.monitoring.prediction import ANSWERED
from voxloop.monitoring.prediction_log import read_window

COLUMNS = (
    *("request_id", "tenant", "key_id", "family", "model_digest", "is_shadow", "status", "answer", "confidence"),
    *("speaker", "speaker_key", "consent"),
)
"""What is read of the log beside the moment."""
HOUR = timedelta(hours=1)

SHADOW, FAILED = "answers of shadows, which reached nobody", "requests that the model failed"
NO_CONSENT, NO_SPEAKER = "answers without consent to keep the sound", "answers whose speaker is not named"
ERASED, STRANGE = "answers whose speaker was erased", "answers whose request id is none"
NO_SOUND = "answers with consent whose sound was not kept"
AGAIN = "rows that the log has twice, the same"

Row = dict[str, Any]


@dataclass(frozen=True)
class KeptAnswers:
    """Answers to choose from.

    Args:
        rows: With `COLUMNS` and the moment, one a request, by time and request; the sound is read when it is needed.
        left_out: Rows of the log that are none of them, by why.
    """

    rows: tuple[Row, ...]
    left_out: Mapping[str, int]


def find_kept(table: pa.Table, erased: Container[str]) -> KeptAnswers:
    """Return the answers that callers got, whose speakers are named and let the sound be kept.

    Args:
        table: Rows of an interval, with `COLUMNS`, by time.
        erased: Speakers who were.
    """
    left_out: dict[str, int] = {}
    keys = [one for one in pc.unique(table["speaker_key"]).to_pylist() if one is not None]
    newest = max(map(key_version, keys), default=0)
    older = [one for one in keys if key_version(one) < newest]
    kept = pa.array([True] * len(table), pa.bool_())
    for why, is_kept in (
        (SHADOW, pc.invert(table["is_shadow"])),
        (FAILED, pc.and_(pc.equal(table["status"], ANSWERED), pc.is_valid(table["answer"]))),
        (NO_CONSENT, table["consent"]),
        (NO_SPEAKER, pc.is_valid(table["speaker"])),
        (OLD_PSEUDONYM, pc.invert(pc.is_in(table["speaker_key"], pa.array(older, pa.string())))),
    ):
        rest = pc.and_(kept, pc.fill_null(is_kept, False))
        left_out[why] = _count(kept) - _count(rest)
        kept = rest
    rows = _drop_repeated(table.filter(kept).to_pylist(), erased, left_out)
    return KeptAnswers(tuple(rows), {why: count for why, count in left_out.items() if count})


def read_sounds(place: Path, family: str, rows: Iterable[Row]) -> Iterator[tuple[Row, bytes | None]]:
    """Yield each answer with its sound, FLAC, hour by hour; None where none was kept.

    Args:
        place: Folder of the log.
        family: Whose.
        rows: Of `KeptAnswers`, by time.
    """
    hours: dict[datetime, list[Row]] = {}
    for row in rows:
        hours.setdefault(row["at"].astimezone(UTC).replace(minute=0, second=0, microsecond=0), []).append(row)
    for hour, some in sorted(hours.items()):
        names = ["request_id", "is_shadow", "audio"]
        window = read_window(
            place, family, hour, hour + HOUR, columns=names, requests={row["request_id"] for row in some}
        )
        sounds = {
            one["request_id"]: one["audio"]
            for one in window.table.to_pylist()
            if one["audio"] is not None and not one["is_shadow"]
        }
        for row in some:
            yield row, sounds.get(row["request_id"])


def _count(mask: Any) -> int:
    return int(pc.sum(mask).as_py() or 0)


def _drop_repeated(rows: list[Row], erased: Container[str], left_out: dict[str, int]) -> list[Row]:
    """Return the rows that are there once, of speakers who are not erased, and count the others."""
    by_request: dict[str, list[Row]] = {}
    for row in rows:
        by_request.setdefault(row["request_id"], []).append(row)
    kept = []
    for request, some in by_request.items():
        if not REQUEST.fullmatch(request):
            why, out = STRANGE, len(some)
        elif some[0]["speaker"] in erased:
            why, out = ERASED, len(some)
        elif any(row != some[0] for row in some):
            why, out = TWICE, len(some)
        else:
            why, out = AGAIN, len(some) - 1
            kept.append(some[0])
        left_out[why] = left_out.get(why, 0) + out
    return kept
