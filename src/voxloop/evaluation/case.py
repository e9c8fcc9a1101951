"""The case a gate judges: one evaluation, read back from its files, and the policy it is held against."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt

from voxloop.errors import InputError, IntegrityError
from voxloop.evaluation.answers import CHALLENGER, CHAMPION, Answers, answers_of, read_answers
from voxloop.evaluation.intervals import Interval, speaker_interval, speaker_lead
from voxloop.evaluation.judgement import Bootstrap, Reason
from voxloop.evaluation.moments import label_moments
from voxloop.evaluation.policy import Claim, GatePolicy
from voxloop.evaluation.report import ANSWERS_NAME, EVALUATION_NAME, Evaluation, read_json_record
from voxloop.evaluation.summed_measures import UAR
from voxloop.evaluation.welch import welch_interval
from voxloop.store.digests import digest_file
from voxloop.verdict import Verdict


@dataclass(frozen=True)
class Case:
    """Everything a rule may look at."""

    evaluation: Evaluation
    challenger: Answers
    champion: Answers
    policy: GatePolicy
    task: str
    bootstrap: Bootstrap | None = None

    @cached_property
    def challenger_uar(self) -> Interval:
        """Interval of the challenger's UAR, in [0, 1], under the policy's claim."""
        return _clip(self._interval(self.challenger))

    @cached_property
    def champion_uar(self) -> Interval:
        """Interval of the champion's UAR, in [0, 1], under the policy's claim."""
        return _clip(self._interval(self.champion))

    @cached_property
    def difference(self) -> Interval:
        """Interval of UAR challenger minus champion, paired by utterance; meant for answers that are found sound."""
        ours, theirs, level = self.challenger, self.champion, self.policy.level
        if self.policy.claim is Claim.NEW_SPEAKERS:
            return speaker_lead(_moments(ours), _moments(theirs), UAR, ours.speakers, level=level)
        return welch_interval(ours.correct - theirs.correct, ours.labels, level=level)

    def reason(
        self,
        rule: str,
        verdict: Verdict,
        text: str,
        *,
        measure: str,
        value: float | str | None,
        bound: float | str | None = None,
        label: str | None = None,
    ) -> Reason:
        """Return a reason that carries the counts of its slice: all test rows, or those of one label."""
        rows = np.ones(len(self.challenger), dtype=np.bool_) if label is None else self.challenger.references == label
        return Reason(
            rule=rule,
            measure=measure,
            value=value,
            bound=bound,
            slice="all" if label is None else f"label={label}",
            utterances=int(rows.sum()),
            speakers=len(np.unique(self.challenger.speaker_ids[rows])),
            verdict=verdict,
            text=text,
        )

    def _interval(self, answers: Answers) -> Interval:
        if self.policy.claim is Claim.NEW_SPEAKERS:
            return speaker_interval(_moments(answers), UAR, answers.speakers, level=self.policy.level)
        return welch_interval(answers.correct, answers.labels, level=self.policy.level)


def read_case(folder: Path, policy: GatePolicy, task: str, bootstrap: Bootstrap | None) -> Case:
    """Read an evaluation back.

    Raises:
        InputError: A file is missing or malformed.
        IntegrityError: The answers are not those the report was made from.
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
    _refuse_other_models(table["model"].unique().to_pylist())
    return Case(evaluation, answers_of(table, CHALLENGER), answers_of(table, CHAMPION), policy, task, bootstrap)


def _moments(answers: Answers) -> npt.NDArray[np.float64]:
    codes = answers.labels
    return label_moments(codes, np.where(answers.correct, codes, -1), len(np.unique(codes)))


def _clip(interval: Interval) -> Interval:
    """Return an interval of a share with its ends in [0, 1]; NaN stays NaN."""
    low, high = np.clip((interval.low, interval.high), 0.0, 1.0)
    return interval._replace(low=float(low), high=float(high))


def _refuse_other_models(names: Sequence[str]) -> None:
    if odd := sorted(set(names) - {CHALLENGER, CHAMPION}):
        raise InputError(
            f"answers of {', '.join(odd)}", rule=f"models are {CHALLENGER} and {CHAMPION}", remedy="evaluate again"
        )
