"""Evidently: a page a person reads of a window that has drifted, with what it says at the quick check's thresholds.

It measures from rows what the quick check measures from counts. PSI and Jensen-Shannon are of the same bins: they are
given to Evidently as categories. It speaks of Jensen-Shannon in nats, the quick check in bits; the threshold goes with
the unit. What is not the same: Evidently gives an empty bin a share of 1e-4 in PSI and none in Jensen-Shannon, where
the quick check adds half a row to each; its Wasserstein distance is of the values, not of the bins' means, and so
grows beyond the last of them; and it sees the rows drawn for the page. Of a distance near its threshold the two may
say different things, and the page lists which.

No request leaves the machine: Evidently's telemetry is that of its server alone, and the page may load nothing.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from voxloop.data.report_markup import make_note, make_section
from voxloop.monitoring.drift.check import Finding
from voxloop.monitoring.drift.columns import Coded, Column, place_values
from voxloop.monitoring.drift.measures import JENSEN_SHANNON, PSI, WASSERSTEIN
from voxloop.monitoring.drift.profile import PredictionColumns
from voxloop.monitoring.drift.report_rows import ReportRows

METHODS = {PSI: "psi", JENSEN_SHANNON: "jensenshannon", WASSERSTEIN: "wasserstein"}
UNITS = {JENSEN_SHANNON: math.sqrt(math.log(2))}
"""What a distance of the quick check is in Evidently's unit; 1 for the others."""
MISSING, UNKNOWN_LABEL = "no value", "a label that the reference has not"
DIFFERENCES = (
    "Bins are those of the reference. Evidently's Jensen-Shannon is in nats, thresholds with it; it fills empty bins "
    "otherwise, and takes values where the quick check takes the means of bins: near a threshold the two may differ."
)
POLICY = (
    "default-src 'none'; script-src 'unsafe-inline' 'unsafe-eval'; style-src 'unsafe-inline'; font-src data:; "
    "img-src data: blob:"
)
"""What a browser lets the page do: run what stands in it, load nothing."""


@dataclass(frozen=True)
class Comparison:
    """A distance as the quick check and Evidently see it.

    Args:
        ours: Of the quick check.
        value: Evidently's, in our unit; None where it does not measure it.
        has_drifted: Whether Evidently says drift at our threshold; None where it does not measure it.
    """

    ours: Finding
    value: float | None
    has_drifted: bool | None

    @property
    def is_same(self) -> bool:
        """Whether both say the same."""
        return self.has_drifted is self.ours.is_beyond

    def __str__(self) -> str:
        """Both words, in one line."""
        ours = f"{self.ours.measure} of {self.ours.column} is {self.ours.value:.4g}"
        theirs = "is not measured by Evidently" if self.value is None else f"{self.value:.4g} by Evidently"
        return f"{ours}, {theirs}; the threshold is {self.ours.threshold:.4g}"


def draw_page(rows: ReportRows, findings: Sequence[Finding], title: str) -> tuple[str, tuple[Comparison, ...]]:
    """Draw the page of a window.

    Args:
        rows: What it is drawn from; speakers and models stay out of it.
        findings: Every distance of the quick check, with its threshold.
        title: One line: what is compared.

    Returns:
        HTML, and each distance as both see it.

    Raises:
        Exception: Whatever Evidently runs into; the caller decides what it means.
    """
    compared = {finding.column for finding in findings}
    measured = [finding for finding in findings if finding.measure in METHODS]
    columns = [column for column in rows.columns if column.name in compared]
    before, after = (make_frame(columns, side) for side in (rows.reference, rows.window))
    # A column without any value is an error to Evidently.
    known = [name for name in before if before[name].notna().any() and after[name].notna().any()]
    snapshot = run_report(
        before[known], after[known], columns, [one for one in measured if name_column(one, columns) in known]
    )
    words = read_words(snapshot)
    asked = {one: (name_column(one, columns), METHODS[one.measure]) for one in measured}
    # What it is not asked for, the classifier of embeddings, is a line of the page.
    comparisons = tuple(_compare(one, words.get(asked[one]) if one in asked else None) for one in findings)
    return _write_page(snapshot.get_html_str(as_iframe=False), title, rows.said, comparisons), comparisons


def make_frame(columns: Sequence[Column], predictions: PredictionColumns) -> pd.DataFrame:
    """Return the values of each column and, beside the numbers, the bins they are in; no value where none is known.

    Args:
        columns: With the reference's bins.
        predictions: Their values.
    """
    frame: dict[str, Any] = {}
    for column in columns:
        values, skipped = predictions.values[column.name], predictions.skipped.get(column.name)
        bins = np.array(name_bins(column), dtype=object)[place_values(column, values)]
        if skipped is not None:
            bins[skipped] = None
        frame[name_binned(column)] = bins
        if not isinstance(values, Coded):
            frame[column.name] = values if skipped is None else np.where(skipped, np.nan, values)
    return pd.DataFrame(frame)


def name_binned(column: Column) -> str:
    """Return the name of a column's bins in a frame: a label is its own bin."""
    return f"{column.name} (bins)" if column.is_numeric else column.name


def name_bins(column: Column) -> list[str]:
    """Return what each bin of a column is called."""
    if not column.is_numeric:
        return [*column.labels, UNKNOWN_LABEL, MISSING]
    edges = [f"{edge:.4g}" for edge in column.edges]
    spans = zip(["-∞", *edges], [*edges, "∞"], strict=True)
    return [*(f"{number:02}: {low} to {high}" for number, (low, high) in enumerate(spans, start=1)), MISSING]


def name_column(finding: Finding, columns: Sequence[Column]) -> str:
    """Return the column of a frame that a distance is measured of: a number's bins, but for Wasserstein."""
    (column,) = (one for one in columns if one.name == finding.column)
    return column.name if finding.measure == WASSERSTEIN else name_binned(column)


def run_report(
    before: pd.DataFrame, after: pd.DataFrame, columns: Sequence[Column], measured: Sequence[Finding]
) -> Any:
    """Return Evidently's report: its drift preset, and every distance of the quick check at its threshold.

    Args:
        before: Of the reference.
        after: Of the window, with the same columns.
        columns: Whose they are.
        measured: Distances of what is in them, one at least.
    """
    asked = [(name_column(one, columns), one) for one in measured]
    # One distance a column in the preset, which says of all what has drifted: Wasserstein, of labels Jensen-Shannon.
    first = {name: one for name, one in asked if name == one.column}
    with open_evidently() as evidently:
        from evidently.metrics import ValueDrift
        from evidently.presets import DataDriftPreset

        preset = DataDriftPreset(
            columns=[*first],
            drift_share=1 / max(1, len(first)),  # one column is drift, as for the quick check
            per_column_method={name: METHODS[one.measure] for name, one in first.items()},
            per_column_threshold={name: _threshold(one) for name, one in first.items()},
        )
        further = [
            ValueDrift(column=name, method=METHODS[one.measure], threshold=_threshold(one))
            for name, one in asked
            if one is not first.get(name)
        ]
        numbers = {column.name for column in columns if column.is_numeric}
        kinds = evidently.DataDefinition(
            numerical_columns=[name for name in before if name in numbers],
            categorical_columns=[name for name in before if name not in numbers],
        )
        sides = [evidently.Dataset.from_pandas(side, data_definition=kinds) for side in (after, before)]
        return evidently.Report([preset, *further] if first else further, include_tests=True).run(*sides)


@contextmanager
def open_evidently() -> Iterator[Any]:
    """Give Evidently: it takes ten seconds to import, and uses names that numpy and litestar take back."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        import evidently
    yield evidently


def read_words(snapshot: Any) -> Mapping[tuple[str, str], tuple[float, bool]]:
    """Return the value and Evidently's word of each distance, by column and method.

    Args:
        snapshot: What a report has found.
    """
    told = snapshot.dict()
    values = {one["id"]: float(one["value"]) for one in told["metrics"] if one["config"].get("column")}
    words = {}
    for test in told["tests"]:
        of = test["metric_config"]["params"]
        identity = test["metric_config"]["metric_id"]
        if identity in values:
            words[of["column"], of["method"]] = (values[identity], test["status"] == "FAIL")
    return words


def _threshold(finding: Finding) -> float:
    return finding.threshold * UNITS.get(finding.measure, 1.0)


def _compare(finding: Finding, found: tuple[float, bool] | None) -> Comparison:
    if found is None:
        return Comparison(finding, None, None)
    return Comparison(finding, found[0] / UNITS.get(finding.measure, 1.0), found[1])


def _write_page(drawn: str, title: str, said: Sequence[str], comparisons: Sequence[Comparison]) -> str:
    """Return Evidently's page under what a reader must know first.

    Raises:
        ValueError: It is no page of the form that is known.
    """
    same = sum(one.is_same for one in comparisons)
    lines = (
        *said,
        f"Evidently says the same as the quick check of {same} of {len(comparisons)} distances, at its thresholds.",
        *(str(one) for one in comparisons if not one.is_same),
        DIFFERENCES,
    )
    head = f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">'
    section = make_section(title, *map(make_note, lines))
    for mark, more in (("<head>", head), ("<body>", section)):
        if drawn.count(mark) < 1:
            raise ValueError(f"Evidently's page has no {mark}")
        drawn = drawn.replace(mark, f"{mark}\n{more}", 1)
    return drawn
