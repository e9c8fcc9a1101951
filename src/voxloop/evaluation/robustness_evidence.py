"""What an evaluation holds of changed conditions, read back and held against the answers it must agree with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pyarrow as pa

from voxloop.config import resolved
from voxloop.errors import IntegrityError
from voxloop.evaluation.answers import CHALLENGER, CHAMPION, Answers
from voxloop.evaluation.changed_answers import read_changed
from voxloop.evaluation.report import Evaluation, read_json_record
from voxloop.evaluation.robustness import (
    CHANGED_NAME,
    ROBUSTNESS_NAME,
    Changed,
    RobustnessReport,
    figure_robustness,
)
from voxloop.store.digests import digest_file
from voxloop.tasks import Task

TOLERANCE = 1e-9
"""How far a figure computed again may lie from the reported one: the rounding of a sum in another order."""


@dataclass(frozen=True)
class RobustnessEvidence:
    """The report, and the answers it was made from.

    Args:
        report: As it was written.
        table: Of `CHANGED_SCHEMA`.
        evaluation: The report on the rows as they are.
        whole: Answers to the first set as it is, by model.
        task: Family.
        encoding: The challenger's.
    """

    report: RobustnessReport
    table: pa.Table
    evaluation: Evaluation
    whole: Mapping[str, Answers]
    task: Task
    encoding: Any

    @cached_property
    def changed(self) -> Changed:
        """The answers under each condition beside those to the same rows as they are."""
        report = self.report
        return Changed(self.table, self.whole, report.changes, report.tests, self.task, self.encoding)

    @cached_property
    def problem(self) -> str:
        """Why nothing can be said by this evidence; empty where it is sound.

        Raises:
            InputError: The table has other rows than it must.
        """
        report, evaluation = self.report, self.evaluation
        champion = evaluation.champion.model_digest if evaluation.champion and len(self.whole[CHAMPION]) else None
        if (report.model_digest, report.champion_digest) != (evaluation.model_digest, champion):
            return "changed rows were asked of other models; evaluate again"
        if (report.task, report.evaluation_set) != (evaluation.task, evaluation.sets[0].name):
            return "changed rows are of another set or family; evaluate again"
        if self._is_asked_otherwise():
            return "changed rows were asked under other conditions than evaluation.json says; evaluate again"
        if not len(self.changed.clean[CHALLENGER]):
            return "no rows were asked again"
        figures = figure_robustness(self.changed, report.changes.level)
        agrees = is_near(figures.model_dump(mode="json"), report.figures.model_dump(mode="json"))
        return "" if agrees else f"{ROBUSTNESS_NAME} is not what its answers, computed again, come to"

    def _is_asked_otherwise(self) -> bool:
        told, report = self.evaluation.configuration, resolved(self.report)
        asked = (report["changes"], report["tests"])
        return told is not None and (told.get("changes"), told.get("behaviour")) != asked


def read_robustness(
    folder: Path, evaluation: Evaluation, whole: Mapping[str, Answers], task: Task, encoding: Any
) -> RobustnessEvidence | None:
    """Read what an evaluation folder holds of changed conditions; None where it holds no report of them.

    Raises:
        InputError: A file is missing or malformed.
        IntegrityError: The report was made from other answers than lie beside it.
    """
    if not (folder / ROBUSTNESS_NAME).is_file():
        return None
    report = read_json_record(RobustnessReport, folder / ROBUSTNESS_NAME)
    table = read_changed(folder / CHANGED_NAME)
    for what, stated, found in (
        (CHANGED_NAME, report.changed_digest, digest_file(folder / CHANGED_NAME)),
        ("the answers to the rows as they are", report.answers_digest, evaluation.answers_digest),
    ):
        if stated != found:
            raise IntegrityError(
                f"{what}: digest {found[:12]}",
                rule=f"{ROBUSTNESS_NAME} was made from {stated[:12]}",
                remedy="evaluate again",
            )
    return RobustnessEvidence(report, table, evaluation, whole, task, encoding)


def is_near(one: object, other: object) -> bool:
    """Return whether two JSON values are the same but for the rounding of their numbers."""
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(is_near(one[name], other[name]) for name in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(is_near(*pair) for pair in zip(one, other, strict=True))
    if isinstance(one, float) and isinstance(other, float):
        return abs(one - other) <= TOLERANCE * max(1.0, abs(one))
    return type(one) is type(other) and one == other
