"""Where the prediction log lies: one file a batch and family, in a folder of its day and hour, whole or not at all.

    <place>/<family>/2026-11-29/09/<writer>-<batch>-<rows>.parquet
    <place>/losses/2026-11-29/<writer>-<note>.json
    <place>/writers/<writer>.journal

Days stand in the path, so `voxloop gc` can take them away and a window is read without looking at any other day.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from voxloop.store.atomic import sync_folder, write_file

OWNER_ALONE = 0o600
LOSSES, WRITERS = "losses", "writers"
WRITER = re.compile(r"\d{8}T\d{6}-[0-9a-f]{8}")
"""Name of one run of one writer."""
_BATCH = re.compile(rf"({WRITER.pattern})-(\d{{8}})-(\d+)\.parquet")
_NOTE = re.compile(rf"({WRITER.pattern})-(\d{{8}})\.json")


@dataclass(frozen=True)
class Loss:
    """Rows that were given and not written.

    Args:
        writer: Whose.
        since: Not before, aware.
        until: Not after.
        rows: How many; None when it cannot be told.
        why: `queue full`, `unwritable`, `unfit` or `killed`, and how many of each.
    """

    writer: str
    since: datetime
    until: datetime
    rows: int | None
    why: dict[str, int]


def hour_folder(place: Path, family: str, at: datetime) -> Path:
    """Return the folder of the rows of an hour."""
    utc = at.astimezone(UTC)
    return place / family / f"{utc:%Y-%m-%d}" / f"{utc:%H}"


def write_batch(folder: Path, place: Path, writer: str, number: int, table: pa.Table) -> Path:
    """Write a table whole, and be sure that it has reached the disk.

    Args:
        folder: Of its family and hour.
        place: Of the whole log.
        writer: Name of this run.
        number: Of this file, by which it is known.
        table: One row at least.

    Raises:
        OSError: It cannot be written; then it is not there.
    """
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, compression="zstd")
    is_new = not folder.exists()
    path = folder / f"{writer}-{number:08d}-{table.num_rows}.parquet"
    write_file(path, sink.getvalue().to_pybytes(), mode=OWNER_ALONE)
    if is_new:
        for parent in folder.parents:
            sync_folder(parent)
            if parent == place:
                break
    return path


def count_rows(place: Path, writer: str, after: int) -> int:
    """Return the rows in a writer's files of a higher number, by their names."""
    found = (_BATCH.fullmatch(path.name) for path in place.glob(f"*/*/*/{writer}-*.parquet"))
    return sum(int(match[3]) for match in found if match and int(match[2]) > after)


def write_loss(place: Path, loss: Loss, number: int) -> Path:
    """Write down what was lost, under a number by which it is known.

    Raises:
        OSError: It cannot be written.
    """
    path = place / LOSSES / f"{loss.until.astimezone(UTC):%Y-%m-%d}" / f"{loss.writer}-{number:08d}.json"
    content = asdict(loss) | {"since": loss.since.isoformat(), "until": loss.until.isoformat()}
    return write_file(path, json.dumps(content) + "\n", mode=OWNER_ALONE)


def count_losses(place: Path, writer: str, after: int) -> int:
    """Return the rows that a writer's notes of a higher number tell of."""
    notes = (place / LOSSES).glob(f"*/{writer}-*.json")
    later = [path for path in notes if (match := _NOTE.fullmatch(path.name)) and int(match[2]) > after]
    return sum(loss.rows or 0 for loss in map(read_loss, later) if loss is not None)


def read_loss(path: Path) -> Loss | None:
    """Return a loss that was written down; None where nobody can read it."""
    try:
        content = json.loads(path.read_bytes())
        times = {name: datetime.fromisoformat(content[name]) for name in ("since", "until")}
        return Loss(**{**content, **times})
    except (OSError, ValueError, KeyError, TypeError):
        return None


def list_losses(place: Path, start: datetime) -> Iterator[Path]:
    """Yield the notes of losses of the day of `start` and of later ones: they may have begun before."""
    for day in sorted((place / LOSSES).glob("*")):
        if day.name >= f"{start.astimezone(UTC):%Y-%m-%d}":
            yield from sorted(path for path in day.glob("*.json") if not path.name.startswith("."))


def list_batches(place: Path, family: str, start: datetime, end: datetime) -> Iterator[Path]:
    """Yield the files that may hold rows of [start, end), by hour and name."""
    hour = start.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
    days = {path.name for path in (place / family).glob("*")}
    while hour < end:
        if f"{hour:%Y-%m-%d}" in days:
            folder = hour_folder(place, family, hour)
            yield from sorted(path for path in folder.glob("*.parquet") if not path.name.startswith("."))
        hour += timedelta(hours=1)


def remove_unfinished(place: Path, writer: str) -> None:
    """Remove what a writer that is gone had begun to write."""
    for path in [*place.glob(f"*/*/*/.{writer}-*"), *(place / LOSSES).glob(f"*/.{writer}-*")]:
        path.unlink(missing_ok=True)
