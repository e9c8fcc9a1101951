"""What is wrong with a text, by its characters: hidden ones, look-alikes, other scripts, another normal form."""

from __future__ import annotations

import re
import unicodedata

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from voxloop.adapters.validation_suite import TextConfig
from voxloop.data.text import normalise_text

SOUND = "none"
_HIDDEN = (
    r"[\p{Cc}\p{Co}\p{Zl}\p{Zp}\x{00AD}\x{200B}\x{200E}\x{200F}\x{202A}-\x{202E}\x{2060}-\x{206F}\x{FEFF}"
    r"\x{FFF9}-\x{FFFD}]"
)
"""Control, private and format characters, and the mark of a decoder that gave up. The joiners U+200C and U+200D tell
Persian and Indic words apart: they are hidden only among Latin letters."""
_LATIN, _OTHER = r"\p{Latin}", r"[\p{Cyrillic}\p{Greek}\p{Armenian}\p{Cherokee}\p{Coptic}\x{200C}\x{200D}]"
"""Scripts whose letters look like Latin ones, and the joiners."""
_ASCII_SPELLED_ANEW = r"[A-Z`\t\n\v\f\r]|  |\A | \z"
"""What `normalise_text` changes in a text of ASCII."""


def find_faults(
    text: pa.ChunkedArray, language: pa.ChunkedArray | None, config: TextConfig, *, normalised: bool = False
) -> pa.DictionaryArray:
    """Return what is wrong with each text: `none`, a fault that names the character, null for a text that is null.

    Args:
        text: Strings [n].
        language: Codes of languages [n], plain or by dictionary; None when nothing tells.
        config: The alphabets. A text whose language has none must keep to one script.
        normalised: Whether the texts are said to be what today's `normalise_text` makes of them.
    """
    faults = _Faults(text)
    faults.add(pc.equal(pc.utf8_trim_whitespace(faults.text), ""), "blank")
    faults.add_characters("hidden character", _HIDDEN, pa.scalar(value=True))
    faults.add(_find_decomposed(faults.text), "not in normal form C")
    known = pa.scalar(value=False)
    for code, letters in config.alphabets.items() if language is not None else ():
        spoken = pc.equal(language, code).fill_null(pa.scalar(value=False)).combine_chunks()
        known = pc.or_(known, spoken)
        if pc.any(spoken).as_py():
            faults.add_characters("foreign character", _outside(letters, config.marks), spoken)
    two = pc.and_(_holds(faults.text, _LATIN), _holds(faults.text, _OTHER))
    faults.add_characters("mixed scripts", _OTHER, pc.and_(two, pc.invert(known)))
    if normalised:
        faults.add(_find_unnormalised(faults.text, language), "not normalised")
    return faults.collect()


def describe_character(character: str) -> str:
    """Return a character as Unicode calls it: `U+0430 CYRILLIC SMALL LETTER A`."""
    return f"U+{ord(character):04X} {unicodedata.name(character, 'without a name')}"


class _Faults:
    """The first fault found of each text; later ones do not replace it."""

    def __init__(self, text: pa.ChunkedArray) -> None:
        whole = text.combine_chunks()
        self.text = pa.array([], type=pa.string()) if isinstance(whole, pa.ChunkedArray) else whole
        self._codes: NDArray[np.int32] = np.zeros(len(self.text), dtype=np.int32)
        self._names = [SOUND]

    def add(self, wrong: pa.Array, name: str) -> None:
        """Mark the texts where `wrong` is true."""
        self._codes[_true(wrong) & (self._codes == 0)] = self._code(name)

    def add_characters(self, name: str, pattern: str, among: pa.Array | pa.Scalar) -> None:
        """Mark the texts that hold a character of `pattern`, each with the first one it holds."""
        rows = np.flatnonzero(_true(pc.and_(_holds(self.text, pattern), among)) & (self._codes == 0))
        if not len(rows):
            return
        first = pc.extract_regex(self.text.take(pa.array(rows)), f"(?P<first>{pattern})").field("first")
        encoded = first.dictionary_encode()
        codes = [self._code(f"{name} {describe_character(one)}") for one in encoded.dictionary.to_pylist()]
        self._codes[rows] = np.array(codes, dtype=np.int32)[encoded.indices.to_numpy()]

    def collect(self) -> pa.DictionaryArray:
        """Return the fault of each text, null where the text is."""
        codes = pa.array(self._codes, mask=_true(self.text.is_null()))
        return pa.DictionaryArray.from_arrays(codes, pa.array(self._names))

    def _code(self, name: str) -> int:
        if name not in self._names:
            self._names.append(name)
        return self._names.index(name)


def _find_decomposed(text: pa.Array) -> pa.Array:
    """Return which texts are not in normal form C.

    Python's tables are asked, for texts beyond ASCII alone: `utf8_normalize` of pyarrow 25.0 decomposes even as NFC.
    """
    rows = np.flatnonzero(~_true(pc.string_is_ascii(text)) & ~_true(text.is_null()))
    wrong = np.zeros(len(text), dtype=np.bool_)
    wrong[rows] = [not unicodedata.is_normalized("NFC", one) for one in text.take(pa.array(rows)).to_pylist()]
    return pa.array(wrong)


def _find_unnormalised(text: pa.Array, language: pa.ChunkedArray | None) -> pa.Array:
    """Return which texts `normalise_text` would change; only those beyond ASCII are put to it, for it takes 5 us."""
    wrong = _true(_holds(text, _ASCII_SPELLED_ANEW))
    rows = np.flatnonzero(~_true(pc.string_is_ascii(text)) & ~_true(text.is_null()))
    codes = [None] * len(rows) if language is None else language.take(pa.array(rows)).to_pylist()
    texts = text.take(pa.array(rows)).to_pylist()
    wrong[rows] = [normalise_text(one, code) != one for one, code in zip(texts, codes, strict=True)]
    return pa.array(wrong)


def _outside(letters: str, marks: str) -> str:
    return f"[^{re.escape(letters + letters.upper() + marks)}]"


def _holds(text: pa.Array, pattern: str) -> pa.Array:
    return pc.match_substring_regex(text, pattern)


def _true(mask: pa.Array) -> NDArray[np.bool_]:
    filled = mask.fill_null(pa.scalar(value=False)).to_numpy(zero_copy_only=False)
    return np.array(filled, dtype=np.bool_)
