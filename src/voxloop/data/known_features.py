"""The rows of a split, and what is known of each beside its row: the dataset's own measures, a table of features."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from voxloop.data.shards import iter_audio, read_manifest
from voxloop.data.splits import Split
from voxloop.errors import InputError
from voxloop.speech.waveform import Waveform
from voxloop.store.step_record import read_record


def find_table(features: Path | None, table: str | None) -> Path | None:
    """Return the table that a family's rows are completed from.

    Args:
        features: A Parquet table, which is taken as it is, or a folder written by the step `features`.
        table: Which of that folder's the family reads; None for none of them.

    Returns:
        A file. None where nothing was given, the family reads none, or the dataset has no sound for such a table.

    Raises:
        InputError: It is neither a file nor such a folder.
    """
    if features is None or features.is_file():
        return features
    record = read_record(features)
    if record is None or record.step != "features":
        raise InputError(
            f"--features {features} is no file, nor a folder of features",
            rule="features are one Parquet table with a row an utterance, or a folder written by features",
            remedy="name one of both, such as utterance_prosody.parquet in that folder",
        )
    found = features / f"{table}.parquet"
    return found if found.is_file() else None


def iter_rows(
    dataset: Path, split: Split, *, audio: bool, features: Path | None = None
) -> Iterator[tuple[dict[str, Any], Waveform | None]]:
    """Give the rows of a split, `features` filled from the dataset's measures and the table given.

    Args:
        dataset: A folder `ingest` wrote.
        split: Which split.
        audio: Give each row its waveform, float32 [n] at 16 kHz, and leave out rows without one; else None for all.
        features: Parquet table with `utterance_id` and numbers.

    Raises:
        InputError: The dataset or the table is none.
        IntegrityError: A shard is missing or was changed.
    """
    if not audio:
        yield from ((row, None) for row in read_rows(dataset, split, features))
        return
    known = _Features(dataset, features)
    yield from ((known.complete(row), waveform) for row, waveform in iter_audio(dataset, split=split))


def read_rows(dataset: Path, split: Split, features: Path | None = None) -> list[dict[str, Any]]:
    """Return the rows of a split as `iter_rows` gives them, without sound; raises as that."""
    known = _Features(dataset, features)
    return [known.complete(row) for row in read_manifest(dataset, split=split).to_pylist()]


class _Features:
    """Numbers by utterance."""

    def __init__(self, dataset: Path, table: Path | None) -> None:
        self._known: dict[str, dict[str, float | None]] = {}
        measures = dataset / "measures.parquet"
        for path in (measures if measures.is_file() else None, table):
            for utterance, values in _read_numbers(path):
                self._known.setdefault(utterance, {}).update(values)

    def complete(self, row: Mapping[str, Any]) -> dict[str, Any]:
        return {**row, "features": self._known.get(row["utterance_id"], {})}


def _read_numbers(path: Path | None) -> Iterator[tuple[str, dict[str, float | None]]]:
    if path is None:
        return
    if not path.is_file():
        raise InputError(f"{path} does not exist", rule="features are one Parquet table", remedy="name such a file")
    table = pq.read_table(path)
    if "utterance_id" not in table.column_names:
        raise InputError(
            f"{path.name} has no column utterance_id", rule="features have a row an utterance", remedy="name another"
        )
    for row in table.to_pylist():
        numbers = {name: value for name, value in row.items() if isinstance(value, int | float) or value is None}
        yield row["utterance_id"], {name: None if value is None else float(value) for name, value in numbers.items()}
