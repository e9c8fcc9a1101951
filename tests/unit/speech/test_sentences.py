from __future__ import annotations

from itertools import chain

import numpy as np
import pytest

from voxloop.speech.sentences import NEW_WORDS, count_sentences, draw_sentence, list_words, use_new_word
from voxloop.speech.trait_phrases import CLOSINGS, OPENINGS


def test_the_grammar_makes_thousands_of_distinct_sentences() -> None:
    draw = np.random.default_rng(1)
    drawn = {str(draw_sentence(draw)) for _ in range(4_000)}
    assert count_sentences() >= 5_000
    assert len(drawn) > 3_000
    assert all(sentence[0].isupper() and sentence.endswith(".") for sentence in drawn)


def test_a_seed_gives_the_same_sentences() -> None:
    one, other = (np.random.default_rng(7) for _ in range(2))
    assert [draw_sentence(one) for _ in range(20)] == [draw_sentence(other) for _ in range(20)]


def test_the_words_are_all_that_is_ever_said() -> None:
    draw = np.random.default_rng(2)
    said = {word for _ in range(3_000) for word in str(draw_sentence(draw)).rstrip(".").lower().split()}
    assert said == list_words()


def test_new_words_are_said_neither_by_the_grammar_nor_by_anybody_s_traits() -> None:
    phrases = chain.from_iterable((*one.high, *one.low) for one in (*OPENINGS.values(), *CLOSINGS.values()))
    habits = {word.strip("!").lower() for phrase in phrases for word in phrase.split()}
    assert not set(NEW_WORDS) & (list_words() | habits)
    assert len(set(NEW_WORDS)) == len(NEW_WORDS) >= 20


@pytest.mark.parametrize("seed", range(5))
def test_a_new_word_takes_the_place_of_what_the_sentence_is_about(seed: int) -> None:
    sentence = draw_sentence(np.random.default_rng(seed))
    changed = use_new_word(sentence, "drone")
    assert (changed.subject, changed.place, changed.time) == (sentence.subject, sentence.place, sentence.time)
    assert changed.action.split() == [sentence.action.split()[0], "the", "drone"]
