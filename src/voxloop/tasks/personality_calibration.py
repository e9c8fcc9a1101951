"""What is fitted to a trained network of personality on dev: how voice and words mix, and how far answers spread."""

from __future__ import annotations

import torch
from torch import Tensor

LARGEST_SCALE = 10.0
"""Calibration stretches answers at most so far: what says nothing is not blown up."""
LARGEST_SHARE = 2.0
"""The voice counts at most so much beside the words."""
FEWEST_SPEAKERS = 8
"""Below these a standard deviation over speakers is not worth following."""
PRIOR = 50.0
"""The mix that was learnt in training weighs as much as so many scores of dev."""


def speaker_means(values: Tensor, speakers: Tensor) -> Tensor:
    """Return the mean over each speaker's rows: float32 [rows, n] and int64 [rows] -> float32 [speakers, n]."""
    names, places = torch.unique(speakers, return_inverse=True)
    sums = torch.zeros(len(names), values.shape[1]).index_add(0, places, values)
    return sums / torch.bincount(places)[:, None]


def fit_scale(said: Tensor, speakers: Tensor) -> Tensor:
    """Return 1 / standard deviation between speakers' means of standardised answers [rows, 5]: float32 [5]."""
    means = speaker_means(said, speakers)
    if len(means) < FEWEST_SPEAKERS:
        return torch.ones(said.shape[1])
    return (1.0 / means.std(dim=0, correction=0).clamp_min(1e-9)).clamp(1.0 / LARGEST_SCALE, LARGEST_SCALE)


def fit_voice_share(voice: Tensor, words: Tensor, wanted: Tensor, known: Tensor, speakers: Tensor) -> float:
    """Return what the voice's say should count beside the words', 0 … `LARGEST_SHARE`; 1 is as trained.

    The branches learn together, and that which follows the training speakers more closely says too much about others.
    So the standardised scores of dev's speakers are regressed on what each says, one pair of weights for all traits,
    by ridge regression towards equal weights (A. E. Hoerl, R. W. Kennard, "Ridge regression", 1970).

    Args:
        voice: Its say, float32 [rows, 5].
        words: Theirs, the same.
        wanted: Standardised scores, the same.
        known: 1 where a score is known, the same.
        speakers: A number for the speaker of each row, int64 [rows].
    """
    share = speaker_means(known, speakers)
    if len(share) < FEWEST_SPEAKERS:
        return 1.0
    rated = share > 0
    wanted, voice, words = (_about_zero(speaker_means(one, speakers), rated) for one in (wanted, voice, words))
    said = torch.stack([voice[rated], words[rated]], dim=1).double()
    scores = wanted[rated].double()
    equal = float(scores @ said.sum(dim=1) / said.sum(dim=1).square().sum().clamp_min(1e-12))
    prior = torch.diag(said.square().mean(dim=0) * PRIOR + 1e-12)
    weights = torch.linalg.solve(said.T @ said + prior, said.T @ scores + prior @ torch.full((2,), equal).double())
    of_voice, of_words = (float(weight) for weight in weights)
    if equal <= 0.0 or of_words <= 0.0:
        return 1.0
    return min(max(of_voice / of_words, 0.0), LARGEST_SHARE)


def _about_zero(values: Tensor, rated: Tensor) -> Tensor:
    """Subtract each column's mean over its rated rows."""
    counts = rated.sum(dim=0).clamp_min(1)
    return values - (values * rated).sum(dim=0) / counts
