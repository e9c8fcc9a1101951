"""The measures of one model's answers."""

from __future__ import annotations

import math
from typing import Any

from voxloop.evaluation.answers import Answers
from voxloop.evaluation.report import Counts, Measures
from voxloop.tasks import Answer, Task


def measure_answers(answers: Answers, task: Task, encoding: Any) -> Measures | None:
    """Return what the family measures, or None where there is nothing to measure or an answer is missing."""
    given = [answer for answer in answers.answers if answer is not None]
    if not len(answers) or len(given) < len(answers):
        return None
    found = task.measure(answers.references, given, encoding)
    return {name: value if math.isfinite(value) else None for name, value in found.items()}


def count_answers(answers: Answers, unlabelled: int, encoding: Any) -> Counts:
    """Return how much evidence there is; `unlabelled` rows were not scored."""
    labels = encoding.labels if any("emotion" in reference for reference in answers.references) else ()
    said = [reference.get("emotion") for reference in answers.references]
    return Counts(
        utterances=len(answers),
        speakers=answers.speaker_count(),
        unlabelled=unlabelled,
        per_label={label: said.count(label) for label in labels},
    )


def label_of(answer: Answer | None) -> str:
    """Return the label of an answer or reference, the empty string where there is none."""
    return str(answer["emotion"]) if answer is not None and "emotion" in answer else ""
