"""What is wrong with a text, by its characters."""

from __future__ import annotations

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from voxloop.adapters.validation_suite import SuiteConfig
from voxloop.adapters.validation_text import find_faults
from voxloop.config import find_config, load_config
from voxloop.data.text import normalise_text

CONFIG = load_config(SuiteConfig, find_config("validation", "asr")).text


def fault_of(text: str | None, language: str | None = "en", *, normalised: bool = True) -> str | None:
    texts, languages = pa.chunked_array([[text]], pa.string()), pa.chunked_array([[language]], pa.string())
    fault: str | None = find_faults(texts, languages, CONFIG, normalised=normalised).to_pylist()[0]
    return fault


@pytest.mark.parametrize(
    ("text", "language", "fault"),
    [
        ("one, two: 3!", "en", "none"),
        ("zażółć gęślą jaźń", "pl", "none"),
        ("grüße", "de", "none"),
        ("ngá moro ωdzá", "mdw", "none"),
        ("привет мир", "ru", "none"),
        ("\u0646\u0645\u06cc\u200c\u062e\u0648\u0631\u0645", "fa", "none"),
        (None, "en", None),
        ("h\u0435llo", "en", "foreign character U+0435 CYRILLIC SMALL LETTER IE"),
        ("h\u0435llo", "xx", "mixed scripts U+0435 CYRILLIC SMALL LETTER IE"),
        ("h\u0435llo", None, "mixed scripts U+0435 CYRILLIC SMALL LETTER IE"),
        ("zero\u200bwidth", "en", "hidden character U+200B ZERO WIDTH SPACE"),
        ("join\u200cer", "xx", "mixed scripts U+200C ZERO WIDTH NON-JOINER"),
        ("bell\x07", "en", "hidden character U+0007 without a name"),
        ("cafe\u0301", "en", "not in normal form C"),
        ("caf\u00c3\u00a9", "en", "foreign character U+00C3 LATIN CAPITAL LETTER A WITH TILDE"),
        ("", "en", "blank"),
        (" \u3000", "en", "blank"),
        ("Hello", "en", "not normalised"),
        ("two  spaces", "en", "not normalised"),
        ("Żółw", "pl", "not normalised"),
    ],
)
def test_faults_are_told_by_the_character(text: str | None, language: str | None, fault: str | None) -> None:
    assert fault_of(text, language) == fault


def test_texts_of_another_normaliser_are_not_held_against_ours() -> None:
    assert fault_of("Hello", normalised=False) == "none"


@given(st.text(st.characters(codec="ascii"), max_size=20))
def test_what_the_normaliser_leaves_alone_is_normalised(text: str) -> None:
    assert (fault_of(text) == "not normalised") <= (normalise_text(text, "en") != text)
    if fault_of(text) == "none":
        assert normalise_text(text, "en") == text


def test_no_texts_and_no_languages_are_no_fault() -> None:
    assert find_faults(pa.chunked_array([], pa.string()), None, CONFIG).to_pylist() == []
    assert find_faults(pa.chunked_array([["a", None]]), None, CONFIG, normalised=True).to_pylist() == ["none", None]
