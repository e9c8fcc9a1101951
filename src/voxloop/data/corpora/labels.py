"""What file names and tables say about an utterance, checked: a label that nobody knows refuses its file."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import TypeVar

from voxloop.config import StrictModel
from voxloop.data.corpora.reader import UnusableFileError

Meaning = TypeVar("Meaning")

_SHOWN = 12  # known labels that a message lists


class Person(StrictModel):
    """What a corpus says about one of its speakers."""

    gender: str | None = None
    age: int | None = None


def match_name(pattern: re.Pattern[str], name: str, path: str) -> re.Match[str]:
    """Match a whole file name.

    Raises:
        UnusableFileError: `unknown name`; the pattern's groups say what was expected.
    """
    match = pattern.fullmatch(name)
    if match is None:
        parts = ", ".join(pattern.groupindex) or pattern.pattern
        raise UnusableFileError(path, "unknown name", f"its name should tell {parts}")
    return match


def look_up(known: Mapping[str, Meaning], label: str, path: str, what: str) -> Meaning:
    """Return what a corpus' own label means.

    Args:
        known: The labels of the configuration.
        label: As the corpus spells it.
        path: The file it belongs to.
        what: What it is a label of, such as `emotion`.

    Raises:
        UnusableFileError: `unknown label`.
    """
    if label not in known:
        some = ", ".join(list(known)[:_SHOWN]) + (", …" if len(known) > _SHOWN else "")
        found = f"{what} {label!r} is not one of those known: {some}"
        raise UnusableFileError(path, "unknown label", found)
    return known[label]


def read_text(text: str, path: str, where: str) -> str:
    """Return a transcript without the white space around it.

    Raises:
        UnusableFileError: `no transcript`.
    """
    if not text.strip():
        raise UnusableFileError(path, "no transcript", f"it is empty in {where}")
    return text.strip()


def read_age(text: str, path: str) -> int | None:
    """Return an age in years, None for an empty field.

    Raises:
        UnusableFileError: `unknown label`.
    """
    if not text:
        return None
    if not (text.isascii() and text.isdecimal()):
        raise UnusableFileError(path, "unknown label", f"age {text!r} is no number of years")
    return int(text)


def read_number(text: str, path: str, what: str, lowest: float = -math.inf, highest: float = math.inf) -> float:
    """Return a finite number in its range.

    Raises:
        UnusableFileError: `unknown label` for what is no number, `out of range` for one that cannot be.
    """
    try:
        number = float(text)
    except ValueError:
        raise UnusableFileError(path, "unknown label", f"{what} {text!r} is no number") from None
    if not (math.isfinite(number) and lowest <= number <= highest):
        found = f"{what} is {text}, not in {lowest:g} to {highest:g}" if math.isfinite(highest) else f"{what} is {text}"
        raise UnusableFileError(path, "out of range", found)
    return number
