"""Reading the prediction log: a window in one pass, and an account of everything that could not be read."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from voxloop.errors import InputError
from voxloop.monitoring.prediction import PREDICTIONS, SCHEMA_VERSION, VERSION_KEY
from voxloop.monitoring.prediction_files import list_batches, list_losses, read_loss

AUDIO = "audio"


@dataclass(frozen=True)
class Window:
    """What production said in a window, and what is not known of it.

    Args:
        table: Rows of `PREDICTIONS` without the columns that were not asked for, by time and request.
        files: How many were read.
        unreadable: Files that nobody can read, or whose columns are not of their kind, each with the reason.
        unknown_columns: In how many files a column of this name stands that this version does not know; left out.
        missing_columns: In how many files a column is missing; null in their rows.
        other_schemas: How many files have another version of the schema.
        lost: Rows that were given and never written, by notes that concern the window: at least those of it.
        lost_unknown: Notes that do not say how many were lost, or cannot be read.
    """

    table: pa.Table
    files: int
    unreadable: Mapping[str, str]
    unknown_columns: Mapping[str, int]
    missing_columns: Mapping[str, int]
    other_schemas: Mapping[str, int]
    lost: int
    lost_unknown: int

    @property
    def is_whole(self) -> bool:
        """Whether everything that was said is here, as far as anybody can know."""
        return not (self.unreadable or self.missing_columns or self.lost or self.lost_unknown)


def read_window(
    place: Path,
    family: str,
    start: datetime,
    end: datetime,
    *,
    columns: Sequence[str] | None = None,
    requests: Collection[str] | None = None,
) -> Window:
    """Read the rows of a family of [start, end).

    Args:
        place: Folder of the log; without it there are no rows.
        family: Whose.
        start: Aware.
        end: Aware, after it.
        columns: Of `PREDICTIONS`; all but the sound when None.
        requests: Rows of these alone, by id, which must be a column; of all when None. No more than one file is held
            with the rows of others: a window of sound may be larger than the memory.

    Raises:
        InputError: A moment has no time zone, the window is empty, or there is no such column.
    """
    wanted = _check(start, end, columns)
    tally = _Tally()
    some = None if requests is None else pa.array(sorted(requests), pa.string())
    tables = [
        _take_rows(table, start, end, some)
        for path in list_batches(place, family, start, end)
        if (table := _read_file(path, wanted, tally)) is not None
    ]
    whole = pa.concat_tables([wanted.empty_table(), *tables])
    lost, unknown = _count_lost(place, start, end)
    return Window(
        table=whole.sort_by(
            [(name, "ascending") for name in ("at", "request_id", "is_shadow") if name in wanted.names]
        ),
        files=len(tables),
        unreadable=tally.unreadable,
        unknown_columns=tally.unknown,
        missing_columns=tally.missing,
        other_schemas=tally.schemas,
        lost=lost,
        lost_unknown=unknown,
    )


def _take_rows(table: pa.Table, start: datetime, end: datetime, requests: pa.Array | None) -> pa.Table:
    within = pc.and_(pc.greater_equal(table["at"], start), pc.less(table["at"], end))
    return table.filter(
        within if requests is None else pc.and_(within, pc.is_in(table["request_id"], value_set=requests))
    )


class _Tally:
    """What was met in the files of a window."""

    def __init__(self) -> None:
        self.unreadable: dict[str, str] = {}
        self.unknown: Counter[str] = Counter()
        self.missing: Counter[str] = Counter()
        self.schemas: Counter[str] = Counter()


def _check(start: datetime, end: datetime, columns: Sequence[str] | None) -> pa.Schema:
    """Return the schema of what is asked for, its columns nullable: an older file may lack one."""
    if start.tzinfo is None or end.tzinfo is None or start >= end:
        raise InputError(
            f"a window from {start} to {end}", rule="two moments with a time zone, the later last", remedy="give others"
        )
    names = [name for name in PREDICTIONS.names if name != AUDIO] if columns is None else ["at", *columns]
    if unknown := sorted({*names} - {*PREDICTIONS.names}):
        raise InputError(
            f"no column {unknown[0]!r} in the prediction log",
            rule=f"there are {', '.join(PREDICTIONS.names)}",
            remedy="name some of them",
        )
    return pa.schema([field.with_nullable(True) for field in PREDICTIONS if field.name in names])


def _read_file(path: Path, wanted: pa.Schema, tally: _Tally) -> pa.Table | None:
    try:
        with pq.ParquetFile(path) as file:
            there, metadata = file.schema_arrow, file.metadata.metadata or {}
            names = [name for name in wanted.names if name in there.names]
            if "at" not in names:
                raise pa.ArrowInvalid("it has no column `at`")
            table = file.read(columns=names)
        arrays = [
            table[field.name].cast(field.type) if field.name in names else pa.nulls(len(table), field.type)
            for field in wanted
        ]
    except (OSError, pa.ArrowException, UnicodeDecodeError) as unreadable:
        tally.unreadable[path.name] = str(unreadable)[:200]
        return None
    tally.unknown.update(name for name in there.names if name not in PREDICTIONS.names)
    tally.missing.update(name for name in wanted.names if name not in names)
    version = metadata.get(VERSION_KEY, b"none").decode(errors="replace")
    if version != SCHEMA_VERSION:
        tally.schemas[version] += 1
    return pa.Table.from_arrays(arrays, schema=wanted)


def _count_lost(place: Path, start: datetime, end: datetime) -> tuple[int, int]:
    lost = unknown = 0
    for path in list_losses(place, start):
        loss = read_loss(path)
        if loss is None:
            unknown += 1
        elif loss.since < end and loss.until >= start:
            lost, unknown = lost + (loss.rows or 0), unknown + (loss.rows is None)
    return lost, unknown
