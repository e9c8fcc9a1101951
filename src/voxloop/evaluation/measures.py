"""The measures of one model's answers."""

from __future__ import annotations

import math
from collections.abc import Sequence

from voxloop.evaluation.answers import Answers
from voxloop.evaluation.report import Measures
from voxloop.tasks.emotion import macro_f1, uar, wa


def measure_answers(answers: Answers, labels: Sequence[str]) -> Measures | None:
    """Return UAR, weighted accuracy and macro F1, or None where there is nothing to measure.

    An utterance without an answer counts as answered wrongly.
    """
    if not len(answers):
        return None
    reference, predicted = answers.references.tolist(), answers.predictions.tolist()
    values = [measure(reference, predicted, labels) for measure in (uar, wa, macro_f1)]
    if not all(math.isfinite(value) for value in values):
        return None
    return Measures(uar=values[0], wa=values[1], macro_f1=values[2])
