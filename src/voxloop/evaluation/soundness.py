"""Rules about the evidence itself. They pass or cannot tell: unsound evidence says nothing about a model."""

from __future__ import annotations

import numpy as np

from voxloop.evaluation.answers import CHALLENGER, CHAMPION, Answers
from voxloop.evaluation.case import Case, Part
from voxloop.evaluation.configuration_rules import check_configuration
from voxloop.evaluation.judgement import Reason
from voxloop.evaluation.measures import count_answers, label_of, measure_answers
from voxloop.evaluation.report import Measures
from voxloop.verdict import Verdict

TOLERANCE = 1e-9
"""How far a measure computed again may lie from the reported one: the rounding of a sum in another order."""


def check_task(case: Case) -> list[Reason]:
    """The evaluation is of the task that is judged."""
    found, wanted = case.evaluation.task, case.task
    text = f"the evaluation is of {found}, the gate judges {wanted}"
    holds = _verdict(found == wanted)
    return [part.reason("task", holds, text, measure="task", value=found, bound=wanted) for part in case.parts]


def check_rows(case: Case) -> list[Reason]:
    """Each model answered each utterance once, and both answered the same utterances."""
    return [_check_rows(part) for part in case.parts]


def check_finite(case: Case) -> list[Reason]:
    """Every answer is made of numbers."""
    return [_check_finite(part) for part in case.parts]


def check_report(case: Case) -> list[Reason]:
    """The reported counts and measures are those of the answers."""
    return [_check_report(part) for part in case.parts]


def check_sets(case: Case) -> list[Reason]:
    """Every frozen set that is known was evaluated, and as it is known: a set that is gone takes no verdict with it."""
    if case.known is None:
        return []
    evaluated = {part.name: part.report.digest for part in case.parts}
    problems = [
        _odd_set(name, digest, evaluated.get(name))
        for name, digest in sorted(case.known.sets.items())
        if evaluated.get(name) != digest
    ]
    return problems or [_all_sets(sorted(case.known.sets))]


SOUNDNESS_RULES = (check_task, check_rows, check_finite, check_report, check_configuration, check_sets)


def _check_rows(part: Part) -> Reason:
    problem = (
        _repeated(part.challenger, CHALLENGER)
        or _repeated(part.champion, CHAMPION)
        or _unpaired(part.challenger, part.champion)
        or _unknown_labels(part)
    )
    text = problem or f"{len(part.challenger)} utterances answered, each once by each model"
    return part.reason("rows", _verdict(not problem), text, measure="answers", value=len(part.challenger))


def _check_finite(part: Part) -> Reason:
    bad = {CHALLENGER: part.challenger.unanswered, CHAMPION: part.champion.unanswered}
    named = ", ".join(f"{count} of the {name}" for name, count in bad.items() if count)
    text = f"answers that are missing or not finite: {named or 'none'}"
    return part.reason("finite", _verdict(not named), text, measure="not finite", value=sum(bad.values()), bound=0)


def _check_report(part: Part) -> Reason:
    reported = part.report
    counts = count_answers(part.challenger, reported.counts.unlabelled, part.encoding)
    odd = [] if counts == reported.counts else ["counts"]
    for name, answers, told in (
        (CHALLENGER, part.challenger, reported.measures.challenger),
        (CHAMPION, part.champion, reported.measures.champion),
    ):
        if not _equal(measure_answers(answers, part.task, part.encoding), told):
            odd.append(f"measures of the {name}")
    agree = f"{', '.join(odd)} differ" if odd else "counts and measures agree"
    text = f"evaluation.json against its answers computed again: {agree}"
    return part.reason("report", _verdict(not odd), text, measure="disagreements", value=len(odd), bound=0)


def _odd_set(name: str, known: str, evaluated: str | None) -> Reason:
    if evaluated is None:
        found = "was not evaluated"
        remedy = "restore it from a backup if it is gone (voxloop evalset list), leave --sets out, and evaluate again"
    else:
        found = f"was evaluated as {evaluated[:12]}"
        remedy = "evaluate again; if it was changed (voxloop evalset verify), restore it from a backup first"
    return Reason(
        rule="sets",
        measure="digest",
        value=evaluated,
        bound=known,
        evaluation_set=name,
        verdict=Verdict.CANNOT_TELL,
        text=f"the ledger knows the evaluation set {name} ({known[:12]}), and it {found}: {remedy}",
    )


def _all_sets(names: list[str]) -> Reason:
    told = ", ".join(names) or "it knows none"
    text = f"frozen sets that the ledger knows, all evaluated as they are known: {told}"
    return Reason(
        rule="sets",
        measure="sets not evaluated",
        value=0,
        bound=0,
        verdict=Verdict.PASS,
        text=text,
    )


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
    if challenger.references != champion.references:
        return "challenger and champion were held against different references"
    if not np.array_equal(challenger.speaker_ids, champion.speaker_ids):
        return "challenger and champion name different speakers for the same utterance"
    return "" if challenger.columns == champion.columns else "challenger and champion tell of different rows"


def _unknown_labels(part: Part) -> str:
    if not part.task.ANSWERS_ARE_LABELS:
        return ""
    known = {*part.encoding.labels, ""}
    said = map(label_of, (*part.challenger.references, *part.challenger.answers, *part.champion.answers))
    odd = sorted(set(said) - known)
    return f"labels the evaluation does not know: {', '.join(odd)}" if odd else ""


def _equal(computed: Measures | None, reported: Measures | None) -> bool:
    if computed is None or reported is None:
        return computed is reported
    return computed.keys() == reported.keys() and all(_near(computed[name], reported[name]) for name in computed)


def _near(one: float | None, other: float | None) -> bool:
    return one is other if one is None or other is None else abs(one - other) <= TOLERANCE
