"""`leakage.json`: what was found of the evaluation among the training data."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Literal

from voxloop.config import StrictModel
from voxloop.store.atomic import write_file
from voxloop.verdict import Verdict

REPORT_NAME = "leakage.json"

Kind = Literal["speaker", "session", "utterance", "exact", "near", "hidden speaker", "sentence", "entered training"]
KINDS: dict[Kind, str] = {
    "speaker": "a speaker is on both sides",
    "session": "a recording session is on both sides",
    "utterance": "an utterance id is on both sides",
    "exact": "the same bytes, or the same samples in other bytes",
    "near": "the same recording: encoded again, louder, shifted, cut or noisy",
    "hidden speaker": "the same recording under two speakers' names: one of them is the other",
    "sentence": "the same sentence",
    "entered training": "an utterance of a frozen set has since entered training",
}
"""The kinds of leak, and what each means."""


class LeakPair(StrictModel):
    """One training utterance, the evaluation utterance it gives away, and why."""

    train: str
    evaluation: str
    reason: str


class LeakFinding(StrictModel):
    """All leaks of one kind into one side.

    Args:
        kind: See `KINDS`.
        side: `dev`, `test`, or the frozen set.
        blocks: Whether it forbids training; otherwise it is only reported.
        train_utterances: How many training utterances it is about.
        evaluation_utterances: How many of the side's.
        values: How many different speakers, sessions, utterances, recordings or sentences.
        pairs: The first of them.
    """

    kind: Kind
    side: str
    blocks: bool
    train_utterances: int
    evaluation_utterances: int
    values: int
    pairs: tuple[LeakPair, ...]

    def line(self) -> str:
        """Return the finding as a line for a person."""
        first = self.pairs[0]
        weight = "blocks" if self.blocks else "reported"
        return (
            f"  {weight:<9} {self.kind} in {self.side}: {self.train_utterances} training and "
            f"{self.evaluation_utterances} evaluation utterances, such as {first.train} and {first.evaluation} "
            f"({first.reason})"
        )


class SideSummary(StrictModel):
    """What training was compared with.

    Args:
        name: `dev`, `test`, or `<task>/<domain>-<date>`.
        digest: Of a frozen set; empty for a split of the dataset.
        utterances: Its size; 0 cannot tell, unless an erasure left nothing of a frozen set.
        too_short: Sounds that no fingerprint compares, only their bytes and samples.
    """

    name: str
    digest: str
    utterances: int
    too_short: int


class LeakageReport(StrictModel):
    """The content of `leakage.json`."""

    verdict: Verdict
    task: str
    train_utterances: int
    train_too_short: int
    sides: tuple[SideSummary, ...]
    findings: tuple[LeakFinding, ...]
    doubts: tuple[str, ...]
    """Why nothing can be told, a sentence each."""
    config: dict[str, Any]
    fingerprint_version: int
    normaliser_version: str

    def write(self, folder: Path) -> None:
        """Write `leakage.json` into `folder`."""
        text = json.dumps(self.model_dump(mode="json"), indent=2, sort_keys=True, ensure_ascii=False)
        write_file(folder / REPORT_NAME, text + "\n")

    @property
    def blocking(self) -> tuple[LeakFinding, ...]:
        """Return the findings that forbid training."""
        return tuple(finding for finding in self.findings if finding.blocks)

    def count(self, kind: Kind, side: str) -> int:
        """Return how many evaluation utterances of a side are given away in one way."""
        return sum(one.evaluation_utterances for one in self.findings if (one.kind, one.side) == (kind, side))

    def lines(self) -> list[str]:
        """Return the verdict, what it rests on, and every finding, a line each."""
        against = ", ".join(f"{side.name} ({side.utterances})" for side in self.sides) or "nothing"
        head = f"leakage {self.verdict}: {self.train_utterances} training utterances against {against}"
        return [head, *(f"  CANNOT_TELL {doubt}" for doubt in self.doubts), *(one.line() for one in self.findings)]


def judge(findings: Iterable[LeakFinding], doubts: Iterable[str]) -> Verdict:
    """Return the verdict: what blocks is FAIL, a doubt is CANNOT_TELL, and a FAIL is certain in spite of doubts."""
    said = [Verdict.FAIL for finding in findings if finding.blocks]
    return Verdict.combine([*said, *(Verdict.CANNOT_TELL for _ in doubts), Verdict.PASS])


def report_crash(task: str, crash: BaseException) -> LeakageReport:
    """Return the report of a search that did not come to an end: it cannot tell."""
    return LeakageReport(
        verdict=Verdict.CANNOT_TELL,
        task=task,
        train_utterances=0,
        train_too_short=0,
        sides=(),
        findings=(),
        doubts=(f"the search did not end: {type(crash).__name__}: {' '.join(str(crash).split())}",),
        config={},
        fingerprint_version=0,
        normaliser_version="",
    )


def read_report(folder: Path) -> LeakageReport:
    """Read the `leakage.json` a search wrote."""
    return LeakageReport.model_validate_json((folder / REPORT_NAME).read_bytes())
