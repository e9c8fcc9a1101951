from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.random import default_rng

from voxloop.data.schema import TRAITS
from voxloop.speech.sentences import draw_sentence
from voxloop.speech.speaker_traits import TraitsConfig, TraitScores, draw_traits, move_voice
from voxloop.speech.trait_phrases import CLOSINGS, OPENINGS, add_habits
from voxloop.speech.voice_style import VoiceStyle

PHRASES = {**OPENINGS, **CLOSINGS}
scores = st.builds(TraitScores, **{trait: st.floats(1, 7) for trait in TRAITS})


def test_the_traits_are_the_columns_of_a_row() -> None:
    assert tuple(TraitScores.model_fields) == TRAITS
    assert set(PHRASES) == set(TRAITS)


def test_scores_are_drawn_independently_on_their_scale() -> None:
    drawn = [draw_traits(TraitsConfig(), default_rng(seed)) for seed in range(2_000)]
    table = np.array([[score for _, score in one] for one in drawn])
    assert table.min() >= 1
    assert table.max() <= 7
    assert np.allclose(table.mean(axis=0), 4, atol=0.1)
    assert np.allclose(table.std(axis=0), 1.2, atol=0.08)
    assert np.abs(np.corrcoef(table.T) - np.eye(5)).max() < 0.08


@given(who=scores)
def test_without_strength_a_trait_moves_nothing(who: TraitScores) -> None:
    styles = {trait: VoiceStyle(level=1.0) for trait in TRAITS}
    silent = TraitsConfig.model_validate({"styles": styles})
    assert move_voice(who, silent) == VoiceStyle()
    assert not silent.are_heard
    sentence = str(draw_sentence(default_rng(1)))
    assert add_habits(sentence, who, 0.0, default_rng(2)) == sentence


def test_a_point_of_a_trait_moves_the_voice_by_its_style() -> None:
    config = TraitsConfig.model_validate({"voice": 0.5, "styles": {"extraversion": {"level": 0.6, "rate": -1.0}}})
    assert config.are_heard
    assert move_voice(TraitScores(extraversion=6.0), config) == VoiceStyle(level=0.6, rate=-1.0)
    assert move_voice(TraitScores(extraversion=3.0), config) == VoiceStyle(level=-0.3, rate=0.5)
    assert move_voice(TraitScores(neuroticism=7.0), config) == VoiceStyle()


@given(who=scores, seed=st.integers(0, 10_000), strength=st.floats(0, 3))
def test_a_coloured_sentence_still_says_what_it_said(who: TraitScores, seed: int, strength: float) -> None:
    draw = default_rng(seed)
    plain = str(draw_sentence(draw))
    said = add_habits(plain, who, strength, default_rng(seed))
    assert plain[1:-1] in said
    assert said[0].isupper()
    assert said[-1] in ".!"
    assert "!," not in said
    assert "!." not in said


@given(who=scores, other=scores, seed=st.integers(0, 10_000))
def test_as_many_numbers_are_drawn_whoever_speaks(who: TraitScores, other: TraitScores, seed: int) -> None:
    one, two = default_rng(seed), default_rng(seed)
    add_habits("The baker left.", who, 1.0, one)
    add_habits("The baker left.", other, 3.0, two)
    assert one.random() == two.random()


@pytest.mark.parametrize("trait", TRAITS)
@pytest.mark.parametrize(("score", "share"), [(7.0, 0.9), (5.0, 0.3), (4.0, 0.0), (3.0, 0.3), (1.0, 0.9)])
def test_the_further_from_the_middle_the_more_often_the_phrases_of_that_side(
    trait: str, score: float, share: float
) -> None:
    who = TraitScores.model_validate({trait: score})
    said = [add_habits("The baker left.", who, 1.0, default_rng(seed)).lower() for seed in range(600)]
    phrases = PHRASES[trait]
    ours, others = (phrases.high, phrases.low) if score > 4 else (phrases.low, phrases.high)
    left = [text.replace("the baker left", "").strip(" ,.!") for text in said]
    used = {text for text in left if text}
    assert np.mean([text != "" for text in left]) == pytest.approx(share, abs=0.06)
    assert used <= {phrase.lower().strip("!") for phrase in ours}
    assert not used & {phrase.lower().strip("!") for phrase in others}
