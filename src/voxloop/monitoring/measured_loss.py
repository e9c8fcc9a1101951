"""By how much production is worse than what the champion was judged by, as far as labels that came later tell.

Error in production has an interval over speakers (`voxloop.evaluation.intervals`), as the error at promotion had. The
two are of different speakers, so their difference has the interval that is recovered from both (G. Y. Zou, A. Donner,
"Construction of confidence limits about effect measures", Statistics in Medicine 27, 2008: MOVER).
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from voxloop.data.audit_rows import Mask
from voxloop.data.poison_config import PoisonConfig
from voxloop.evaluation.intervals import speaker_interval
from voxloop.evaluation.moments import Floats, error_moments, label_moments
from voxloop.evaluation.samples import count_errors
from voxloop.evaluation.summed_measures import CER, MACRO_F1, UAR, WA, WER, Measure
from voxloop.monitoring.label_check import check_labels
from voxloop.monitoring.label_policy import LabelPolicy
from voxloop.monitoring.labelled_answers import Labelled, LabelledAnswer
from voxloop.monitoring.promotion_evidence import AtPromotion

OF_LABELS = {one.name: one for one in (UAR, WA, MACRO_F1)}
OF_WORDS = {one.name: one for one in (WER, CER)}
NO_SAMPLE = "labels are of answers that callers chose, no random sample"


@dataclass(frozen=True)
class Bounds:
    """An error, or a difference of two, and its interval: in the measure, or 1 less it where more of it is better."""

    estimate: float
    low: float
    high: float


@dataclass(frozen=True)
class MeasuredLoss:
    """What labels tell of production.

    Args:
        measure: The champion's at its promotion.
        loss: Error in production less that at promotion; None where it is not known.
        now: Error in production; None where it is not known.
        then: Error at promotion; None where labels do not tell that measure.
        answers: That have a label which counts.
        speakers: Who were answered.
        keys: Which labelled.
        why_not: Why the loss is not known; nothing where it is.
        suspicions: What of that a person should look at.
        uncounted: How many labels or answers count for nothing, by why.
    """

    measure: str
    loss: Bounds | None
    now: Bounds | None
    then: Bounds | None
    answers: int
    speakers: int
    keys: int
    why_not: tuple[str, ...]
    suspicions: tuple[str, ...] = ()
    uncounted: Mapping[str, int] = field(default_factory=dict)

    def __str__(self) -> str:
        of_whom = f"{self.answers} answers with a label, {self.speakers} speakers, {self.keys} keys"
        left_out = [f"{count} {why}" for why, count in sorted(self.uncounted.items())]
        if not (self.loss and self.now and self.then):
            return "; ".join([*self.why_not, *left_out])
        told = (
            f"error {self.now.estimate:.3g} by {self.measure} in production, {self.then.estimate:.3g} at promotion: "
            f"{self.loss.estimate:+.3g}, from {self.loss.low:+.3g} to {self.loss.high:+.3g} ({of_whom})"
        )
        return "; ".join([told, *left_out, NO_SAMPLE])


def measure_loss(
    labelled: Labelled, at_promotion: AtPromotion, task: str, policy: LabelPolicy, poison: PoisonConfig
) -> MeasuredLoss:
    """Hold the error in production against that at promotion. What is not known for sure is no number.

    Args:
        labelled: Answers of the champion with their labels.
        at_promotion: What it was judged by.
        task: Family.
        policy: How many labels are enough, and of how many keys.
        poison: What the poison checks ask of a group.
    """
    answers = labelled.answers
    check = check_labels(labelled, find_contradicted(answers, is_words=task == "asr"), policy, poison)
    measure = (OF_WORDS if task == "asr" else OF_LABELS).get(at_promotion.measure)
    why_not, suspicions = [*check.doubts], [*check.suspicions]
    now = then = None
    if measure is None:
        why_not.append(f"the champion was judged by {at_promotion.measure}, which labels of {task} do not tell")
    else:
        then = _as_error(measure, (at_promotion.estimate, at_promotion.low, at_promotion.high))
        now, problem = _measure_now(measure, labelled, at_promotion.level) if answers else (None, "")
        why_not += [problem] if problem else []
        suspicions += _find_worse_than_guessing(now, measure, labelled)
    why_not += suspicions
    return MeasuredLoss(
        measure=at_promotion.measure,
        loss=subtract(now, then) if now and then and not why_not else None,
        now=None if why_not else now,
        then=then,
        answers=len(answers),
        speakers=len({one.speaker for one in answers}),
        keys=len({one.key_id for one in answers}),
        why_not=tuple(why_not),
        suspicions=tuple(suspicions),
        uncounted=labelled.uncounted,
    )


def find_contradicted(answers: Sequence[LabelledAnswer], *, is_words: bool) -> Mask:
    """Return whether a label has nothing to do with its answer, bool [n]: of words, as many errors as there are."""
    if not is_words:
        return np.array([one.given != one.answered for one in answers], dtype=np.bool_)
    errors, words = count_errors([one.given for one in answers], [one.answered for one in answers], characters=False)
    return np.asarray(errors >= np.maximum(words, 1), dtype=np.bool_)


def subtract(now: Bounds, then: Bounds) -> Bounds:
    """Return the difference of two errors that are independent, with the interval recovered from theirs."""
    estimate = now.estimate - then.estimate
    below = math.hypot(now.estimate - now.low, then.high - then.estimate)
    above = math.hypot(now.high - now.estimate, then.estimate - then.low)
    return Bounds(estimate, estimate - below, estimate + above)


def _measure_now(measure: Measure, labelled: Labelled, level: float) -> tuple[Bounds | None, str]:
    """Return the error in production, and why it may not be measured by; empty where it may."""
    if measure.name in OF_LABELS and (thin := _find_thin_labels(labelled)):
        return (
            None,
            f"fewer than two speakers have answers labelled {', '.join(thin)}, by which the champion is judged too",
        )
    speakers = np.unique([one.speaker for one in labelled.answers], return_inverse=True)[1].astype(np.int64)
    found = speaker_interval(_add_up(measure, labelled), measure, speakers, level=level)
    if not all(math.isfinite(one) for one in found[:3]):
        return None, "an interval cannot be told from these labels"
    same = "the error is the same for every speaker, so nothing says how sure it is" if found.is_degenerate else ""
    return _as_error(measure, found[:3]), same


def _add_up(measure: Measure, labelled: Labelled) -> Floats:
    """Return what each answer adds to the sums of a measure, float64 [n, k]."""
    given, answered = [one.given for one in labelled.answers], [one.answered for one in labelled.answers]
    if measure.name in OF_WORDS:
        return error_moments(*count_errors(given, answered, characters=measure is CER))
    places = {label: place for place, label in enumerate(labelled.labels)}
    wanted, found = (np.array([places.get(one, -1) for one in side], dtype=np.int64) for side in (given, answered))
    return label_moments(wanted, found, len(places))


def _find_thin_labels(labelled: Labelled) -> list[str]:
    """Return what the champion can say and fewer than two speakers should have been told: it is judged by all of it."""
    heard: dict[str, set[str]] = defaultdict(set)
    for one in labelled.answers:
        heard[one.given].add(one.speaker)
    return [label for label in labelled.labels if len(heard[label]) < 2]


def _find_worse_than_guessing(now: Bounds | None, measure: Measure, labelled: Labelled) -> list[str]:
    guess = 1.0 if measure.name in OF_WORDS else 1 - 1 / max(1, len(labelled.labels))
    if now is None or now.low <= guess:
        return []
    return [f"answers are worse than guessing ({now.low:.3g} at least, {guess:.3g}): the labels mean something else"]


def _as_error(measure: Measure, ends: tuple[float, float, float]) -> Bounds:
    estimate, low, high = ends
    return Bounds(1 - estimate, 1 - high, 1 - low) if measure.larger_is_better else Bounds(estimate, low, high)
