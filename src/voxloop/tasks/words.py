"""Words as numbers: a vocabulary learnt of training texts, and a text as the numbers of its words."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from functools import cached_property
from itertools import pairwise

import numpy as np
import numpy.typing as npt
from pydantic import Field

from voxloop.config import StrictModel
from voxloop.data.text import normalise_text

WORD = re.compile(r"[^\W_]+(?:['-][^\W_]+)*")
"""Letters and digits of any script, with apostrophes and hyphens inside."""


class VocabularyConfig(StrictModel):
    """Which words are known."""

    most: int = Field(default=20_000, ge=1)
    """Words kept: those that most people say."""
    speakers: int = Field(default=2, ge=1)
    """People who must have said a word: one that a single person said tells of nobody else, and may name somebody."""
    pairs: bool = False
    """Whether two neighbouring words count as a word as well."""
    longest: int = Field(default=20_000, ge=1)
    """Words of a text that are read; what is behind them is cut off."""


class Vocabulary(StrictModel):
    """Words in the order of their numbers, which begin at 1, and the weight of each."""

    words: tuple[str, ...]
    weights: tuple[float, ...]
    """Inverse document frequency, log((1 + texts) / (1 + texts with the word)) + 1.

    K. Spärck Jones, "A statistical interpretation of term specificity", J. Documentation 28(1), 1972, smoothed as
    scikit-learn does."""
    pairs: bool
    longest: int

    @cached_property
    def numbers(self) -> Mapping[str, int]:
        """Number of each word."""
        return {word: number for number, word in enumerate(self.words, start=1)}

    def read(self, text: str | None, language: str | None) -> npt.NDArray[np.int64]:
        """Return the numbers of the known words of a text, int64 [1 or more]: a single 0 where there is none."""
        said = split_words(text, language, pairs=self.pairs)
        known = [self.numbers[word] for word in said if word in self.numbers][: self.longest]
        return np.array(known or [0], dtype=np.int64)


def split_words(text: str | None, language: str | None, *, pairs: bool = False) -> list[str]:
    """Return the words of a text in their normal spelling, whatever the language; behind them the pairs."""
    single = WORD.findall(normalise_text(text or "", language))
    return [*single, *map(" ".join, pairwise(single))] if pairs else single


def learn_vocabulary(texts: Iterable[tuple[str, str | None, str | None]], config: VocabularyConfig) -> Vocabulary:
    """Return the vocabulary of some texts.

    Args:
        texts: Speaker, text and language of each utterance; a missing text counts for nothing.
        config: Which words to keep.
    """
    found: Counter[str] = Counter()
    speakers: dict[str, set[str]] = {}
    count = 0
    for speaker, text, language in texts:
        words = set(split_words(text, language, pairs=config.pairs))
        count += bool(words)
        found.update(words)
        for word in words:
            speakers.setdefault(word, set()).add(speaker)
    usable = [word for word in found if len(speakers[word]) >= config.speakers]
    kept = sorted(usable, key=lambda word: (-len(speakers[word]), -found[word], word))[: config.most]
    weights = [math.log((1 + count) / (1 + found[word])) + 1.0 for word in kept]
    return Vocabulary(words=tuple(kept), weights=tuple(weights), pairs=config.pairs, longest=config.longest)
