"""Probabilities that mean what they say: one temperature, fitted on held-out rows, and how far off they are."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional

HOTTEST = 20.0
"""Temperatures are sought from 1 / HOTTEST to HOTTEST: without an error on dev the best one would be 0."""


def fit_temperature(logits: Tensor, labels: Tensor) -> float:
    """Return the temperature that logits are to be divided by for the smallest negative log-likelihood.

    C. Guo, G. Pleiss, Y. Sun, K. Weinberger, "On calibration of modern neural networks", ICML 2017. The likelihood is
    concave in 1 / temperature, so its slope is bisected.

    Args:
        logits: float [n, labels].
        labels: int64 [n].

    Returns:
        A value between 1 / HOTTEST and HOTTEST.
    """
    logits = logits.double()
    wanted = logits.gather(1, labels[:, None])[:, 0]
    cold, hot = HOTTEST, 1.0 / HOTTEST
    for _ in range(60):
        middle = math.sqrt(cold * hot)
        # Too sure of itself: what it expects of its logits is more than what the right ones have.
        expected = ((logits * middle).softmax(dim=1) * logits).sum(dim=1)
        if float((expected - wanted).mean()) > 0.0:
            cold = middle
        else:
            hot = middle
    return float(1.0 / math.sqrt(cold * hot))


def negative_log_likelihood(logits: Tensor, labels: Tensor) -> float:
    """Mean over rows, in nats, of logits [n, labels] and labels int64 [n]."""
    return float(functional.cross_entropy(logits.double(), labels))


def expected_calibration_error(probabilities: Tensor, labels: Tensor, bins: int = 15) -> float:
    """Mean distance between confidence and share of right answers, over bins of equal width weighted by their rows.

    Source as of `fit_temperature`, equation 3.

    Args:
        probabilities: float [n, labels].
        labels: int64 [n].
        bins: How many.

    Returns:
        A value in 0 … 1; NaN for no rows.
    """
    if not len(labels):
        return float("nan")
    confidence, found = probabilities.double().max(dim=1)
    gap = (found == labels).double() - confidence
    place = (confidence * bins).long().clamp(max=bins - 1)
    return float(torch.zeros(bins, dtype=torch.float64).index_add(0, place, gap).abs().sum() / len(labels))
