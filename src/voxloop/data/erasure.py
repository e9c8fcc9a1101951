"""Taking one speaker out of what was written: shards, tables, texts. Every change is written beside and renamed.

A dataset's manifest is the switch: until it is replaced the old shards are in force, afterwards the new ones, and what
no manifest names any more is deleted. Killed anywhere and called again, it ends the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from voxloop.data.erasure_scan import holds, walk_files
from voxloop.data.erasure_tables import mask_rows, read_columns
from voxloop.data.erasure_words import Names, mentions
from voxloop.data.manifest import Manifest, ShardEntry, load_manifest, write_manifest
from voxloop.data.schema import MANIFEST_COLUMNS
from voxloop.data.shards import ShardWriter
from voxloop.data.tally import DatasetTally
from voxloop.errors import IntegrityError
from voxloop.store.atomic import make_beside, remove_tree, sync_folder, write_file
from voxloop.store.digests import RECORD_NAME, digest_file

WHOLE_SHARD = 2**62
"""Bytes after which a rewritten shard would be split: never, one shard stays one."""
LINES = (".log", ".txt", ".jsonl", ".csv", ".tsv")
"""Texts that stay meaningful without the lines that name somebody."""


def erase_from_dataset(dataset: Path, names: Names, *, frozen: bool = False) -> int:
    """Rewrite a dataset without the speaker and return how many rows went.

    Shards without them keep their bytes. The result is no longer what its step's record says, so the record goes.

    Args:
        dataset: Its folder.
        names: What the speaker goes by.
        frozen: It is an evaluation set: its JSON is the freeze, which is renewed afterwards, by those who made it.

    Raises:
        InputError: `dataset` is no dataset folder.
        IntegrityError: Its manifest or a table in it cannot be read.
    """
    manifest = load_manifest(dataset)
    rewritten = [_rewrite_shard(dataset, entry, names) for entry in manifest.shards]
    gone = sum(entry.rows for entry in manifest.shards) - sum(entry.rows for entry in rewritten if entry)
    if gone:
        (dataset / RECORD_NAME).unlink(missing_ok=True)
        write_manifest(_recount(dataset, manifest, [entry for entry in rewritten if entry], gone), dataset)
    listed = {entry.path for entry in load_manifest(dataset).shards}
    for path in walk_files(dataset):
        place = path.relative_to(dataset).as_posix()
        if place.startswith("shards/") and place not in listed:
            path.unlink()
        elif place not in listed and not (frozen and path.suffix == ".json") and holds(path, names):
            erase_from_file(path, names)
    return gone


def erase_from_file(path: Path, names: Names) -> str:
    """Take the speaker out of a file that stands alone: rows, lines, or the whole of it; return what was done."""
    if path.suffix.lower() == ".parquet":
        return f"{erase_from_table(path, names)} rows"
    if path.suffix.lower() in LINES:
        return f"{_erase_lines(path, names)} lines"
    path.unlink()
    sync_folder(path.parent)
    return "the file"


def erase_from_table(path: Path, names: Names) -> int:
    """Rewrite a Parquet table without the speaker's rows and return how many went."""
    table = read_columns(path)
    mask = mask_rows(table, names)
    if gone := int(mask.true_count):
        sink = pa.BufferOutputStream()
        kept = table.filter(pc.invert(mask))
        pq.write_table(kept, sink, compression="zstd", row_group_size=max(1, kept.num_rows))
        write_file(path, sink.getvalue().to_pybytes())
    return gone


def _rewrite_shard(dataset: Path, entry: ShardEntry, names: Names) -> ShardEntry | None:
    """Return the entry of a shard without the speaker: the same one, that of a new file, None when nothing is left."""
    path = dataset / entry.path
    speakers = read_columns(path, ["speaker_id"])["speaker_id"]
    gone = pc.sum(pc.equal(speakers, names.speaker)).as_py() or 0
    if not gone:
        return entry
    if digest_file(path) != entry.sha256:
        raise IntegrityError(
            f"{path} was changed since it was written",
            rule="a new digest would make the change look right",
            remedy="remove the dataset or restore it, then run `voxloop erase` again",
        )
    if gone == entry.rows:
        return None
    beside = make_beside(path.parent)
    try:
        with ShardWriter(beside, shard_bytes=WHOLE_SHARD) as writer:
            _copy_rows(path, writer, names.speaker)
        (made,) = writer.entries
        # A name of its own, from its content: the old shard stays in force until the manifest says otherwise.
        name = f"{path.stem.split('.')[0]}.{made.sha256[:8]}.parquet"
        (beside / made.path).replace(path.with_name(name))
    finally:
        remove_tree(beside)
    sync_folder(path.parent)
    return ShardEntry(path=f"{Path(entry.path).parent.as_posix()}/{name}", sha256=made.sha256, rows=made.rows)


def _copy_rows(path: Path, writer: ShardWriter, speaker: str) -> None:
    with pq.ParquetFile(path) as file:
        for group in range(file.num_row_groups):
            for row in file.read_row_group(group).to_pylist():
                if row["speaker_id"] != speaker:
                    writer.write(row)


def _recount(dataset: Path, manifest: Manifest, shards: Sequence[ShardEntry], gone: int) -> Manifest:
    """Return the manifest of the rows that are left, counted as `ingest` counts."""
    tally = DatasetTally()
    for entry in shards:
        with pq.ParquetFile(dataset / entry.path) as file:
            for group in range(file.num_row_groups):
                for row in file.read_row_group(group, columns=list(MANIFEST_COLUMNS)).to_pylist():
                    tally.add(row)
    counted = {**tally.counted(), "shards": tuple(shards), "erased": manifest.erased + gone}
    return manifest.model_copy(update=counted)


def _erase_lines(path: Path, names: Names) -> int:
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines(keepends=True)
    kept = [line for line in lines if not mentions(line, names, is_json=path.suffix.lower() == ".jsonl")]
    write_file(path, "".join(kept))
    return len(lines) - len(kept)
