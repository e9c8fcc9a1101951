"""What was heard of a speaker in production, as the tables that `features` makes of a dataset.

The rows are made, and followed from utterance to utterance, by the functions that do it for a dataset, so that a
feature means the same there and here. No word is in them, only counts and shares.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import pyarrow as pa

from voxloop.data.emotion_history import follow_emotions
from voxloop.data.prosody_tables import UTTERANCE_PROSODY, follow_speakers, make_prosody_row
from voxloop.data.word_tables import UTTERANCE_WORDS, WordsConfig, describe_words, follow_words

STEP = timedelta(microseconds=2)
"""From one utterance of a speaker to the next at least: an emotion may be known one microsecond after its utterance."""


@dataclass(frozen=True)
class Heard:
    """One utterance, as far as it is kept.

    Args:
        utterance_id: Of the request that brought it.
        at: When it was heard to its end, aware, UTC.
        duration_s: Of its sound.
        prosody: A number for each of `MEASURES`; NaN where nothing was to be measured.
        words: As `describe_words` gives them; None where no words are known.
        emotion: The label; None where none is known.
    """

    utterance_id: str
    at: datetime
    duration_s: float
    prosody: dict[str, float]
    words: dict[str, float | None] | None
    emotion: str | None


@dataclass(frozen=True)
class Known:
    """What is known of a speaker once an utterance was pushed.

    Args:
        utterances: How many the running features are about.
        features: `<table>__<feature>` by name, finite; what is not known is not there.
    """

    utterances: int
    features: dict[str, float]


def hear(
    utterance_id: str,
    at: datetime,
    *,
    duration_s: float,
    prosody: dict[str, float],
    text: str | None,
    language: str | None,
    emotion: str | None,
    config: WordsConfig,
) -> Heard:
    """Return what is kept of an utterance; its text is counted here and not kept."""
    words = None
    if text is not None:
        words = describe_words(text, language=language, duration_s=duration_s, config=config)
    return Heard(utterance_id, at, duration_s, prosody, words, emotion)


def follow_heard(speaker: str, heard: Sequence[Heard]) -> dict[str, dict[str, Any]]:
    """Return the newest row of each table of features.

    The row of an utterance table has the speaker for its id: of each speaker the newest utterance alone is looked up,
    and a store of what is known now would else grow with every request.

    Args:
        speaker: Under which name they are kept.
        heard: Their utterances, one at least, each later than the one before.

    Returns:
        A row by table: `utterance_prosody`, `utterance_words` (nulls where the newest has no words), `speaker_prosody`,
        and where anything is known `speaker_words` and `speaker_emotions`.
    """
    known = [_describe(speaker, one) for one in heard]
    prosody = [make_prosody_row(row, one.prosody) for row, one in zip(known, heard, strict=True)]
    words = [_make_words_row(row, one.words) for row, one in zip(known, heard, strict=True) if one.words is not None]
    newest = {
        "utterance_prosody": {**prosody[-1], "utterance_id": speaker},
        "utterance_words": {**_make_words_row(known[-1], heard[-1].words), "utterance_id": speaker},
    }
    running = {
        "speaker_prosody": follow_speakers(pa.Table.from_pylist(prosody, schema=UTTERANCE_PROSODY)),
        "speaker_words": follow_words(pa.Table.from_pylist(words, schema=UTTERANCE_WORDS)),
        "speaker_emotions": follow_emotions(known, predicted=True),
    }
    return newest | {name: table.slice(table.num_rows - 1).to_pylist()[0] for name, table in running.items() if table}


def _describe(speaker: str, heard: Heard) -> dict[str, Any]:
    """Return an utterance as the functions of a dataset take it; what was heard ended at its moment."""
    return {
        "utterance_id": heard.utterance_id,
        "speaker_id": speaker,
        "recorded_at": heard.at,
        "duration_s": 0.0,
        "emotion": heard.emotion,
    }


def _make_words_row(row: dict[str, Any], words: dict[str, float | None] | None) -> dict[str, Any]:
    keys = {name: row[name] for name in ("utterance_id", "speaker_id")}
    return {**keys, "event_timestamp": row["recorded_at"], "created": row["recorded_at"], **(words or {})}
