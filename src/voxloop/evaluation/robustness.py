"""`robustness.json`: how both models fare under changed conditions, and which tests of behaviour hold of how many rows.

It is computed from answers alone, here and again by the gate: those of the rows as they are, and those of
`robustness.parquet`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pyarrow as pa

from voxloop.config import StrictModel
from voxloop.evaluation.answers import CHALLENGER, CHAMPION, Answers
from voxloop.evaluation.behaviour import (
    CLEAN,
    BehaviourTest,
    Bools,
    MinimumFunction,
    answers_that_hold,
    conditions_of,
    rows_that_hold,
)
from voxloop.evaluation.changed_answers import answers_under, made_answers
from voxloop.evaluation.claims import claim_interval, claim_lead
from voxloop.evaluation.conditions import ChangesConfig
from voxloop.evaluation.judgement import IntervalRecord
from voxloop.evaluation.measures import measure_answers
from voxloop.evaluation.policy import Claim
from voxloop.evaluation.report import MeasuresOfBoth
from voxloop.evaluation.samples import Sample, take_samples
from voxloop.evaluation.subset import choose_rows
from voxloop.store.atomic import write_file
from voxloop.tasks import Task

ROBUSTNESS_NAME = "robustness.json"
CHANGED_NAME = "robustness.parquet"


class ConditionFigures(StrictModel):
    """Both models under one condition.

    Args:
        measures: Everything the family measures.
        challenger: Interval of the family's first measure over speakers; None where it cannot be measured.
        champion: The same.
        lead: Of the challenger over the champion: above 0 is better.
        challenger_loss: What the challenger loses to itself on the same rows as they are: above 0 is worse.
        champion_loss: The same of the champion.
    """

    measures: MeasuresOfBoth
    challenger: IntervalRecord | None = None
    champion: IntervalRecord | None = None
    lead: IntervalRecord | None = None
    challenger_loss: IntervalRecord | None = None
    champion_loss: IntervalRecord | None = None


class TestFigures(StrictModel):
    """Of how many rows, or made-up requests, a test of behaviour holds; None where an answer is missing."""

    rows: int
    challenger: int | None
    champion: int | None


class RobustnessFigures(StrictModel):
    """What answers come to: a function of them alone."""

    utterances: int
    speakers: int
    measure: str
    clean: ConditionFigures
    conditions: Mapping[str, ConditionFigures]
    behaviour: Mapping[str, TestFigures]


class RobustnessReport(StrictModel):
    """The content of `robustness.json`.

    Args:
        task: The family.
        evaluation_set: Whose rows were asked again.
        model_digest: Of the challenger.
        champion_digest: Of the champion that was asked beside it; None without one.
        answers_digest: Of the answers to the rows as they are.
        changed_digest: Of the answers under changed conditions.
        changes: The conditions, and how rows were chosen.
        tests: The tests of behaviour.
        requests: Digest of the changed requests of all rows under each condition: the same bytes for both models.
        figures: What came of it.
    """

    schema_version: Literal[1] = 1
    task: str
    evaluation_set: str
    model_digest: str
    champion_digest: str | None
    answers_digest: str
    changed_digest: str
    changes: ChangesConfig
    tests: Mapping[str, BehaviourTest]
    requests: Mapping[str, str]
    figures: RobustnessFigures

    def write(self, folder: Path) -> None:
        """Write `robustness.json` into `folder`."""
        text = json.dumps(self.model_dump(mode="json"), indent=2, sort_keys=True, allow_nan=False)
        write_file(folder / ROBUSTNESS_NAME, text + "\n")


@dataclass(frozen=True)
class Changed:
    """The answers of both models to the chosen rows, as they are and changed, and to made-up requests.

    Args:
        table: Of `CHANGED_SCHEMA`.
        whole: Answers to the whole set as it is, by model; the champion's may be of no rows.
        changes: The conditions.
        tests: The tests of behaviour.
        task: Family.
        encoding: The challenger's.
    """

    table: pa.Table
    whole: Mapping[str, Answers]
    changes: ChangesConfig
    tests: Mapping[str, BehaviourTest]
    task: Task
    encoding: Any

    @cached_property
    def models(self) -> tuple[str, ...]:
        """The models that answered."""
        return tuple(name for name in (CHALLENGER, CHAMPION) if name == CHALLENGER or len(self.whole[name]))

    @cached_property
    def clean(self) -> dict[str, Answers]:
        """Each model's answers to the chosen rows as they are."""
        ours = self.whole[CHALLENGER]
        chosen = choose_rows(ours.utterance_ids, ours.speaker_ids, self.changes.utterances, self.changes.seed)
        return {name: self.whole[name].take(chosen) for name in self.models}

    @cached_property
    def under(self) -> dict[str, dict[str, Answers]]:
        """Each model's answers by condition, the rows as they are by `CLEAN`.

        Raises:
            InputError: The table has other rows than it must.
        """
        found = {
            name: {model: answers_under(self.table, name, model, self.clean[model]) for model in self.models}
            for name in self.changes.conditions
        }
        return {CLEAN: self.clean, **found}

    @cached_property
    def samples(self) -> dict[str, dict[str, dict[str, Sample]]]:
        """The samples of each measure by condition and model; nothing where an answer is missing."""
        return {
            name: {
                model: take_samples(answers, self.task.NAME, self.encoding)
                for model, answers in sides.items()
                if len(answers) and not answers.unanswered
            }
            for name, sides in self.under.items()
        }

    def hold(self, name: str, model: str) -> Bools | None:
        """Return of which rows a test holds of a model, bool [n]; None where an answer that it needs is missing.

        Raises:
            InputError: The table has other rows than it must.
        """
        test = self.tests[name]
        if isinstance(test, MinimumFunction):
            made = made_answers(self.table, name, model, len(test.seconds))
            return answers_that_hold(test, made, self.task, self.encoding)
        needed = {one: self.under[one][model] for one in (CLEAN, *conditions_of(test))}
        if any(answers.unanswered for answers in needed.values()):
            return None
        return rows_that_hold(test, needed, self.encoding)


def figure_robustness(changed: Changed, level: float) -> RobustnessFigures:
    """Return what answers come to; intervals over speakers at `level`.

    Raises:
        InputError: The table has other rows than it must.
    """
    ours = changed.clean[CHALLENGER]
    measure = next((name for sides in changed.samples.values() for one in sides.values() for name in one), "")
    return RobustnessFigures(
        utterances=len(ours),
        speakers=ours.speaker_count(),
        measure=measure,
        clean=_figure_condition(changed, CLEAN, measure, level),
        conditions={name: _figure_condition(changed, name, measure, level) for name in changed.changes.conditions},
        behaviour={name: _figure_test(changed, name) for name in changed.tests},
    )


def _figure_condition(changed: Changed, name: str, measure: str, level: float) -> ConditionFigures:
    under, samples, clean = changed.under[name], changed.samples[name], changed.samples[CLEAN]
    measured = {model: measure_answers(answers, changed.task, changed.encoding) for model, answers in under.items()}
    found = ConditionFigures(
        measures=MeasuresOfBoth(challenger=measured[CHALLENGER], champion=measured.get(CHAMPION)),
    )
    ours, theirs = (samples[model][measure] if model in samples else None for model in (CHALLENGER, CHAMPION))
    return found.model_copy(
        update={
            "challenger": _interval(ours, level),
            "champion": _interval(theirs, level),
            "lead": _lead(f"{measure} lead", ours, theirs, level),
            "challenger_loss": _loss(ours, clean, CHALLENGER, measure, level) if name != CLEAN else None,
            "champion_loss": _loss(theirs, clean, CHAMPION, measure, level) if name != CLEAN else None,
        }
    )


def _loss(
    changed: Sample | None, clean: Mapping[str, Mapping[str, Sample]], model: str, measure: str, level: float
) -> IntervalRecord | None:
    return _lead(f"{measure} loss", clean[model][measure] if model in clean else None, changed, level)


def _interval(sample: Sample | None, level: float) -> IntervalRecord | None:
    if sample is None:
        return None
    return IntervalRecord.of(sample.measure.name, claim_interval(Claim.NEW_SPEAKERS, sample, level=level))


def _lead(name: str, ours: Sample | None, theirs: Sample | None, level: float) -> IntervalRecord | None:
    if ours is None or theirs is None:
        return None
    return IntervalRecord.of(name, claim_lead(Claim.NEW_SPEAKERS, ours, theirs, level=level))


def _figure_test(changed: Changed, name: str) -> TestFigures:
    held = {model: changed.hold(name, model) for model in changed.models}
    counts = {model: None if rows is None else int(np.count_nonzero(rows)) for model, rows in held.items()}
    rows = max((len(one) for one in held.values() if one is not None), default=0)
    return TestFigures(rows=rows, challenger=counts[CHALLENGER], champion=counts.get(CHAMPION))
