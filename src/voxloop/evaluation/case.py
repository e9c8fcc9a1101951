"""The case a gate judges: one evaluation, read back from its files, and the policy it is held against."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from voxloop.errors import InputError, IntegrityError
from voxloop.evaluation.answers import CHALLENGER, CHAMPION, Answers, answers_of, read_answers
from voxloop.evaluation.claims import claim_interval, claim_lead
from voxloop.evaluation.golden import GOLDEN_NAME, GoldenReport
from voxloop.evaluation.intervals import Interval
from voxloop.evaluation.judgement import Bootstrap, Reason
from voxloop.evaluation.policy import GatePolicy
from voxloop.evaluation.report import ANSWERS_NAME, EVALUATION_NAME, Evaluation, SetReport, read_json_record
from voxloop.evaluation.robustness_evidence import RobustnessEvidence, read_robustness
from voxloop.evaluation.samples import Sample, take_samples
from voxloop.evaluation.scoring import ScoringConfig
from voxloop.store.digests import digest_file
from voxloop.tasks import Task, get_task
from voxloop.verdict import Verdict


@dataclass(frozen=True)
class Part:
    """The answers of both models to one evaluation set, and what its report says of it."""

    report: SetReport
    challenger: Answers
    champion: Answers
    task: Task
    encoding: Any
    policy: GatePolicy

    @property
    def name(self) -> str:
        """Name of the evaluation set."""
        return self.report.name

    @cached_property
    def challenger_samples(self) -> dict[str, Sample]:
        """The challenger's sample of each measure."""
        return take_samples(self.challenger, self.task.NAME, self.encoding)

    @cached_property
    def champion_samples(self) -> dict[str, Sample]:
        """The champion's sample of each measure."""
        return take_samples(self.champion, self.task.NAME, self.encoding)

    def challenger_interval(self, measure: str) -> Interval:
        """Return the interval of a measure of the challenger, under the policy's claim."""
        return self._interval(self.challenger_samples[measure])

    def champion_interval(self, measure: str) -> Interval:
        """Return the interval of a measure of the champion, under the policy's claim."""
        return self._interval(self.champion_samples[measure])

    def lead(self, measure: str) -> Interval:
        """Return the interval of the challenger's lead, paired by row: above 0 is better, whichever the measure."""
        ours, theirs = self.challenger_samples[measure], self.champion_samples[measure]
        return claim_lead(self.policy.claim, ours, theirs, level=self.policy.level)

    def cut(self, rows: Any) -> Part:
        """Return the part of it whose rows, bool [n], are chosen."""
        champion = self.champion.take(rows) if len(self.champion) else self.champion
        return replace(self, challenger=self.challenger.take(rows), champion=champion)

    def _interval(self, sample: Sample) -> Interval:
        return claim_interval(self.policy.claim, sample, level=self.policy.level)

    def reason(
        self,
        rule: str,
        verdict: Verdict,
        text: str,
        *,
        measure: str,
        value: float | str | None,
        bound: float | str | None = None,
        cut: str = "all",
        rows: Any = None,
    ) -> Reason:
        """Return a reason that carries the counts of its slice: all rows, or those of `rows`, bool [n]."""
        chosen = np.ones(len(self.challenger), dtype=np.bool_) if rows is None else rows
        return Reason(
            rule=rule,
            measure=measure,
            value=value,
            bound=bound,
            evaluation_set=self.name,
            slice=cut,
            utterances=int(chosen.sum()),
            speakers=len(np.unique(self.challenger.speaker_ids[chosen])),
            verdict=verdict,
            text=text,
        )


@dataclass(frozen=True)
class Known:
    """What is known of a family from elsewhere, and no evaluation can make unknown.

    Args:
        sets: Digests of the frozen sets that its models are judged on, by name.
        champion_ever: Whether a model of it was ever put into service.
    """

    sets: Mapping[str, str]
    champion_ever: bool = False


@dataclass(frozen=True)
class Case:
    """Everything a rule may look at.

    Args:
        evaluation: What was reported.
        parts: The evidence, one an evaluation set, in the order of the report.
        policy: What it is held against.
        task: Family that is judged.
        bootstrap: An approver's word for the first champion ever.
        reason_set: The evaluation set that gave the reason for this retraining; None when none did.
        golden: What became of golden requests; None where they were not asked.
        robustness: What both models said under changed conditions; None where they were not asked.
        asked: How the models had to be asked; None where that is not compared.
        known: What is known from elsewhere; None where nobody was asked.
    """

    evaluation: Evaluation
    parts: tuple[Part, ...]
    policy: GatePolicy
    task: str
    bootstrap: Bootstrap | None = None
    reason_set: str | None = None
    golden: GoldenReport | None = None
    robustness: RobustnessEvidence | None = None
    asked: ScoringConfig | None = None
    known: Known | None = None

    @property
    def first(self) -> Part:
        """The set a person is shown first."""
        return self.parts[0]

    @property
    def champion_ever(self) -> bool:
        """Whether a champion was ever in force: by the evaluation, or by what is known from elsewhere."""
        return self.evaluation.champion_ever or (self.known is not None and self.known.champion_ever)


def read_case(
    folder: Path,
    policy: GatePolicy,
    task: str,
    bootstrap: Bootstrap | None,
    reason_set: str | None = None,
    known: Known | None = None,
) -> Case:
    """Read an evaluation back.

    Raises:
        InputError: A file is missing or malformed.
        IntegrityError: The answers are not those a report was made from.
    """
    evaluation = read_json_record(Evaluation, folder / EVALUATION_NAME)
    path = folder / ANSWERS_NAME
    table = read_answers(path)
    if (found := digest_file(path)) != evaluation.answers_digest:
        raise IntegrityError(
            f"{path.name} has digest {found[:12]}",
            rule=f"{EVALUATION_NAME} was made from {evaluation.answers_digest[:12]}",
            remedy="evaluate again",
        )
    _refuse_others(table, "model", (CHALLENGER, CHAMPION))
    _refuse_others(table, "evaluation_set", [one.name for one in evaluation.sets])
    golden = read_json_record(GoldenReport, folder / GOLDEN_NAME) if (folder / GOLDEN_NAME).is_file() else None
    parts = _read_parts(evaluation, table, policy)
    whole = {CHALLENGER: parts[0].challenger, CHAMPION: parts[0].champion}
    changed = read_robustness(folder, evaluation, whole, parts[0].task, parts[0].encoding)
    return Case(evaluation, parts, policy, task, bootstrap, reason_set, golden, changed, known=known)


def _read_parts(evaluation: Evaluation, table: pa.Table, policy: GatePolicy) -> tuple[Part, ...]:
    family = get_task(evaluation.task)
    encoding = family.Encoding.model_validate(evaluation.encoding)
    return tuple(
        Part(
            report=one,
            challenger=answers_of(table, one.name, CHALLENGER),
            champion=answers_of(table, one.name, CHAMPION),
            task=family,
            encoding=encoding,
            policy=policy,
        )
        for one in evaluation.sets
    )


def _refuse_others(table: pa.Table, column: str, known: Sequence[str]) -> None:
    if odd := sorted(set(table[column].unique().to_pylist()) - set(known)):
        raise InputError(
            f"answers of {', '.join(odd)}", rule=f"{column} is one of {', '.join(known)}", remedy="evaluate again"
        )
