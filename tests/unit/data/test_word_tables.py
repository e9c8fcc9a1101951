"""Words as numbers: what is counted, what is not told, and that order changes nothing."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from voxloop.config import find_config, load_config
from voxloop.data.word_tables import (
    COUNTS,
    SHARES,
    SPEAKER_WORDS,
    UTTERANCE_WORDS,
    WordLists,
    WordsConfig,
    count_words,
    describe_words,
    follow_words,
)

START = datetime(2026, 1, 5, 8, tzinfo=UTC)
CONFIG = load_config(WordsConfig, find_config("features", "words"))


def said(text: str | None, *, name: str = "u", minutes: int = 0, language: str | None = "en") -> dict[str, Any]:
    moment = START + timedelta(minutes=minutes)
    return {
        "utterance_id": name,
        "speaker_id": "s1",
        "recorded_at": moment,
        "language": language,
        "text": text,
        "duration_s": 2.0,
    }


def describe(text: str, language: str | None = "en", duration_s: float | None = 2.0) -> dict[str, float | None]:
    return describe_words(text, language=language, duration_s=duration_s, config=CONFIG)


def test_a_sentence_is_counted() -> None:
    assert describe("Um, I don't know: uh, my dog knows my name.") == {
        "tokens": 10,
        "characters": 29,
        "fillers": 2,
        "distinct_share": 0.9,
        "mean_word_length": 2.9,
        "filler_share": 0.2,
        "first_person_share": 0.3,
        "negation_share": 0.1,
        "question": 0.0,
        "words_per_second": 5.0,
        "characters_per_second": 14.5,
    }


@pytest.mark.parametrize(
    ("text", "language", "asks"),
    [
        ("You saw it?", "en", 1.0),
        ("what did you see", "en", 1.0),
        ("I saw what you did", "en", 0.0),
        ("Czy to prawda", "pl", 1.0),
        ("Wo ist er? »", "de", 1.0),
        ("Ça va ?", "fr", 1.0),
        ("ça va", "fr", None),
        ("", "en", 0.0),
    ],
)
def test_questions(text: str, language: str, asks: float | None) -> None:
    assert describe(text, language)["question"] == asks


def test_of_a_language_without_lists_only_what_needs_none_is_told() -> None:
    told = describe("je ne sais pas", "fr")
    assert {name for name, value in told.items() if value is None} == {
        "fillers",
        "filler_share",
        "first_person_share",
        "negation_share",
        "question",
    }
    assert describe("I know", "en-GB") == describe("I know", "en")


def test_without_sound_there_is_no_rate_and_without_words_no_share() -> None:
    silent = describe("I know", duration_s=None)
    assert (silent["words_per_second"], silent["tokens"]) == (None, 2.0)
    empty = describe(" … ")
    assert (empty["tokens"], empty["mean_word_length"], empty["distinct_share"]) == (0.0, None, None)


def test_both_apostrophes_are_one() -> None:
    book = "\N{RIGHT SINGLE QUOTATION MARK}"
    assert describe(f"I{book}m sure I don{book}t") == describe("I'm sure I don't")


def test_rows_without_a_text_are_left_out_and_the_rest_sorted() -> None:
    table = count_words([said("one", name="b"), said(None, name="x"), said("two", name="a")], CONFIG)
    assert table.schema.equals(UTTERANCE_WORDS)
    assert table["utterance_id"].to_pylist() == ["a", "b"]
    later = START + timedelta(days=3)
    assert count_words([said("one")], CONFIG, known_at=later)["created"].to_pylist() == [later]


def test_a_speaker_is_followed_and_what_was_never_known_stays_null() -> None:
    rows = [
        said("je sais", name="a", minutes=0, language="fr"),
        said("um I know", name="b", minutes=1),
        said("um uh no no", name="c", minutes=2),
    ]
    table = follow_words(count_words(rows, CONFIG))
    assert table.schema.equals(SPEAKER_WORDS)
    assert table["utterances"].to_pylist() == [1, 2, 3]
    assert table["tokens"].to_pylist() == [2.0, 5.0, 9.0]
    assert table["fillers"].to_pylist() == [None, 1.0, 3.0]
    assert table["filler_share"].to_pylist() == pytest.approx([None, 1 / 3, (1 / 3 + 1 / 2) / 2])


TEXTS = st.lists(st.tuples(st.text("aI umnot?' ", max_size=12), st.integers(0, 3)), min_size=1, max_size=8)


@settings(max_examples=30, deadline=None)
@given(drawn=TEXTS, draw=st.data())
def test_neither_order_nor_the_future_changes_a_row(drawn: list[tuple[str, int]], draw: st.DataObject) -> None:
    rows = [said(text, name=f"u{index}", minutes=minutes) for index, (text, minutes) in enumerate(drawn)]
    whole = follow_words(count_words(rows, CONFIG)).to_pylist()
    assert follow_words(count_words(draw.draw(st.permutations(rows)), CONFIG)).to_pylist() == whole
    noon = START + timedelta(minutes=1)
    past = [row for row in rows if row["recorded_at"] <= noon]
    if past:
        told = follow_words(count_words(past, CONFIG)).to_pylist()
        assert told == [row for row in whole if row["event_timestamp"] <= noon]


@given(text=st.text(max_size=60), language=st.sampled_from(["en", "pl", "de", "xx", None]))
def test_every_text_has_every_number_in_its_range(text: str, language: str | None) -> None:
    told = describe(text, language)
    assert set(told) == {*COUNTS, *SHARES}
    shares = [value for name, value in told.items() if name.endswith("_share") and value is not None]
    assert all(0 <= share <= 1 for share in shares)
    assert (told["tokens"] or 0) <= (told["characters"] or 0)


def test_a_list_holds_single_words_in_lower_case() -> None:
    for wrong in ("you know", "Um", ""):
        with pytest.raises(ValidationError, match="is not one word in lower case"):
            WordLists(fillers=(wrong,), first_person=(), negations=(), questions=())
