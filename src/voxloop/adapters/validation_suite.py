"""The numbers of a validation suite and the report it ends in; light, so that a kept report is read at once."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Literal

from pydantic import Field

from voxloop.config import StrictModel
from voxloop.store.atomic import write_file
from voxloop.verdict import Verdict

REPORT_NAME = "report.json"
DOCS_FOLDER = "data_docs"


class DurationRange(StrictModel):
    """Bounds of an utterance's duration, in seconds."""

    minimum: float = Field(gt=0)
    maximum: float = Field(gt=0)


class SuiteConfig(StrictModel):
    """One file of `configs/validation`.

    Args:
        version: Counts the changes of the suite.
        minimum_rows: Fewest rows of each split; fewer are `CANNOT_TELL`.
        sample_rate: The one rate of all rows, in Hz.
        duration_s: Bounds of every row's duration.
        duration_tolerance_s: How far `duration_s` may lie from `num_samples / sample_rate`.
        label_column: Column the task learns.
        labels: What may stand in it.
        maximum_missing: Share of nulls a column may hold, by column, in [0, 1].
    """

    version: int = Field(ge=1)
    minimum_rows: dict[Literal["train", "dev", "test"], int]
    sample_rate: int = Field(gt=0)
    duration_s: DurationRange
    duration_tolerance_s: float = Field(ge=0)
    label_column: str
    labels: tuple[str, ...] = Field(min_length=2)
    maximum_missing: dict[str, float]


class Found(StrictModel):
    """What one expectation found.

    Args:
        name: The expectation, as Great Expectations calls it, with the rows it is about.
        column: Column it is about; None for the table.
        success: Whether it holds; None when it could not be computed.
        observed: What was seen: a value, a count, or the error.
        unexpected: How many rows break it; None where it is not about rows.
        verdict: What follows.
    """

    name: str
    column: str | None
    success: bool | None
    observed: str | None
    unexpected: int | None
    verdict: Verdict

    def line(self) -> str:
        """Return the finding as a line for a person."""
        about = f" of {self.column}" if self.column else ""
        seen = f", seen {self.observed}" if self.observed else ""
        rows = f", {self.unexpected} rows break it" if self.unexpected else ""
        return f"  {self.verdict:<11} {self.name}{about}{seen}{rows}"


class ValidationReport(StrictModel):
    """The content of `report.json`."""

    verdict: Verdict
    row_count: int | None
    expectations: tuple[Found, ...]

    def write(self, folder: Path) -> None:
        """Write `report.json` into `folder`."""
        text = json.dumps(self.model_dump(mode="json"), indent=2, sort_keys=True, ensure_ascii=False)
        write_file(folder / REPORT_NAME, text + "\n")

    def lines(self) -> list[str]:
        """Return the verdict and whatever speaks against the data, a line each."""
        objections = [found.line() for found in self.expectations if found.verdict is not Verdict.PASS]
        held = len(self.expectations) - len(objections)
        rows = "rows that could not be read" if self.row_count is None else f"{self.row_count} rows"
        return [f"data {self.verdict}: {held} of {len(self.expectations)} expectations hold on {rows}", *objections]


def report_crash(crash: Exception) -> ValidationReport:
    """Return the report of a validation that did not come to an end: it cannot tell."""
    text = f"{type(crash).__name__}: {' '.join(str(crash).split())}"
    found = Found(
        name="validation runs to its end",
        column=None,
        success=None,
        observed=text,
        unexpected=None,
        verdict=Verdict.CANNOT_TELL,
    )
    return ValidationReport(verdict=Verdict.CANNOT_TELL, row_count=None, expectations=(found,))


def read_report(folder: Path) -> ValidationReport:
    """Read the `report.json` a validation wrote."""
    return ValidationReport.model_validate_json((folder / REPORT_NAME).read_bytes())
