"""Measures as functions of sums: each is computed from what rows add up to, so leaving rows out is a subtraction.

What a row adds is made by `voxloop.evaluation.moments`; the layout of the sums [..., k] stands with each measure. All
values are computed over leading axes at once, and a sum that is NaN gives a value that is NaN.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

CONSTANT = 1e-13
"""A variance below this share of the mean square is rounding: float64 keeps 2e-16 of it."""


@dataclass(frozen=True)
class Measure:
    """A measure that is a function of sums over rows.

    Args:
        name: As reports call it.
        larger_is_better: False for error rates, seconds, bytes.
        value: Sums float64 [..., k] to values float64 [...]; NaN where there is nothing to measure.
        support: Sums float64 [..., k] to bool [..., parts]: which labels or traits the value speaks of. Without the
            last speaker of a label the value is another quantity, and an interval cannot be told from it.
    """

    name: str
    larger_is_better: bool
    value: Callable[[Floats], Floats]
    support: Callable[[Floats], Bools]

    def lead(self, challenger: Floats, champion: Floats) -> Floats:
        """Return how far the challenger lies ahead of the champion: above 0 is better, whatever the measure."""
        return challenger - champion if self.larger_is_better else champion - challenger


def paired(measure: Measure) -> Measure:
    """Return the challenger's lead as a measure of sums [..., 2k]: the challenger's sums, then the champion's."""
    sign = 1.0 if measure.larger_is_better else -1.0
    return contrast(measure, (sign, -sign), f"{measure.name} lead")


def contrast(measure: Measure, weights: Sequence[float], name: str) -> Measure:
    """Return a weighted sum of what a measure is in several parts, as a measure of their sums [..., parts k].

    Args:
        measure: What each part is measured in.
        weights: One a part; the sums of a part stand together, in the order of the weights.
        name: As reports call it; more of it counts as better.
    """

    def value(sums: Floats) -> Floats:
        parts = np.split(sums, len(weights), axis=-1)
        return np.asarray(sum(weight * measure.value(part) for weight, part in zip(weights, parts, strict=True)))

    def support(sums: Floats) -> Bools:
        return np.concatenate([measure.support(part) for part in np.split(sums, len(weights), axis=-1)], axis=-1)

    return Measure(name, True, value, support)


def _ratio(sums: Floats) -> Floats:
    return _divide(sums[..., 0], sums[..., 1])


def _ratio_support(sums: Floats) -> Bools:
    return _there(sums[..., 1:2])


def _uar(sums: Floats) -> Floats:
    asked, _, hits = _labels(sums)
    return _mean_where(_divide(hits, asked), _there(asked))


def _wa(sums: Floats) -> Floats:
    asked, _, hits = _labels(sums)
    return _divide(hits.sum(axis=-1), asked.sum(axis=-1))


def _macro_f1(sums: Floats) -> Floats:
    asked, given, hits = _labels(sums)
    return _mean_where(_divide(2.0 * hits, asked + given), _there(asked + given))


def _asked(sums: Floats) -> Bools:
    return _there(_labels(sums)[0])


def _labels(sums: Floats) -> tuple[Floats, Floats, Floats]:
    """Return references, predictions and hits of each label, [..., labels] each."""
    parts = sums.reshape(*sums.shape[:-1], 3, sums.shape[-1] // 3)
    return parts[..., 0, :], parts[..., 1, :], parts[..., 2, :]


def _ccc(sums: Floats) -> Floats:
    shift, of_reference, of_answer, together = _central(sums)
    return _mean_where(_divide(2.0 * together, of_reference + of_answer + shift**2), _ccc_support(sums))


def _ccc_support(sums: Floats) -> Bools:
    shift, of_reference, of_answer, _ = _central(sums)
    return _paired_off(sums) & _there(of_reference + of_answer + shift**2)


def _pearson(sums: Floats) -> Floats:
    _, of_reference, of_answer, together = _central(sums)
    spread = np.sqrt(of_reference * of_answer)
    return _mean_where(np.where(of_answer == 0, 0.0, np.clip(_divide(together, spread), -1, 1)), _pearson_support(sums))


def _pearson_support(sums: Floats) -> Bools:
    return _paired_off(sums) & _there(_central(sums)[1])


def _paired_off(sums: Floats) -> Bools:
    """Where a trait has two pairs or more, [..., traits]."""
    return np.asarray(~(sums[..., ::6] < 2), dtype=np.bool_)


def _central(sums: Floats) -> tuple[Floats, Floats, Floats, Floats]:
    """Return difference of means, variance of references and of answers, and covariance, [..., traits] each."""
    parts = sums.reshape(*sums.shape[:-1], sums.shape[-1] // 6, 6)
    means = _divide(parts[..., 1:], parts[..., :1])
    reference, answer, squares, answer_squares, products = np.moveaxis(means, -1, 0)
    of_reference, of_answer = squares - reference**2, answer_squares - answer**2
    of_reference = np.where(of_reference <= CONSTANT * squares, 0.0, of_reference)
    of_answer = np.where(of_answer <= CONSTANT * answer_squares, 0.0, of_answer)
    return reference - answer, of_reference, of_answer, products - reference * answer


def _mae(sums: Floats) -> Floats:
    return _mean_where(_divide(sums[..., 0::2], sums[..., 1::2]), _mae_support(sums))


def _mae_support(sums: Floats) -> Bools:
    return _there(sums[..., 1::2])


def _trait_accuracy(sums: Floats) -> Floats:
    yes, yes_hits, no, no_hits = np.moveaxis(sums.reshape(*sums.shape[:-1], sums.shape[-1] // 4, 4), -1, 0)
    return _mean_where(_divide(yes_hits + no_hits, yes + no), _there(yes + no))


def _trait_balanced_accuracy(sums: Floats) -> Floats:
    yes, yes_hits, no, no_hits = np.moveaxis(sums.reshape(*sums.shape[:-1], sums.shape[-1] // 4, 4), -1, 0)
    return _mean_where((_divide(yes_hits, yes) + _divide(no_hits, no)) / 2, _both_kinds(sums))


def _any_kind(sums: Floats) -> Bools:
    return _there(sums[..., 0::4] + sums[..., 2::4])


def _both_kinds(sums: Floats) -> Bools:
    return _there(sums[..., 0::4]) & _there(sums[..., 2::4])


def _ece(sums: Floats) -> Floats:
    return _divide(np.abs(sums[..., 1:]).sum(axis=-1), sums[..., 0])


def _there(counts: Floats) -> Bools:
    """Where something is counted; what is not a number counts, so that it is not left out silently."""
    return np.asarray(counts != 0, dtype=np.bool_)


def _divide(above: Floats, below: Floats) -> Floats:
    """Return the quotient, NaN where `below` is 0."""
    return above / np.where(below == 0, np.nan, below)


def _mean_where(values: Floats, counted: Bools) -> Floats:
    """Return the mean over the last axis of what is counted; NaN where nothing is."""
    return _divide(np.where(counted, values, 0.0).sum(axis=-1), counted.sum(axis=-1).astype(np.float64))


WER = Measure("wer", False, _ratio, _ratio_support)
"""Word error rate over the whole set, by `error_moments`: errors of all rows over reference words of all."""
CER = Measure("cer", False, _ratio, _ratio_support)
"""Character error rate, the same over characters."""
MEAN = Measure("mean", True, _ratio, _ratio_support)
"""Mean over rows, by `mean_moments`; `dataclasses.replace` gives it a name and says what is better."""
UAR = Measure("uar", True, _uar, _asked)
"""Unweighted average recall, by `label_moments`: the mean recall of the labels somebody says (Schuller, Steidl,
Batliner, "The INTERSPEECH 2009 emotion challenge", 2009)."""
WA = Measure("wa", True, _wa, _asked)
"""Weighted accuracy, by `label_moments`: the share of rows that are right (same source)."""
MACRO_F1 = Measure("macro_f1", True, _macro_f1, _asked)
"""Mean F1 of the labels said or answered, by `label_moments` (Opitz and Burst, arXiv:1911.03347). Where a label is
answered and never said, the value jumps as its last answer is left out, and the interval widens."""
CCC = Measure("ccc", True, _ccc, _ccc_support)
"""Concordance correlation coefficient, mean over traits, by `agreement_moments` (Lin, Biometrics 45(1), 1989)."""
PEARSON = Measure("r", True, _pearson, _pearson_support)
"""Pearson's correlation, mean over traits, by `agreement_moments`; 0 for answers that are constant."""
MAE = Measure("mae", False, _mae, _mae_support)
"""Mean absolute error, mean over traits, by `absolute_error_moments`."""
ONE_MINUS_MAE = Measure("one_minus_mae", True, lambda sums: 1.0 - _mae(sums), _mae_support)
"""1 - mean absolute error over the range of the questionnaire, by `absolute_error_moments` with that range."""
ACCURACY = Measure("accuracy", True, _trait_accuracy, _any_kind)
"""Share of right yes-or-no answers, mean over traits, by `binary_moments`."""
BALANCED_ACCURACY = Measure("balanced_accuracy", True, _trait_balanced_accuracy, _both_kinds)
"""Mean recall of yes and no, mean over the traits that have both, by `binary_moments`."""
ECE = Measure("ece", False, _ece, lambda sums: _there(sums[..., :1]))
"""Expected calibration error, by `calibration_moments` (Guo, Pleiss, Sun, Weinberger, ICML 2017, equation 3). It has
kinks where a bin is right on average, and is biased upwards in small samples: an interval about it is rough."""
