"""What each row adds to the sums that measures are made of: float64 [n, k], one row an utterance (or a speaker).

A row that is not known adds zeros; an answer that is not a number adds NaN, and so the measure is NaN.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Codes = npt.NDArray[np.int64]


def error_moments(errors: npt.ArrayLike, lengths: npt.ArrayLike) -> Floats:
    """Return errors and reference length of each row, float64 [n, 2], for `WER` and `CER`.

    Args:
        errors: Substitutions, deletions and insertions, [n].
        lengths: Words or characters of the reference, [n].
    """
    return np.stack([np.asarray(errors, dtype=np.float64), np.asarray(lengths, dtype=np.float64)], axis=1)


def mean_moments(values: npt.ArrayLike) -> Floats:
    """Return values [n] and a one for each, float64 [n, 2], for `MEAN`."""
    column = np.asarray(values, dtype=np.float64)
    return np.stack([column, np.ones_like(column)], axis=1)


def label_moments(references: Codes, predictions: Codes, labels: int) -> Floats:
    """Return who was asked, what was given and what was right, float64 [n, 3 labels], for `UAR`, `WA`, `MACRO_F1`.

    Args:
        references: Code of each row's label, int64 [n].
        predictions: Code of the answer; -1 for none, and for one that is no label.
        labels: How many labels there are; those that nobody says are left out of UAR.
    """
    codes = np.arange(labels)
    asked, given = references[:, None] == codes, predictions[:, None] == codes
    return np.concatenate([asked, given, asked & given], axis=1).astype(np.float64)


def agreement_moments(references: Floats, answers: Floats) -> Floats:
    """Return count, sums, squares and product of each trait, float64 [n, 6 traits], for `CCC` and `PEARSON`.

    Both are moved by the mean reference of their trait first: neither measure sees it, and squares of numbers far from
    zero would lose digits (T. F. Chan, G. H. Golub, R. J. LeVeque, "Algorithms for computing the sample variance",
    1983).

    Args:
        references: [n] or [n, traits]; NaN where it is not known.
        answers: The same shape.
    """
    wanted, found, known = _columns(references, answers)
    counts = known.sum(axis=0)
    centre = np.where(known, wanted, 0.0).sum(axis=0) / np.maximum(counts, 1)
    wanted, found = wanted - centre, found - centre
    parts = np.stack([np.ones_like(wanted), wanted, found, wanted**2, found**2, wanted * found], axis=2)
    return _flatten(parts, known)


def absolute_error_moments(references: Floats, answers: Floats, span: float = 1.0) -> Floats:
    """Return the absolute error and a one of each trait, float64 [n, 2 traits], for `MAE` and `ONE_MINUS_MAE`.

    Args:
        references: [n] or [n, traits]; NaN where it is not known.
        answers: The same shape.
        span: What an error is a share of.
    """
    wanted, found, known = _columns(references, answers)
    errors = np.abs(wanted - found) / span
    return _flatten(np.stack([errors, np.ones_like(errors)], axis=2), known)


def binary_moments(references: Floats, answers: Floats) -> Floats:
    """Return yes, yes found, no, no found of each trait, float64 [n, 4 traits], for `ACCURACY`, `BALANCED_ACCURACY`.

    Args:
        references: [n] or [n, traits]; from 0.5 on yes, NaN where it is not known.
        answers: The same shape: the probability of yes.
    """
    wanted, found, known = _columns(references, answers)
    yes = (wanted >= 0.5).astype(np.float64)
    said = np.where(np.isnan(found), np.nan, found >= 0.5)
    return _flatten(np.stack([yes, yes * said, 1 - yes, (1 - yes) * (1 - said)], axis=2), known)


def calibration_moments(confidences: Floats, correct: npt.ArrayLike, bins: int = 15) -> Floats:
    """Return a one, and right minus confident in its bin, float64 [n, 1 + bins], for `ECE`.

    Args:
        confidences: Probability of the answer that was given, in [0, 1], [n].
        correct: Whether it is right, [n].
        bins: Of equal width.
    """
    known = np.isfinite(confidences)
    places = np.clip(np.where(known, confidences, 0.0) * bins, 0, bins - 1).astype(np.int64)
    inside = places[:, None] == np.arange(bins)
    gaps = np.where(inside, (np.asarray(correct, dtype=np.float64) - confidences)[:, None], 0.0)
    return np.concatenate([np.ones((len(gaps), 1)), gaps], axis=1)


def average_speakers(references: Floats, answers: Floats, speakers: Codes) -> tuple[Floats, Floats]:
    """Return each speaker's mean reference and mean answer, float64 [speakers, traits] each, in the order of codes.

    An utterance counts for the traits whose reference it has; a speaker who has none of a trait is NaN there.
    """
    wanted, found, known = _columns(references, answers)
    counts = sum_groups(known.astype(np.float64), speakers)
    below = np.where(counts == 0, np.nan, counts)
    return (
        sum_groups(np.where(known, wanted, 0.0), speakers) / below,
        sum_groups(np.where(known, found, 0.0), speakers) / below,
    )


def stack_parts(parts: Sequence[Floats]) -> Floats:
    """Return the moments of parts of a set, [n, k] each, as one array [sum of n, parts k] for `contrast`.

    A row adds to its own part alone; the others are zeros.
    """
    heights, width = [len(part) for part in parts], sum(part.shape[1] for part in parts)
    stacked = np.zeros((sum(heights), width))
    top = left = 0
    for part in parts:
        stacked[top : top + len(part), left : left + part.shape[1]] = part
        top, left = top + len(part), left + part.shape[1]
    return stacked


def sum_groups(moments: Floats, groups: Codes) -> Floats:
    """Return the sums over the rows of each group, float64 [groups, k], in the order of their codes."""
    names, places = np.unique(groups, return_inverse=True)
    sums = np.empty((len(names), moments.shape[1]))
    for column in range(moments.shape[1]):
        sums[:, column] = np.bincount(places, weights=moments[:, column], minlength=len(names))
    return sums


def _columns(references: Floats, answers: Floats) -> tuple[Floats, Floats, npt.NDArray[np.bool_]]:
    """Return both as [n, traits], and where a reference is known."""
    wanted, found = (np.asarray(values, dtype=np.float64) for values in (references, answers))
    if wanted.shape != found.shape or wanted.ndim not in (1, 2):
        raise ValueError(f"shapes {wanted.shape} and {found.shape}: two of [n] or of [n, traits] are compared")
    if wanted.ndim == 1:
        wanted, found = wanted[:, None], found[:, None]
    numbers = np.isfinite(found) & ~np.isinf(wanted)
    return np.where(np.isinf(wanted), 0.0, wanted), np.where(numbers, found, np.nan), ~np.isnan(wanted)


def _flatten(parts: Floats, known: npt.NDArray[np.bool_]) -> Floats:
    """Return [n, traits, k] as [n, traits · k], zeros where a reference is not known."""
    kept = np.where(known[:, :, None], parts, 0.0)
    return kept.reshape(len(kept), parts.shape[1] * parts.shape[2])
