"""Clocks that jump: rows whose time cannot be right, so that nobody knows which window they are of."""

from __future__ import annotations

import re
from collections import defaultdict
from datetime import datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from voxloop.monitoring.prediction_files import WRITER, list_batches
from voxloop.monitoring.request_ids import moment_of

_NUMBERED = re.compile(rf"({WRITER.pattern})-(\d{{8}})-\d+\.parquet")
Span = tuple[datetime, datetime]


def find_clock_problems(
    table: pa.Table, place: Path, family: str, start: datetime, end: datetime, *, tolerance: timedelta
) -> list[str]:
    """Return what is wrong with the times of a window's rows; nothing where they can be right.

    Args:
        table: Rows with `at` and `request_id`.
        place: Folder of the log.
        family: Whose.
        start: Of the window.
        end: Of the window.
        tolerance: By how much times may disagree: a request takes its time, and a row waits to be measured.
    """
    outside = count_outside(table, start, end)
    apart = count_apart(table, tolerance)
    back = count_backward_steps(place, family, start, end, tolerance)
    seconds = f"{tolerance.total_seconds():g} s"
    told = (
        (outside, f"{outside} rows are outside of the window"),
        (apart, f"{apart} rows are more than {seconds} from the time in their request's id: a clock has jumped"),
        (back, f"{back} times a later batch has rows more than {seconds} older: a clock ran backwards"),
    )
    return [text for count, text in told if count]


def count_outside(table: pa.Table, start: datetime, end: datetime) -> int:
    """Return how many rows are not of [start, end)."""
    inside = pc.and_(pc.greater_equal(table["at"], start), pc.less(table["at"], end))
    return len(table) - int(pc.sum(inside).as_py() or 0)


def count_apart(table: pa.Table, tolerance: timedelta) -> int:
    """Return how many rows left further from the moment their request came than is allowed, where its id says when."""
    pairs = zip(table["at"].to_pylist(), table["request_id"].to_pylist(), strict=True)
    came = ((at, moment_of(request_id)) for at, request_id in pairs)
    return sum(moment is not None and abs(at - moment) > tolerance for at, moment in came)


def count_backward_steps(place: Path, family: str, start: datetime, end: datetime, tolerance: timedelta) -> int:
    """Return how often a writer's later batch begins before what an earlier one had reached.

    Args:
        place: Folder of the log.
        family: Whose.
        start: Of the window.
        end: Of the window.
        tolerance: By how much it may.
    """
    batches: defaultdict[str, list[tuple[int, Span]]] = defaultdict(list)
    for path in list_batches(place, family, start, end):
        match, span = _NUMBERED.fullmatch(path.name), _read_span(path)
        if match and span:
            batches[match[1]].append((int(match[2]), span))
    steps = 0
    for spans in batches.values():
        reached = None
        for _, (first, last) in sorted(spans):
            steps += reached is not None and first < reached - tolerance
            reached = last if reached is None else max(reached, last)
    return steps


def _read_span(path: Path) -> Span | None:
    """Return the earliest and the latest row of a file; None where nobody can read it."""
    try:
        found = pc.min_max(pq.read_table(path, columns=["at"])["at"]).as_py()
    except (OSError, pa.ArrowException, UnicodeDecodeError):
        return None
    return (found["min"], found["max"]) if found["min"] is not None else None
