"""Which emotions a speaker has shown so far, labelled by people or predicted by a model, as a table for Feast.

One function, `add_emotion`, moves the history by one utterance. The table of a dataset is made with it and production
calls it for every prediction, so that a history means the same offline and online.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any

import pyarrow as pa

from voxloop.data.prosody_tables import MOMENT

EMOTIONS = ("anger", "boredom", "calm", "disgust", "fear", "happiness", "neutral", "sadness", "surprise")
OTHER = "other"
COUNTED = (*EMOTIONS, OTHER)
"""What is counted; a label that is none of `EMOTIONS` counts as other."""
AFTER = timedelta(microseconds=1)
History = dict[str, Any]

SPEAKER_EMOTIONS = pa.schema(
    [
        pa.field("speaker_id", pa.string(), nullable=False),
        pa.field("event_timestamp", MOMENT, nullable=False),
        pa.field("created", MOMENT, nullable=False),
        pa.field("utterances", pa.int64(), nullable=False),
        pa.field("predicted", pa.int64(), nullable=False),
        *(pa.field(f"{emotion}_count", pa.int64(), nullable=False) for emotion in COUNTED),
        *(pa.field(f"{emotion}_share", pa.float64()) for emotion in COUNTED),
        pa.field("last_emotion", pa.string()),
        pa.field("seconds_since_previous", pa.float64()),
    ]
)
"""One row a speaker and moment: `utterances` with an emotion so far, `predicted` of them by a model, the counts and
shares of each emotion, the last one, and the seconds between the last two moments (null at the first).

A moment is 1 µs after the utterance ended: whoever asks at or during an utterance what was known before it is never
told the label of that utterance itself."""


def follow_emotions(
    rows: Iterable[Mapping[str, Any]], known_at: datetime | None = None, *, predicted: bool = False
) -> pa.Table:
    """Return the history of every speaker of whom an utterance is labelled.

    Utterances that end at the same moment count together, in the order of their ids.

    Args:
        rows: With `utterance_id`, `speaker_id`, `recorded_at`, `duration_s` and `emotion`, as the manifest.
        known_at: Since when the labels are known; None: since each utterance ended.
        predicted: A model said them, not a person.

    Returns:
        A table of `SPEAKER_EMOTIONS`, sorted by speaker and time.
    """
    labelled = [row for row in rows if row["emotion"] is not None]
    labelled.sort(key=lambda row: (row["speaker_id"], moment_of(row), row["utterance_id"]))
    latest: dict[tuple[str, datetime], History] = {}
    before: History | None = None
    for row in labelled:
        of_speaker = before if before is not None and before["speaker_id"] == row["speaker_id"] else None
        moment = moment_of(row)
        known = max(moment, known_at or moment)
        before = add_emotion(
            of_speaker, row["speaker_id"], row["emotion"], moment=moment, known_at=known, predicted=predicted
        )
        latest[before["speaker_id"], before["event_timestamp"]] = before
    return pa.Table.from_pylist(list(latest.values()), schema=SPEAKER_EMOTIONS)


def moment_of(row: Mapping[str, Any]) -> datetime:
    """Return the moment from which the emotion of an utterance may be known: `AFTER` its end."""
    ended: datetime = row["recorded_at"] + timedelta(seconds=row["duration_s"] or 0.0)
    return ended + AFTER


def add_emotion(
    before: Mapping[str, Any] | None,
    speaker_id: str,
    emotion: str,
    *,
    moment: datetime,
    known_at: datetime,
    predicted: bool = False,
) -> History:
    """Return the history of a speaker after one more utterance.

    Args:
        before: The row of `SPEAKER_EMOTIONS` before it; None for the first.
        speaker_id: Whose.
        emotion: The label.
        moment: From `moment_of`; one that lies before the last is counted at the last: the past stays as it was told.
        known_at: Since when the label is known.
        predicted: A model said it, not a person.
    """
    past = before or {"utterances": 0, "predicted": 0}
    last: datetime | None = past.get("event_timestamp")
    at = moment if last is None else max(moment, last)
    counted = emotion if emotion in EMOTIONS else OTHER
    utterances = past["utterances"] + 1
    counts = {name: past.get(f"{name}_count", 0) + (name == counted) for name in COUNTED}
    return {
        "speaker_id": speaker_id,
        "event_timestamp": at,
        "created": max(at, known_at, past.get("created", known_at)),
        "utterances": utterances,
        "predicted": past["predicted"] + predicted,
        **{f"{name}_count": count for name, count in counts.items()},
        **{f"{name}_share": count / utterances for name, count in counts.items()},
        "last_emotion": emotion,
        "seconds_since_previous": _gap(past, last, at),
    }


def _gap(past: Mapping[str, Any], last: datetime | None, at: datetime) -> float | None:
    if last is None or at == last:
        gap: float | None = past.get("seconds_since_previous")
        return gap
    return (at - last).total_seconds()
