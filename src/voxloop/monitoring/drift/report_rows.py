"""The rows that a page of a window is drawn from: of the window, and of the reference as far as they are left.

A reference is kept as a profile, which no page can be drawn from; the rows it counted lie in the prediction log, until
`voxloop gc` takes their days away.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np

from voxloop.errors import RefusedError
from voxloop.monitoring.drift.columns import Column
from voxloop.monitoring.drift.holding import Held, hold_against
from voxloop.monitoring.drift.policy import DriftPolicy, ReportConfig
from voxloop.monitoring.drift.profile import PredictionColumns, Profile, is_same, make_profile
from voxloop.monitoring.drift.profile_file import ReferenceFile
from voxloop.monitoring.drift.window import LogWindow, read_predictions


@dataclass(frozen=True)
class ReportRows:
    """What a page is drawn from.

    Args:
        columns: With the reference's bins.
        reference: Rows of the reference, some of them where there are many.
        window: Rows of the window, the same.
        said: What a reader must know of these rows.
    """

    columns: tuple[Column, ...]
    reference: PredictionColumns
    window: PredictionColumns
    said: tuple[str, ...]


def read_report_rows(
    place: Path, reference: ReferenceFile, policy: DriftPolicy, start: datetime, end: datetime
) -> ReportRows:
    """Read the rows of a window and those that what it was held against was made of.

    Args:
        place: Folder of the prediction log.
        reference: What the window was held against.
        policy: How many rows are taken.
        start: Of the window, aware.
        end: Of the window.

    Raises:
        InputError: The reference is kept by another season than the policy's.
        RefusedError: Too few rows of the reference are left, or there are none of the window.
    """
    held = hold_against(reference, policy, start, end)
    before = _take_slots(_read(place, reference.family, reference.since, reference.until, policy), reference, held)
    after = _read(place, reference.family, start, end, policy)
    left = tell_what_is_left(held.profile, before, policy)
    if not after.predictions.row_count:
        raise RefusedError(
            f"no row of {start.isoformat()} to {end.isoformat()} is in the prediction log",
            rule="a page is drawn from rows",
            remedy="ask for a window whose days are still kept (configs/retention.yaml, prediction_days)",
        )
    generator = np.random.default_rng(policy.report.seed)
    whose = f"the reference ({held.name})" if held.slots else "the reference"
    old, said_old = sample_rows(before, whose, policy.report, generator)
    new, said_new = sample_rows(after.predictions, "the window", policy.report, generator)
    return ReportRows(reference.columns, old, new, (*left, said_old, said_new))


def tell_what_is_left(reference: Profile, read: PredictionColumns, policy: DriftPolicy) -> Sequence[str]:
    """Return what is to be said of the rows that were read in the reference's span; nothing where they are the same.

    Args:
        reference: What was made of them.
        read: What the log has of its span and slots now.
        policy: How many there must be.

    Raises:
        RefusedError: Too few are left.
    """
    rows = read.row_count
    told = f"{rows:,} of the {reference.row_count:,} rows that the reference was made of are in the prediction log"
    if rows < policy.check.least_rows:
        raise RefusedError(
            told,
            rule=f"a page is drawn from rows, of the reference {policy.check.least_rows} at least; a profile has none",
            remedy="the distances stand in report.json; make another reference, or keep more prediction_days "
            "(configs/retention.yaml)",
        )
    if is_same(reference, make_profile(reference.family, reference.columns, read)):
        return ()
    return (f"{told}, or others than it counted: distances here may differ from those that were judged",)


def sample_rows(
    predictions: PredictionColumns, whose: str, config: ReportConfig, generator: np.random.Generator
) -> tuple[PredictionColumns, str]:
    """Return as many rows as a page takes, drawn without replacement, and what is to be said of them."""
    rows = predictions.row_count
    if rows <= config.rows:
        return predictions, f"all {rows:,} rows of {whose}"
    chosen = np.sort(generator.choice(rows, config.rows, replace=False)).astype(np.int64)
    return predictions.take(chosen), f"{config.rows:,} of {rows:,} rows of {whose}, drawn with seed {config.seed}"


def _take_slots(read: LogWindow, reference: ReferenceFile, held: Held) -> PredictionColumns:
    """Return the rows of the slots that a window was held against."""
    if held.slots is None:
        return read.predictions
    wanted = np.isin(reference.season.find_slots(read.moments), held.slots)
    return read.predictions.take(np.flatnonzero(wanted))


def _read(place: Path, family: str, start: datetime, end: datetime, policy: DriftPolicy) -> LogWindow:
    tolerance = timedelta(seconds=policy.clock_seconds)
    return read_predictions(place, family, start, end, most_lost=policy.most_lost, tolerance=tolerance)
