"""The columns of a dataset of any age: an older version of the schema has fewer of them, and another manifest."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from voxloop.data.manifest import MANIFEST_NAME
from voxloop.data.schema import MANIFEST_COLUMNS, UTTERANCE_SCHEMA, fill_added
from voxloop.errors import InputError, IntegrityError


def read_columns(dataset: Path) -> pa.Table:
    """Read every column of a dataset but the audio, whatever version of the schema wrote it.

    Raises:
        InputError: The folder is not a dataset.
        IntegrityError: The manifest is unreadable or a shard is missing.
    """
    tables = []
    for path in _list_shards(dataset):
        with pq.ParquetFile(path) as file:
            table = fill_added(file.read(columns=list(MANIFEST_COLUMNS)), MANIFEST_COLUMNS)
            tables.append(table.select([name for name in MANIFEST_COLUMNS if name in table.column_names]))
    return pa.concat_tables(tables) if tables else _empty()


def _empty() -> pa.Table:
    return UTTERANCE_SCHEMA.empty_table().select(list(MANIFEST_COLUMNS))


def _list_shards(dataset: Path) -> list[Path]:
    """Return the shards that the manifest lists; it is read as plain JSON, for an older one has other keys."""
    manifest = dataset / MANIFEST_NAME
    if not manifest.is_file():
        raise InputError(
            f"{dataset} is not a dataset: it has no {MANIFEST_NAME}",
            rule="a dataset is a folder that `voxloop ingest` wrote",
            remedy="name one, or a git revision that tracks one",
        )
    try:
        shards = [dataset / str(entry["path"]) for entry in json.loads(manifest.read_text(encoding="utf-8"))["shards"]]
    except (ValueError, KeyError, TypeError) as malformed:
        raise IntegrityError(f"{manifest} is not a manifest ({malformed})", remedy="ingest the corpus again") from None
    if missing := [path for path in shards if not path.is_file()]:
        raise IntegrityError(f"{missing[0]} is missing", rule="the manifest lists it", remedy="fetch the dataset again")
    return shards
