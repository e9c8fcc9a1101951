"""Rules about the evidence itself. They pass or cannot tell: unsound evidence says nothing about a model."""

from __future__ import annotations

import numpy as np

from voxloop.evaluation.answers import CHALLENGER, CHAMPION, Answers
from voxloop.evaluation.case import Case
from voxloop.evaluation.judgement import Reason
from voxloop.evaluation.measures import measure_answers
from voxloop.evaluation.report import Counts, Measures
from voxloop.verdict import Verdict

TOLERANCE = 1e-9
"""How far a measure computed again may lie from the reported one: the rounding of a sum in another order."""


def check_task(case: Case) -> list[Reason]:
    """The evaluation is of the task that is judged."""
    found, wanted = case.evaluation.task, case.task
    text = f"the evaluation is of {found}, the gate judges {wanted}"
    return [case.reason("task", _verdict(found == wanted), text, measure="task", value=found, bound=wanted)]


def check_rows(case: Case) -> list[Reason]:
    """Each model answered each utterance once, and both answered the same utterances."""
    problem = (
        _repeated(case.challenger, CHALLENGER)
        or _repeated(case.champion, CHAMPION)
        or _unpaired(case.challenger, case.champion)
        or _unknown_labels(case)
    )
    text = problem or f"{len(case.challenger)} utterances answered, each once by each model"
    return [case.reason("rows", _verdict(not problem), text, measure="answers", value=len(case.challenger))]


def check_finite(case: Case) -> list[Reason]:
    """Every answer is made of numbers."""
    bad = {CHALLENGER: int(np.sum(~case.challenger.finite)), CHAMPION: int(np.sum(~case.champion.finite))}
    named = ", ".join(f"{count} of the {name}" for name, count in bad.items() if count)
    text = f"answers that are not finite: {named or 'none'}"
    return [case.reason("finite", _verdict(not named), text, measure="not finite", value=sum(bad.values()), bound=0)]


def check_report(case: Case) -> list[Reason]:
    """The reported counts and measures are those of the answers."""
    evaluation, labels = case.evaluation, case.evaluation.labels
    counts = Counts(
        utterances=len(case.challenger),
        speakers=case.challenger.speaker_count(),
        unlabelled=evaluation.counts.unlabelled,
        per_label=case.challenger.per_label(labels),
    )
    odd = [] if counts == evaluation.counts else ["counts"]
    for name, answers, reported in (
        (CHALLENGER, case.challenger, evaluation.measures.challenger),
        (CHAMPION, case.champion, evaluation.measures.champion),
    ):
        if not _equal(measure_answers(answers, labels), reported):
            odd.append(f"measures of the {name}")
    agree = f"{', '.join(odd)} differ" if odd else "counts and measures agree"
    text = f"evaluation.json against its answers computed again: {agree}"
    return [case.reason("report", _verdict(not odd), text, measure="disagreements", value=len(odd), bound=0)]


SOUNDNESS_RULES = (check_task, check_rows, check_finite, check_report)


def _verdict(holds: bool) -> Verdict:
    return Verdict.PASS if holds else Verdict.CANNOT_TELL


def _repeated(answers: Answers, name: str) -> str:
    ids, counts = np.unique(answers.utterance_ids, return_counts=True)
    twice = ids[counts > 1]
    return f"the {name} answered {twice[0]} {counts.max()} times" if len(twice) else ""


def _unpaired(challenger: Answers, champion: Answers) -> str:
    if not len(champion):
        return ""
    if not np.array_equal(challenger.utterance_ids, champion.utterance_ids):
        return f"challenger and champion answered different utterances ({len(challenger)} and {len(champion)})"
    if not np.array_equal(challenger.references, champion.references):
        return "challenger and champion were held against different references"
    if not np.array_equal(challenger.speaker_ids, champion.speaker_ids):
        return "challenger and champion name different speakers for the same utterance"
    return ""


def _unknown_labels(case: Case) -> str:
    known = {*case.evaluation.labels, ""}
    said = {*case.challenger.references, *case.challenger.predictions, *case.champion.predictions}
    odd = sorted(str(label) for label in said - known)
    return f"labels the evaluation does not know: {', '.join(odd)}" if odd else ""


def _equal(computed: Measures | None, reported: Measures | None) -> bool:
    if computed is None or reported is None:
        return computed is reported
    pairs = zip(computed.model_dump().values(), reported.model_dump().values(), strict=True)
    return all(abs(one - other) <= TOLERANCE for one, other in pairs)
