"""Utterance rows in Parquet files, the audio inside as FLAC.

A shard is a few hundred MiB, so that a corpus is tens of files; a row group is 16 MiB, so that neither writer nor
reader holds a shard in memory, and the other columns still come in pieces worth reading: a million rows in groups of
4 MiB took four times as long to open as in groups of 32 MiB. Audio is stored uncompressed (FLAC does not shrink
further) and without statistics; Parquet keeps columns apart, so reading the others touches none of its bytes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from voxloop.data.manifest import ShardEntry, load_manifest
from voxloop.data.schema import ADDED_COLUMNS, MANIFEST_COLUMNS, UTTERANCE_SCHEMA, fill_added
from voxloop.data.splits import Split
from voxloop.errors import IntegrityError
from voxloop.speech.waveform import Waveform, decode_flac
from voxloop.store.digests import digest_file

ROW_GROUP_BYTES = 16 * 2**20
MEASURES_NAME = "measures.parquet"
_COMPRESSION = {name: "NONE" if name == "audio" else "ZSTD" for name in UTTERANCE_SCHEMA.names}


class ShardWriter:
    """Write rows into `<folder>/shards/part-00000.parquet` and so on. The same rows give the same bytes.

    Args:
        folder: The dataset folder.
        shard_bytes: Audio bytes after which a shard is closed.
        group_bytes: Audio bytes after which a row group is.
    """

    def __init__(self, folder: Path, *, shard_bytes: int, group_bytes: int = ROW_GROUP_BYTES) -> None:
        self.entries: list[ShardEntry] = []
        self._folder = folder
        self._shard_bytes = shard_bytes
        self._group_bytes = group_bytes
        self._pending: list[dict[str, Any]] = []
        self._pending_bytes = 0
        self._open: pq.ParquetWriter | None = None
        self._open_bytes = 0
        self._open_rows = 0
        (folder / "shards").mkdir()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def write(self, row: dict[str, Any]) -> None:
        """Add one row of `UTTERANCE_SCHEMA`."""
        self._pending.append(row)
        self._pending_bytes += len(row["audio"] or row["text"] or "")
        if self._pending_bytes >= min(self._group_bytes, self._shard_bytes - self._open_bytes):
            self._flush()

    def close(self) -> None:
        """Finish the open shard; `entries` is complete afterwards."""
        self._flush()
        self._close_shard()

    def _flush(self) -> None:
        if not self._pending:
            return
        if self._open is None:
            self._open = _open_writer(self._folder / self._next_path())
        self._open.write_table(pa.Table.from_pylist(self._pending, schema=UTTERANCE_SCHEMA))
        self._open_rows += len(self._pending)
        self._open_bytes += self._pending_bytes
        self._pending, self._pending_bytes = [], 0
        if self._open_bytes >= self._shard_bytes:
            self._close_shard()

    def _close_shard(self) -> None:
        if self._open is None:
            return
        self._open.close()
        path = self._next_path()
        self.entries.append(ShardEntry(path=path, sha256=digest_file(self._folder / path), rows=self._open_rows))
        self._open, self._open_bytes, self._open_rows = None, 0, 0

    def _next_path(self) -> str:
        return f"shards/part-{len(self.entries):05d}.parquet"


def write_measures(measures: Mapping[str, Mapping[str, float]], folder: Path) -> None:
    """Write `measures.parquet`: utterance_id and a float64 column for each name, sorted; nothing when there are none.

    Args:
        measures: Numbers by name, by utterance id.
        folder: The dataset folder.
    """
    if not measures:
        return
    names = sorted({name for row in measures.values() for name in row})
    columns = [[row.get(name) for row in measures.values()] for name in names]
    arrays = [pa.array(list(measures), pa.string()), *(pa.array(column, pa.float64()) for column in columns)]
    pq.write_table(pa.table(arrays, ["utterance_id", *names]), folder / MEASURES_NAME, compression="ZSTD")


def read_manifest(dataset: Path, columns: Sequence[str] = MANIFEST_COLUMNS, split: Split | None = None) -> pa.Table:
    """Read columns of all utterances without touching any audio.

    Args:
        dataset: A folder `ingest` wrote.
        columns: Names out of `MANIFEST_COLUMNS`.
        split: Only the utterances of this one.

    Raises:
        InputError: `dataset` is not a dataset folder.
        IntegrityError: A shard is missing or has another number of rows than the manifest says.
    """
    schema = pa.schema([UTTERANCE_SCHEMA.field(name) for name in columns])
    wanted = list(dict.fromkeys((*columns, "split")))
    tables = [_read_columns(dataset, entry, wanted) for entry in load_manifest(dataset).shards]
    table = pa.concat_tables(tables) if tables else UTTERANCE_SCHEMA.empty_table()
    if split is not None:
        table = table.filter(pc.equal(table["split"], split))
    return table.select(list(columns)).cast(schema)


def iter_audio(dataset: Path, split: Split | None = None) -> Iterator[tuple[dict[str, Any], Waveform]]:
    """Yield each utterance that has a sound as its row (without `audio`) and its waveform, float32 [n] at 16 kHz.

    Raises:
        InputError: `dataset` is not a dataset folder.
        IntegrityError: A shard is missing or its bytes are not those the manifest has the digest of.
    """
    for entry in load_manifest(dataset).shards:
        if digest_file(_locate(dataset, entry)) != entry.sha256:
            raise IntegrityError(f"{dataset / entry.path} was changed", remedy="run `voxloop ingest` again")
        with pq.ParquetFile(dataset / entry.path) as file:
            for group in range(file.num_row_groups):
                yield from _iter_group(file, group, split)


def load_split(dataset: Path, split: Split) -> list[tuple[dict[str, Any], Waveform]]:
    """Return all utterances of a split as `iter_audio` yields them: 64 kB of memory a second."""
    return list(iter_audio(dataset, split))


def _iter_group(file: pq.ParquetFile, group: int, split: Split | None) -> Iterator[tuple[dict[str, Any], Waveform]]:
    if split is not None and split not in file.read_row_group(group, columns=["split"])["split"].to_pylist():
        return
    for row in file.read_row_group(group).to_pylist():
        audio = row.pop("audio")
        if audio is not None and (split is None or row["split"] == split):
            yield dict.fromkeys(ADDED_COLUMNS) | row, decode_flac(audio)


def _read_columns(dataset: Path, entry: ShardEntry, columns: list[str]) -> pa.Table:
    with pq.ParquetFile(_locate(dataset, entry)) as file:
        if file.metadata.num_rows != entry.rows:
            raise IntegrityError(
                f"{dataset / entry.path} has {file.metadata.num_rows} rows, its manifest says {entry.rows}",
                remedy="run `voxloop ingest` again",
            )
        return fill_added(file.read(columns=columns), columns).select(columns)


def _locate(dataset: Path, entry: ShardEntry) -> Path:
    path = dataset / entry.path
    if not path.is_file():
        raise IntegrityError(f"{path} is missing", rule="its manifest lists it", remedy="run `voxloop ingest` again")
    return path


def _open_writer(path: Path) -> pq.ParquetWriter:
    return pq.ParquetWriter(
        path,
        UTTERANCE_SCHEMA,
        compression=_COMPRESSION,
        use_dictionary=[name for name in MANIFEST_COLUMNS if UTTERANCE_SCHEMA.field(name).type == pa.string()],
        write_statistics=list(MANIFEST_COLUMNS),
    )
