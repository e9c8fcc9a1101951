"""What the parts of an audit share: who forms suspicions, how they are collected, and the report they add up to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from voxloop.config import resolved
from voxloop.data.audit_rows import AuditRows, Mask, Names, Numbers
from voxloop.data.poison_config import OutlierConfig, OwnConfig, PoisonConfig
from voxloop.data.poison_report import GroupFinding, PoisonReport, Suspicious
from voxloop.verdict import Verdict


class LabelOpinion(Protocol):
    """What the rest of the data thinks of each label, arrays of length n."""

    @property
    def suspicious(self) -> Mask:
        """Labels that the others contradict."""

    @property
    def suggested(self) -> Names:
        """What each row sounds like."""

    @property
    def confidence(self) -> Numbers:
        """Probability of the given label, out of sample."""


class Suspects(Protocol):
    """Who forms the suspicions; `voxloop.adapters.cleanlab` does."""

    def suspect_labels(self, features: Numbers, labels: Names, speakers: Names, folds: int) -> LabelOpinion:
        """Predict each speaker's labels from the others'."""

    def suspect_within(self, features: Numbers, labels: Names, folds: int, below: float) -> LabelOpinion:
        """Predict one speaker's labels from the same speaker's other utterances."""

    def score_outliers(self, features: Numbers, config: OutlierConfig) -> Numbers:
        """Return how far each sound lies from the others, as a robust z."""

    def score_values(self, features: Numbers | None, values: Numbers, folds: int) -> Numbers:
        """Return the robust z of each number's residual, a row a speaker."""

    def robust_z(self, values: Numbers) -> Numbers:
        """Return the distance from the median in robust standard deviations."""


@dataclass
class Part:
    """What one kind of suspicion came to; `open_questions` are reasons why it cannot tell."""

    findings: list[GroupFinding] = field(default_factory=list)
    suspicious: list[Suspicious] = field(default_factory=list)
    open_questions: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def add_up(rows: AuditRows, parts: Sequence[Part], config: PoisonConfig | OwnConfig, task: str) -> PoisonReport:
    """Return the report of all parts: an alarm is FAIL, an open question or nothing looked at is CANNOT_TELL."""
    findings = [finding for part in parts for finding in part.findings]
    alarms = [f"{one.kind}: {one.reason()}" for one in findings if one.alarm]
    doubts = [why for part in parts for why in part.open_questions]
    return PoisonReport(
        verdict=Verdict.FAIL if alarms else Verdict.CANNOT_TELL if doubts or not parts else Verdict.PASS,
        task=task,
        compared_with=config.compare_with,
        rows=len(rows.ids),
        speakers=len(np.unique(rows.speakers)),
        sources=len(np.unique(rows.sources)),
        reasons=(*alarms, *doubts),
        notes=tuple(note for part in parts for note in part.notes),
        findings=tuple(findings),
        suspicious_total=sum(len(part.suspicious) for part in parts),
        suspicious=tuple(one for part in parts for one in part.suspicious[: config.listed]),
        thresholds=resolved(config),
    )


def name_suspicious(
    rows: AuditRows,
    mask: Mask,
    kind: str,
    given: Names | str,
    order: Numbers,
    scores: Numbers,
    suggested: Names | None = None,
) -> list[Suspicious]:
    """Name the suspicious utterances, worst (lowest in `order`) first."""
    worst: Sequence[int] = sorted(np.flatnonzero(mask).tolist(), key=lambda index: (order[index], rows.ids[index]))
    return [
        Suspicious(
            kind=kind,
            utterance_id=str(rows.ids[index]),
            speaker_id=str(rows.speakers[index]),
            source=str(rows.sources[index]),
            given=given if isinstance(given, str) else str(given[index]),
            suspected=None if suggested is None else str(suggested[index]),
            score=round(float(scores[index]), 6),
        )
        for index in worst
    ]
