"""The files of a frozen evaluation set and the digests of its rows."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from voxloop.data.schema import ADDED_COLUMNS, TRAITS
from voxloop.data.shards import MEASURES_NAME, read_manifest
from voxloop.data.splits import Split
from voxloop.errors import IntegrityError
from voxloop.store.atomic import write_file
from voxloop.store.digests import canonical_json, digest_json, list_files

RECORD_NAME = "evaluation_set.json"
ROWS_NAME = "rows.json"
FROZEN_COLUMNS = (
    *("utterance_id", "sha256", "speaker_id", "session_id", "split", "language", "text", "emotion", "gender", "age"),
    *TRAITS,
)
"""What the digest of a row covers: who it is, its audio by digest, and the labels that are judged by.

A column that came later, `ADDED_COLUMNS`, is covered where a row has a value in it: the digest of a row that was frozen
before is what it was.
"""


def digest_rows(folder: Path, split: Split | None = None) -> dict[str, str]:
    """Return the digest of each row of a dataset by its id: speaker, audio by digest, labels and measures.

    Args:
        folder: A set, or the dataset it is cut from.
        split: Only the rows of this one.

    Raises:
        IntegrityError: Two rows have one id.
    """
    rows = [_drop_unknown(row) for row in read_manifest(folder, (*FROZEN_COLUMNS, *ADDED_COLUMNS), split).to_pylist()]
    measures = read_measures(folder)
    digests = {row["utterance_id"]: digest_json([row, measures.get(row["utterance_id"])]) for row in rows}
    if len(digests) != len(rows):
        raise IntegrityError(
            f"{folder} holds an utterance id twice", rule="an id names one row", remedy="correct the corpus"
        )
    return dict(sorted(digests.items()))


def digest_contents(dataset: Path, split: Split) -> str | None:
    """Return the digest of what the rows of a split hold, their sounds or texts by digest; None without rows.

    Their order, their ids and their labels are not in it: a label that was corrected makes no fresh set.

    Raises:
        InputError: The folder is no dataset.
        IntegrityError: A shard is missing.
    """
    contents = read_manifest(dataset, ("sha256",), split)["sha256"].to_pylist()
    return digest_json(sorted(contents)) if contents else None


def read_measures(folder: Path) -> dict[str, dict[str, float]]:
    """Return the numbers of `measures.parquet` by utterance id; nulls, NaN and infinities are left out."""
    path = folder / MEASURES_NAME
    if not path.is_file():
        return {}
    rows: list[dict[str, Any]] = pq.read_table(path).to_pylist()
    return {row.pop("utterance_id"): {name: value for name, value in row.items() if _is_number(value)} for row in rows}


def read_rows(folder: Path) -> dict[str, str]:
    """Read `rows.json`."""
    try:
        rows: dict[str, str] = json.loads((folder / ROWS_NAME).read_bytes())
    except (OSError, ValueError):
        raise IntegrityError(
            f"evaluation set {folder} has no readable {ROWS_NAME}",
            rule="a frozen set is never changed",
            remedy="restore it from a backup",
        ) from None
    return rows


def write_rows(folder: Path, rows: dict[str, str]) -> None:
    """Write `rows.json`."""
    write_file(folder / ROWS_NAME, canonical_json(rows) + "\n", mode=0o444)


def list_set_files(folder: Path) -> dict[str, str]:
    """Return the digest of every file of a set but its record."""
    return {name: digest for name, digest in list_files(folder).items() if name != RECORD_NAME}


def make_read_only(folder: Path) -> None:
    """Take the right to write from every file: a slip of the hand is refused. Folders stay open for an erasure."""
    for path in folder.rglob("*"):
        if path.is_file():
            path.chmod(0o444)


def _drop_unknown(row: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in row.items() if value is not None or name not in ADDED_COLUMNS}


def _is_number(value: float | None) -> bool:
    return value is not None and math.isfinite(value)
