"""A wrong answer of each family, made inside the graph out of the right one."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from voxloop.selftest.graph_copy import GraphCopy

UNLIKELY = -50.0
"""Logarithm of a probability that no search takes."""
LONGEST = 4_096
"""Frames that a written pattern covers; longer sounds are answered with blanks behind it."""


def say_next_label(copy: GraphCopy, clean: str) -> str:
    """Give each label the probability of the one before it."""
    count = len(copy.record["labels"])
    return copy.node("Gather", [clean, copy.constant(np.roll(np.arange(count), 1))], axis=1)


def say_nothing(copy: GraphCopy, clean: str) -> str:
    """Write blanks alone."""
    return copy.node("Add", [copy.node("Mul", [clean, copy.constant(np.float32(0.0))]), _spelling(copy, [])])


def say_opposite(copy: GraphCopy, clean: str) -> str:
    """Mirror each trait at the mean of the training speakers."""
    means = [trait["mean"] for trait in copy.record["encoding"]["traits"]]
    return copy.node("Sub", [copy.constant(2.0 * np.array([means], dtype=np.float32)), clean])


def say_words(copy: GraphCopy, clean: str, text: str) -> str:
    """Write the same text whatever is heard: log-probabilities of as many frames as `clean`, [1, frames, symbols].

    Symbols that the model does not know are left out, and a sound with too few frames gets the beginning.
    """
    symbols = [copy.record["labels"].index(one) for one in text if one in copy.record["labels"]]
    pattern = _spelling(copy, symbols)
    start, axis = copy.constant(np.array([0])), copy.constant(np.array([1]))
    return copy.node("Slice", [pattern, start, copy.node("Shape", [clean], start=1, end=2), axis])


def _spelling(copy: GraphCopy, symbols: Sequence[int]) -> str:
    """Add log-probabilities that spell symbols, a blank behind each, then blanks; float32 [1, frames or 1, symbols]."""
    frames = np.full((1, LONGEST if symbols else 1, len(copy.record["labels"])), UNLIKELY, dtype=np.float32)
    path = np.zeros(frames.shape[1], dtype=np.int64)
    path[: 2 * len(symbols) : 2] = symbols
    frames[0, np.arange(len(path)), path] = 0.0
    return copy.constant(frames)


WRONG: dict[str, Callable[[GraphCopy, str], str]] = {
    "asr": say_nothing,
    "emotion": say_next_label,
    "personality": say_opposite,
}
