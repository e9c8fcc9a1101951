"""What the shards of a dataset really hold, which is not always what the schema promises."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from voxloop.data.manifest import Manifest
from voxloop.data.schema import ADDED_COLUMNS, MANIFEST_COLUMNS, UTTERANCE_SCHEMA, fill_added
from voxloop.store.digests import digest_file

REPEATED = ("session_id", "language", "emotion", "gender", "device", "source", "licence", "split", "speaker_id")
"""Columns with few different values: as categories everything that reads them is several times as fast."""
ABSENT = "no such column"


@dataclass(frozen=True)
class StoredShard:
    """One Parquet file.

    Args:
        path: Relative to the dataset folder.
        rows: As it holds them.
        digest: SHA-256 of its bytes.
        types: Type of every column, by name.
    """

    path: str
    rows: int
    digest: str
    types: Mapping[str, pa.DataType]


@dataclass(frozen=True)
class StoredRows:
    """A dataset as it is stored, the audio left out.

    Args:
        shards: Its files.
        table: The columns that have the promised type in every shard; `REPEATED` ones by dictionary.
        unusable: The other promised columns, and what they are instead.
    """

    shards: tuple[StoredShard, ...]
    table: pa.Table
    unusable: Mapping[str, str]

    @property
    def audio_is_readable(self) -> bool:
        """Whether every shard has the audio as bytes."""
        return "audio" not in self.unusable

    def name_row(self, row: int) -> str:
        """Return where a row stands, for one that has no id of its own."""
        left = row
        for shard in self.shards:
            if left < shard.rows:
                return f"row {left} of {shard.path}"
            left -= shard.rows
        return f"row {row}"


def read_rows(dataset: Path, manifest: Manifest) -> StoredRows:
    """Read every shard that the manifest names.

    Raises:
        OSError: A shard is missing.
        pyarrow.ArrowInvalid: One is no Parquet file.
    """
    shards = tuple(_inspect(dataset, entry.path) for entry in manifest.shards)
    unusable = find_unusable(shards)
    usable = [name for name in MANIFEST_COLUMNS if name not in unusable]
    tables = [_read_columns(dataset, shard, usable) for shard in shards]
    empty = UTTERANCE_SCHEMA.empty_table().select(usable)
    return StoredRows(shards, pa.concat_tables(tables).unify_dictionaries() if tables else empty, unusable)


def find_unusable(shards: Sequence[StoredShard]) -> dict[str, str]:
    """Return the promised columns that some shard lacks or holds as another type, with what was found.

    One of `ADDED_COLUMNS` may be lacking: the shard is older than it.
    """
    found: dict[str, str] = {}
    for field in UTTERANCE_SCHEMA:
        kinds = {str(shard.types.get(field.name, ABSENT)) for shard in shards} - set(list_kinds(field))
        if kinds:
            found[field.name] = " and ".join(sorted(kinds))
    return found


def list_kinds(field: pa.Field) -> list[str]:
    """Return what `describe_shards` may say of a promised column: its type, or that it is absent where it may be."""
    return [str(field.type), *([ABSENT] if field.name in ADDED_COLUMNS else [])]


def code_repeated(table: pa.Table) -> pa.Table:
    """Return the table with `REPEATED` columns by dictionary, as reading the shards gives them."""
    for name in set(REPEATED) & set(table.column_names):
        place = table.column_names.index(name)
        table = table.set_column(place, name, table[name].dictionary_encode())
    return table


def describe_shards(shards: Sequence[StoredShard], manifest: Manifest) -> pd.DataFrame:
    """Return a row a shard: its rows and digest, those promised, and the type of each promised column, as text."""
    return pd.DataFrame(
        [
            {
                "path": shard.path,
                "rows": shard.rows,
                "promised_rows": entry.rows,
                "sha256_of_file": shard.digest,
                "promised_sha256": entry.sha256,
                "columns_beyond": ", ".join(name for name in shard.types if name not in UTTERANCE_SCHEMA.names),
                **{name: str(shard.types.get(name, ABSENT)) for name in UTTERANCE_SCHEMA.names},
            }
            for shard, entry in zip(shards, manifest.shards, strict=True)
        ]
    )


def _inspect(dataset: Path, path: str) -> StoredShard:
    schema, rows = pq.read_schema(dataset / path), pq.read_metadata(dataset / path).num_rows
    types = dict(zip(schema.names, schema.types, strict=True))
    return StoredShard(path, rows, digest_file(dataset / path), types)


def _read_columns(dataset: Path, shard: StoredShard, names: list[str]) -> pa.Table:
    there = [name for name in names if name in shard.types]
    coded = [name for name in REPEATED if name in there]
    with pq.ParquetFile(dataset / shard.path, read_dictionary=coded) as file:
        table = file.read(columns=there)
    return code_repeated(fill_added(table, names)).select(names)
