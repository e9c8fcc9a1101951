"""Words as tables for the feature store: a row an utterance, and a running row a speaker.

Only counts and shares are kept, never a word: the tables hold nothing that could be read back.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

import pyarrow as pa
from pydantic import field_validator

from voxloop.config import StrictModel
from voxloop.data.prosody_tables import MOMENT
from voxloop.data.running_means import follow_means

TOKEN = re.compile(r"[^\W_]+(?:['-][^\W_]+)*")
BOOK_APOSTROPHE = "\N{RIGHT SINGLE QUOTATION MARK}"

COUNTS = {
    "tokens": "Words",
    "characters": "Letters and digits of the words",
    "fillers": "Words that fill a pause, such as um; null for a language without a list",
}
SHARES = {
    "distinct_share": "Distinct words of all words",
    "mean_word_length": "Characters a word",
    "filler_share": "Fillers of all words; null for a language without a list",
    "first_person_share": "Words for oneself (I, my, we) of all words; null for a language without a list",
    "negation_share": "Words that deny of all words; null for a language without a list",
    "question": "1 when it asks: a question mark at the end, or a word that asks at the beginning",
    "words_per_second": "Words a second of sound; null without sound",
    "characters_per_second": "Characters a second of sound; null without sound",
}
"""Of a speaker: the running means. Counts are added up."""


class WordLists(StrictModel):
    """What to look for in one language; each is one word in lower case."""

    fillers: tuple[str, ...]
    first_person: tuple[str, ...]
    negations: tuple[str, ...]
    questions: tuple[str, ...]

    @field_validator("*")
    @classmethod
    def _single_words(cls, words: tuple[str, ...]) -> tuple[str, ...]:
        if wrong := [word for word in words if not TOKEN.fullmatch(word) or word != word.casefold()]:
            raise ValueError(f"{wrong[0]!r} is not one word in lower case")
        return words


class WordsConfig(StrictModel):
    """Word lists by language, as ISO 639-1 names it."""

    languages: dict[str, WordLists]


def _schema(key: str, *others: pa.Field) -> pa.Schema:
    keys = [pa.field(key, pa.string(), nullable=False), *others]
    times = [pa.field(name, MOMENT, nullable=False) for name in ("event_timestamp", "created")]
    numbers = [pa.field(name, pa.float64()) for name in (*COUNTS, *SHARES)]
    return pa.schema([*keys, *times, *numbers])


UTTERANCE_WORDS = _schema("utterance_id", pa.field("speaker_id", pa.string(), nullable=False))
"""One row an utterance that has a text, sorted by its id. `event_timestamp` is `recorded_at`."""

SPEAKER_WORDS = _schema("speaker_id", pa.field("utterances", pa.int64(), nullable=False))
"""One row a speaker and moment of recording: sums and means over all their texts until then."""


def count_words(rows: Iterable[Mapping[str, Any]], config: WordsConfig, known_at: datetime | None = None) -> pa.Table:
    """Count the words of every utterance that has a text.

    Args:
        rows: With `utterance_id`, `speaker_id`, `recorded_at`, `language`, `text` and `duration_s`, as the manifest.
        config: Word lists by language; of another language only what needs no list is told.
        known_at: Since when the numbers are known; None: since each utterance was recorded.

    Returns:
        A table of `UTTERANCE_WORDS`.
    """
    counted = [_utterance_row(row, config, known_at) for row in rows if row["text"] is not None]
    counted.sort(key=lambda row: str(row["utterance_id"]))
    return pa.Table.from_pylist(counted, schema=UTTERANCE_WORDS)


def follow_words(utterances: pa.Table) -> pa.Table:
    """Return the running words of each speaker: a table of `SPEAKER_WORDS` from one of `UTTERANCE_WORDS`."""
    return follow_means(utterances, SPEAKER_WORDS, averaged=tuple(SHARES), summed=tuple(COUNTS))


def describe_words(
    text: str, *, language: str | None, duration_s: float | None, config: WordsConfig
) -> dict[str, float | None]:
    """Return the counts and shares of one text, by the names of `COUNTS` and `SHARES`; null where nothing is to tell.

    Production calls it with what the recogniser heard, so that a feature means the same there and here.
    """
    tokens = TOKEN.findall(text.casefold().replace(BOOK_APOSTROPHE, "'"))
    lists = config.languages.get((language or "").partition("-")[0].casefold())
    characters = sum(character.isalnum() for token in tokens for character in token)
    fillers = None if lists is None else _count(tokens, lists.fillers)
    return {
        "tokens": float(len(tokens)),
        "characters": float(characters),
        "fillers": fillers,
        "distinct_share": _share(float(len(set(tokens))), tokens),
        "mean_word_length": _share(float(characters), tokens),
        "filler_share": _share(fillers, tokens),
        "first_person_share": _share(None if lists is None else _count(tokens, lists.first_person), tokens),
        "negation_share": _share(None if lists is None else _count(tokens, lists.negations), tokens),
        "question": _asks(text, tokens, lists),
        "words_per_second": len(tokens) / duration_s if duration_s else None,
        "characters_per_second": characters / duration_s if duration_s else None,
    }


def _utterance_row(row: Mapping[str, Any], config: WordsConfig, known_at: datetime | None) -> dict[str, Any]:
    recorded: datetime = row["recorded_at"]
    return {
        "utterance_id": row["utterance_id"],
        "speaker_id": row["speaker_id"],
        "event_timestamp": recorded,
        "created": max(recorded, known_at or recorded),
        **describe_words(row["text"], language=row["language"], duration_s=row["duration_s"], config=config),
    }


def _count(tokens: Sequence[str], words: Sequence[str]) -> float:
    return float(sum(token in words for token in tokens))


def _share(count: float | None, tokens: Sequence[str]) -> float | None:
    return None if count is None or not tokens else count / len(tokens)


def _asks(text: str, tokens: Sequence[str], lists: WordLists | None) -> float | None:
    """A mark decides; a normaliser may have taken it away, so a first word that asks does as well."""
    if text.rstrip(" \"'»”)").endswith("?"):
        return 1.0
    return None if lists is None else float(tokens[:1] != [] and tokens[0] in lists.questions)
