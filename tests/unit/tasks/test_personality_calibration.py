"""The mix of voice and words that is fitted on dev."""

from __future__ import annotations

import pytest
import torch

from voxloop.tasks.personality_calibration import FEWEST_SPEAKERS, LARGEST_SHARE, fit_scale, fit_voice_share

SPEAKERS = torch.arange(200).repeat_interleave(3)


def say(
    voice: float, words: float, *, noise: float = 1.0, seed: int = 0
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    """Return what both say of 200 speakers whose scores are a sum of the two, and the scores."""
    draw = torch.Generator().manual_seed(seed)
    heard, worded, error = (torch.randn(200, 5, generator=draw) for _ in range(3))
    scores = voice * heard + words * worded + noise * error
    heard, worded, scores = (one.repeat_interleave(3, dim=0) for one in (heard, worded, scores))
    return heard, worded, scores, torch.ones(600, 5)


@pytest.mark.parametrize(
    ("voice", "words", "share"), [(0.5, 0.5, 1.0), (0.25, 0.5, 0.5), (0.0, 0.8, 0.0), (0.6, 0.4, 1.5)]
)
def test_the_mix_is_that_of_the_scores(voice: float, words: float, share: float) -> None:
    assert fit_voice_share(*say(voice, words), SPEAKERS) == pytest.approx(share, abs=0.2)


def test_what_misleads_is_left_out_and_nothing_counts_more_than_the_limit() -> None:
    assert fit_voice_share(*say(-0.5, 0.8), SPEAKERS) == 0.0
    assert fit_voice_share(*say(0.8, 0.1, noise=0.1), SPEAKERS) == LARGEST_SHARE


def test_few_scores_leave_the_mix_as_trained() -> None:
    voice, words, scores, known = say(0.0, 0.8)
    known = known * (SPEAKERS < 10)[:, None] * (torch.arange(5) == 0)
    assert fit_voice_share(voice, words, scores, known, SPEAKERS) > 0.6
    few = SPEAKERS < FEWEST_SPEAKERS - 1
    assert fit_voice_share(voice[few], words[few], scores[few], known[few], SPEAKERS[few]) == 1.0


def test_words_that_say_nothing_leave_the_mix_as_trained() -> None:
    voice, words, scores, known = say(0.8, 0.0)
    assert fit_voice_share(voice, words, -scores, known, SPEAKERS) == 1.0


def test_unknown_scores_change_nothing() -> None:
    voice, words, scores, known = say(0.3, 0.6)
    known[::2, 1] = 0.0
    known[1::2, 1] = 0.0
    wrong = torch.where(known > 0, scores, 0.0)
    assert fit_voice_share(voice, words, wrong, known, SPEAKERS) == pytest.approx(0.5, abs=0.2)


def test_a_scale_is_over_speakers_not_rows() -> None:
    said = torch.randn(200, 5).repeat_interleave(3, dim=0)
    noise = torch.tensor([-1.0, 0.0, 1.0]).repeat(200)[:, None]
    torch.testing.assert_close(fit_scale(said + noise, SPEAKERS), fit_scale(said, SPEAKERS))
