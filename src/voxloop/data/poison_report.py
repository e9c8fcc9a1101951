"""`poison.json` and `poison.txt`: what the audit of a training split found, for the pipeline and for a person."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Literal

from voxloop.config import StrictModel
from voxloop.store.atomic import write_file
from voxloop.verdict import Verdict

REPORT_NAME = "poison.json"
TEXT_NAME = "poison.txt"

OWN_ONLY = (
    "each speaker was held against that speaker's own other utterances alone: labels turned as one, such as all of "
    "somebody's anger called fear or two emotions swapped, are not found, nor is a speaker who is foreign as a whole"
)
"""What `compare_with: own` cannot find; it stands beside every verdict of such an audit."""

Group = Literal["speaker", "source"]


class Suspicious(StrictModel):
    """One utterance (for `value`, one speaker) that does not look as it is labelled.

    Args:
        kind: `label`, `sound`, `transcript` or `value`.
        given: What stands in the dataset.
        suspected: What the others suggest instead; None where nothing does.
        score: How far out it lies: for labels the out-of-sample probability of the given one (low is bad), for the
            other kinds a robust z.
    """

    kind: str
    utterance_id: str
    speaker_id: str
    source: str
    given: str
    suspected: str | None
    score: float


class GroupFinding(StrictModel):
    """One speaker or source beside the rest.

    Args:
        kind: As in `Suspicious`; `relabelled` for a label that is missing here and seems to hide under another one.
        about: For `relabelled`, `given -> suspected`.
        expected: Suspicious share a clean group like it would have; without a p-value, the largest it may have.
        p_value: Probability of so many in a clean group; 1 where the excess is too small to matter. None where the
            group was held to `expected` itself.
        limit: The p-value under which it is an alarm: alpha, divided by the number of groups that were held to it.
    """

    group: Group
    name: str
    kind: str
    about: str = ""
    rows: int
    suspicious: int
    share: float
    expected: float
    p_value: float | None
    limit: float | None
    alarm: bool

    def line(self) -> str:
        """Return the finding as a line for a person."""
        what = f"{self.kind} {self.about}".strip()
        mark = "ALARM" if self.alarm else ""
        return (
            f"{mark:<6}{self.group:<8}{self.name:<24}{what:<32}{self.suspicious:>6} of {self.rows:<6} "
            f"{self.share:>6.1%}  {self._bound()}"
        )

    def reason(self) -> str:
        """Return the finding as a reason for a verdict."""
        what = f" ({self.about})" if self.about else ""
        return f"{self.group} {self.name}{what} has {self.suspicious} of {self.rows} suspicious, {self._bound()}"

    def _bound(self) -> str:
        if self.p_value is None or self.limit is None:
            return f"{self.expected:.1%} is the most"
        return f"{self.expected:.1%} expected, p {self.p_value:.2g} (limit {self.limit:.2g})"


class PoisonReport(StrictModel):
    """The content of `poison.json`.

    Args:
        policy: Name of the file in configs/poison, with what `--set` changed in it.
        compared_with: What each speaker was held against.
        reasons: Why it is not PASS; empty for PASS.
        notes: What was looked at and what could have been noticed.
        suspicious_total: How many are suspicious; `suspicious` lists the worst of them.
        thresholds: The configuration, as it was.
    """

    verdict: Verdict
    task: str
    policy: str = ""
    compared_with: Literal["others", "own"]
    rows: int
    speakers: int
    sources: int
    reasons: tuple[str, ...]
    notes: tuple[str, ...]
    findings: tuple[GroupFinding, ...]
    suspicious_total: int
    suspicious: tuple[Suspicious, ...]
    thresholds: dict[str, Any]

    def lines(self) -> list[str]:
        """Return the verdict and whatever stands in the way of a PASS, a line each."""
        by = f" under policy {self.policy}" if self.policy else ""
        head = f"poison {self.verdict}{by}: {self.suspicious_total} suspicions in {self.rows} training rows"
        claim = [OWN_ONLY] if self.compared_with == "own" else []
        said = (f"  {why}" for why in (*self.reasons, *claim))
        return [f"{head} of {self.speakers} speakers, {self.sources} sources", *said]

    def write(self, folder: Path) -> None:
        """Write `poison.json` and `poison.txt` into `folder`."""
        text = json.dumps(self.model_dump(mode="json"), indent=2, sort_keys=True, ensure_ascii=False)
        write_file(folder / REPORT_NAME, text + "\n")
        write_file(folder / TEXT_NAME, "\n".join(self._page()) + "\n")

    def _page(self) -> list[str]:
        some = [one for one in self.findings if one.suspicious]
        tables = sorted(
            some, key=lambda one: (not one.alarm, one.group != "source", one.p_value or 0.0, -one.share, one.name)
        )
        shown = [
            f"{one.kind:<12}{one.utterance_id:<32}{one.speaker_id:<20}{one.given:<16}"
            f"{one.suspected or '-':<16}{one.score:.3g}"
            for one in self.suspicious
        ]
        heads = f"{'kind':<12}{'utterance':<32}{'speaker':<20}{'given':<16}{'suspected':<16}score"
        return [
            *self.lines(),
            *(f"  {note}" for note in self.notes),
            "",
            "Speakers and sources",
            *(finding.line() for finding in tables),
            f"      {len(self.findings) - len(some)} more comparisons without anything suspicious",
            "",
            f"Suspicious, worst first ({len(shown)} of {self.suspicious_total})",
            heads,
            *shown,
        ]


def report_crash(crash: Exception, task: str, compared_with: Literal["others", "own"]) -> PoisonReport:
    """Return the report of an audit that did not come to an end: it cannot tell."""
    why = f"the audit stopped: {type(crash).__name__}: {' '.join(str(crash).split())}"
    return cannot_tell((why,), task=task, compared_with=compared_with)


def cannot_tell(
    reasons: tuple[str, ...],
    *,
    task: str,
    compared_with: Literal["others", "own"],
    rows: int = 0,
    speakers: int = 0,
    sources: int = 0,
) -> PoisonReport:
    """Return a report without findings."""
    return PoisonReport(
        verdict=Verdict.CANNOT_TELL,
        task=task,
        compared_with=compared_with,
        rows=rows,
        speakers=speakers,
        sources=sources,
        reasons=reasons,
        notes=(),
        findings=(),
        suspicious_total=0,
        suspicious=(),
        thresholds={},
    )


def read_report(folder: Path) -> PoisonReport:
    """Read the `poison.json` an audit wrote."""
    return PoisonReport.model_validate_json((folder / REPORT_NAME).read_bytes())
