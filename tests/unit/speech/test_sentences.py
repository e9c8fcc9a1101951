from __future__ import annotations

import numpy as np

from voxloop.speech.sentences import count_sentences, draw_sentence


def test_the_grammar_makes_thousands_of_distinct_sentences() -> None:
    draw = np.random.default_rng(1)
    drawn = {draw_sentence(draw) for _ in range(4_000)}
    assert count_sentences() >= 5_000
    assert len(drawn) > 3_000
    assert all(sentence[0].isupper() and sentence.endswith(".") for sentence in drawn)


def test_a_seed_gives_the_same_sentences() -> None:
    one, other = (np.random.default_rng(7) for _ in range(2))
    assert [draw_sentence(one) for _ in range(20)] == [draw_sentence(other) for _ in range(20)]
