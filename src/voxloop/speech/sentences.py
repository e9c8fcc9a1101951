"""Sentences that say nothing about how the speaker feels, made by a small grammar."""

from __future__ import annotations

from math import prod

from numpy.random import Generator

_SUBJECTS = (
    "The driver", "My neighbour", "The teacher", "A friend of ours", "The woman next door", "The man at the desk",
    "Her brother", "His aunt", "The new student", "The baker", "Our guide", "The old farmer",
)  # fmt: skip
_ACTIONS = (
    "put the box", "left the keys", "saw the papers", "found a letter", "kept the blue cup", "placed two chairs",
    "read the map", "moved the lamp", "set the basket", "brought the tools", "opened the book", "hung the coat",
)  # fmt: skip
_PLACES = (
    "on the table", "by the window", "near the door", "in the hall", "behind the house", "under the stairs",
    "at the station", "beside the bridge", "in the garden", "on the second floor",
)  # fmt: skip
_TIMES = (
    "this morning", "on Monday", "after lunch", "at seven", "last week", "before the meeting", "around noon",
    "yesterday", "in the evening", "an hour ago",
)  # fmt: skip
_PARTS = (_SUBJECTS, _ACTIONS, _PLACES, _TIMES)


def count_sentences() -> int:
    """Return how many distinct sentences the grammar makes."""
    return prod(len(part) for part in _PARTS)


def draw_sentence(generator: Generator) -> str:
    """Draw one sentence, each of them equally likely; it ends with a full stop, whatever the emotion."""
    return " ".join(part[int(generator.integers(len(part)))] for part in _PARTS) + "."
