from __future__ import annotations

import sys
import unicodedata

import pytest
from hypothesis import example, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from voxloop.data.text import DIGITS, NORMALISER_VERSION, find_fault, normalise_text

LANGUAGES = (None, "en", "en-US", "pl", "de", "el", "tr", "az", "lt", "mdw", "und", *sorted(DIGITS))
MBOSHI = " abdefghiklmnoprstuvwyzáéíóúέεωώ"
"""The 32 symbols of the Mboshi transcripts, as counted over all 5,130 of them."""

any_text = st.text(st.characters(), max_size=40)


@hypothesis_settings(max_examples=500, deadline=None)
@given(text=any_text, language=st.sampled_from(LANGUAGES))
@example(text="İI\u0307", language="tr")
@example(text="ΑΣ ΣΑΣ'", language="el")
@example(text="A\u200b\u0301", language=None)
@example(text="\u00ad \u200b a", language="en")
def test_twice_is_once(text: str, language: str | None) -> None:
    once = normalise_text(text, language)
    assert normalise_text(once, language) == once
    assert once == once.strip()
    assert "  " not in once
    assert unicodedata.is_normalized("NFC", once)


@given(text=any_text, language=st.sampled_from(LANGUAGES))
def test_spellings_that_look_alike_become_one(text: str, language: str | None) -> None:
    wanted = normalise_text(text, language)
    for form in ("NFC", "NFD"):
        assert normalise_text(unicodedata.normalize(form, text), language) == wanted
    assert normalise_text(f" \t{text}\n\u00a0", language) == wanted


def test_every_assigned_character_settles_in_one_step() -> None:
    unchanged = {"Cn", "Co", "Cs", "Lo"}  # no case, and NFC is what hypothesis looks at
    letters = [chr(code) for code in range(sys.maxunicode) if unicodedata.category(chr(code)) not in unchanged]
    assert len(letters) > 10_000
    for letter in letters:
        for language in ("en", "tr", "ar"):
            once = normalise_text(f"x{letter}I y", language)
            assert normalise_text(once, language) == once, hex(ord(letter))


@pytest.mark.parametrize(
    ("text", "language", "wanted"),
    [
        ("Don’t  STOP", "en", "don't stop"),  # noqa: RUF001
        ("„Tak” – rzekł", "pl", '"tak" - rzekł'),  # noqa: RUF001
        ("Zażo\u0301łc\u0301", "pl", "zażółć"),
        ("IĞDIR İzmir", "tr", "ığdır izmir"),  # noqa: RUF001
        ("IGDIR", "en", "igdir"),
        ("Straße", "de", "straße"),
        ("ΟΔΟΣ", "el", "οδος"),
        ("room \uff11\uff12", "ja", "room 12"),
        ("\u0663 كتب", "ar", "\u0663 كتب"),
        ("\u0663 kutub", "en", "3 kutub"),
        ("1990", "en", "1990"),
        ("zero\u200bwidth \ufeffmark", "en", "zerowidth mark"),
        ("می\u200cخواهم", "fa", "می\u200cخواهم"),  # noqa: RUF001
        (" ", "en", ""),
    ],
)
def test_what_comes_out(text: str, language: str, wanted: str) -> None:
    assert normalise_text(text, language) == unicodedata.normalize("NFC", wanted)


def test_the_symbols_of_mboshi_survive() -> None:
    for letter in MBOSHI:
        assert normalise_text(f"a{letter}a", "mdw") == f"a{letter}a"
    assert len(set(MBOSHI)) == len(MBOSHI) == 32


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("a\x07b", "control characters"),
        ("a\x00", "control characters"),
        ("a\x85b\x9f", "control characters"),
        ("caf\ufffd", "broken text"),
        ("a\ud83d", "broken text"),
        ("\ufffe", "broken text"),
    ],
)
def test_what_no_text_may_hold_is_named_with_its_place(text: str, reason: str) -> None:
    fault = find_fault(text)
    assert fault is not None
    assert fault[0] == reason
    assert fault[1].startswith("U+")


@given(st.text(st.characters(exclude_categories=["Cc", "Cs"], exclude_characters="\ufffd"), max_size=30))
def test_sound_text_has_no_fault(text: str) -> None:
    if not any(ord(letter) & 0xFFFE == 0xFFFE for letter in text):
        assert find_fault(f"{text}\t\n") is None


def test_the_version_is_told() -> None:
    assert NORMALISER_VERSION
