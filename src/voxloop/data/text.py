"""One spelling for one word: what is done to every text before it is kept, and what makes a text unusable.

Nothing here changes what was said. Numbers stay digits: spelling them out is guessing (1990 is a year or a sum, Polish
numerals have cases), a wrong guess is a wrong label, and the libraries that do are LGPL (num2words) or English alone.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from typing import Literal

NORMALISER_VERSION = "1"
"""Changes whenever any text may come out differently."""

DigitPolicy = Literal["ascii", "keep"]

DIGITS: Mapping[str, DigitPolicy] = {"ar": "keep", "fa": "keep", "ur": "keep", "hi": "keep", "bn": "keep", "my": "keep"}
"""What becomes of decimal digits of another script: `ascii` makes them 0 to 9, which is what languages not named here
get; `keep` leaves them in languages that write with their own."""

_APOSTROPHES = "\u2018\u2019\u201a\u201b\u02bc\u00b4\u0060\u2032\uff07"
_QUOTES = "\u201c\u201d\u201e\u201f\u00ab\u00bb\u2033\u301d\u301e\uff02"
_DASHES = "\u2010\u2011\u2012\u2013\u2014\u2015\u2212\ufe58\ufe63\uff0d"
_INVISIBLE = "\u00ad\u200b\u2060\ufeff\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
"""Soft hyphen, zero-width space, word joiner, byte order mark, direction marks. The joiners U+200C and U+200D stay: in
Persian and in Indic scripts they tell words apart."""

_UNIFIED = {
    **dict.fromkeys(map(ord, _APOSTROPHES), "'"),
    **dict.fromkeys(map(ord, _QUOTES), '"'),
    **dict.fromkeys(map(ord, _DASHES), "-"),
    **dict.fromkeys(map(ord, _INVISIBLE), ""),
}
_DOTLESS = {ord("I"): "\u0131", ord("\u0130"): "i"}
_TURKIC = frozenset({"tr", "az"})
_SPACES = re.compile(r"\s+")


def normalise_text(text: str, language: str | None) -> str:
    """Return the one spelling of a text: NFC, lower case, plain apostrophes, quotes, dashes and spaces.

    Doing it twice changes nothing. Punctuation stays: a task that does without it drops it itself.

    Args:
        text: As the corpus spells it.
        language: ISO 639 code, with or without a region; None when it is not known.
    """
    base = (language or "").partition("-")[0].lower()
    unified = unicodedata.normalize("NFC", text).translate(_UNIFIED)
    if DIGITS.get(base, "ascii") == "ascii":
        unified = _write_ascii_digits(unified)
    if base in _TURKIC:
        unified = unified.translate(_DOTLESS)
    lowered = unicodedata.normalize("NFC", unicodedata.normalize("NFC", unified).lower())
    return _SPACES.sub(" ", lowered).strip()


def find_fault(text: str) -> tuple[str, str] | None:
    """Return the reason and the detail why no text like this may be kept; None for a sound one.

    `control characters` are those that are no white space; `broken text` holds half a character or the mark of a
    decoder that gave up (U+FFFD): it was read in another encoding than it was written in.
    """
    for place, letter in enumerate(text):
        kind = unicodedata.category(letter)
        found = f"U+{ord(letter):04X} at character {place + 1}"
        if kind == "Cc" and not letter.isspace():
            return "control characters", found
        if kind == "Cs" or letter == "\ufffd" or ord(letter) & 0xFFFE == 0xFFFE:
            return "broken text", found
    return None


def _write_ascii_digits(text: str) -> str:
    if text.isascii():
        return text
    return "".join(str(unicodedata.decimal(letter)) if letter.isdecimal() else letter for letter in text)
