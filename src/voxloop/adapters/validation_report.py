"""What a validation ends in; light, so that a kept report is read at once."""

from __future__ import annotations

import json
from pathlib import Path

from voxloop.config import StrictModel
from voxloop.store.atomic import write_file
from voxloop.verdict import Verdict

REPORT_NAME = "report.json"
DOCS_FOLDER = "data_docs"
_SHOWN = 3  # failing rows on a line; all that are named stand in the report


class Found(StrictModel):
    """What one check found.

    Args:
        check: What is asked, in words.
        expectation: The expectation that asked, as Great Expectations calls it; None when the answer needed none.
        column: Column it is about; None for the table.
        success: Whether it holds; None when it could not be computed.
        observed: What was seen: a value, a count, or the error.
        allowed: What may be seen.
        unexpected: How many rows break it; None where it is not about rows.
        rows: The first rows that break it, by utterance_id; by their place where they have none.
        verdict: What follows.
    """

    check: str
    expectation: str | None = None
    column: str | None = None
    success: bool | None
    observed: str | None = None
    allowed: str | None = None
    unexpected: int | None = None
    rows: tuple[str, ...] = ()
    verdict: Verdict

    def line(self) -> str:
        """Return the finding as a line for a person."""
        about = f"{self.column}: {self.check}" if self.column else self.check
        allowed = f", allowed {self.allowed}" if self.allowed and self.success is False else ""
        seen = f", seen {self.observed}" if self.observed else ""
        return f"  {self.verdict:<11} {about}{seen}{allowed}{self._broken_by()}"

    def _broken_by(self) -> str:
        if not self.unexpected:
            return ""
        more = ", …" if self.unexpected > min(_SHOWN, len(self.rows)) else ""
        named = f": {', '.join(self.rows[:_SHOWN])}{more}" if self.rows else ""
        return f"; {self.unexpected} {'row breaks' if self.unexpected == 1 else 'rows break'} it{named}"


class ValidationReport(StrictModel):
    """The content of `report.json`."""

    verdict: Verdict
    row_count: int | None
    compared_with: str
    """The dataset accepted last, by the digest of its profile; in words when there is none."""
    expectations: tuple[Found, ...]

    def write(self, folder: Path) -> None:
        """Write `report.json` into `folder`."""
        text = json.dumps(self.model_dump(mode="json"), indent=2, sort_keys=True, ensure_ascii=False)
        write_file(folder / REPORT_NAME, text + "\n")

    def lines(self) -> list[str]:
        """Return the verdict, what was compared with, and whatever speaks against the data, a line each."""
        objections = [found.line() for found in self.expectations if found.verdict is not Verdict.PASS]
        held = len(self.expectations) - len(objections)
        rows = "rows that could not be read" if self.row_count is None else f"{self.row_count} rows"
        return [
            f"data {self.verdict}: {held} of {len(self.expectations)} checks hold on {rows}",
            f"  compared with {self.compared_with}",
            *objections,
        ]


def report_crash(crash: Exception) -> ValidationReport:
    """Return the report of a validation that did not come to an end: it cannot tell."""
    text = f"{type(crash).__name__}: {' '.join(str(crash).split())}"
    found = Found(check="the validation runs to its end", success=None, observed=text, verdict=Verdict.CANNOT_TELL)
    return ValidationReport(
        verdict=Verdict.CANNOT_TELL, row_count=None, compared_with="nothing: it crashed", expectations=(found,)
    )


def read_report(folder: Path) -> ValidationReport:
    """Read the `report.json` a validation wrote."""
    return ValidationReport.model_validate_json((folder / REPORT_NAME).read_bytes())
