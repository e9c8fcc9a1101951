"""Feast's offline source: Parquet files, one a table, with all that was ever known; `feast_history` asks them."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from voxloop.data.emotion_history import SPEAKER_EMOTIONS
from voxloop.data.prosody_tables import SPEAKER_PROSODY, UTTERANCE_PROSODY
from voxloop.data.revisions import merge_revisions
from voxloop.data.tombstones import read_tombstones
from voxloop.data.word_tables import SPEAKER_WORDS, UTTERANCE_WORDS
from voxloop.errors import InputError
from voxloop.settings import get_settings
from voxloop.store.atomic import write_file
from voxloop.store.lock import hold_lock

SCHEMAS = {
    "utterance_prosody": UTTERANCE_PROSODY,
    "speaker_prosody": SPEAKER_PROSODY,
    "utterance_words": UTTERANCE_WORDS,
    "speaker_words": SPEAKER_WORDS,
    "speaker_emotions": SPEAKER_EMOTIONS,
}
TABLES = {name: schema.names[0] for name, schema in SCHEMAS.items()}
"""Tables of the offline source, and the join key of each."""


def publish_features(features: Path) -> dict[str, int]:
    """Add what the features job wrote to the offline source; published twice, it is there once.

    What was known before stays, so that a training of the past can still be given what was known in the past. Rows of
    erased speakers are left out. A dataset without sound, words or labels lacks the tables for them; every table is
    checked before the first is written.

    Args:
        features: Folder written by features.

    Returns:
        How many rows each table has gained.

    Raises:
        InputError: The folder has none of the tables, or one that is not what its name says.
    """
    found = {name: features / f"{name}.parquet" for name in TABLES if (features / f"{name}.parquet").is_file()}
    if not found:
        raise InputError(
            f"{features} has no table of features",
            rule=f"`voxloop features` writes {', '.join(TABLES)} (.parquet)",
            remedy="name the folder that it wrote",
        )
    return add_rows({name: _read_features(name, path) for name, path in found.items()})


def add_rows(tables: dict[str, pa.Table]) -> dict[str, int]:
    """Merge rows into the offline source; see `publish_features`. Tables that do not exist yet are made, empty.

    Raises:
        IntegrityError: What was published before has other columns.
    """
    source = published_folder()
    gained = {}
    with hold_lock(source / "publish.lock"):
        for name, schema in SCHEMAS.items():
            _remove_leftovers(source / f"{name}.parquet")
            new = tables.get(name, schema.empty_table())
            gained[name] = _merge_into(source / f"{name}.parquet", leave_out_erased(new), TABLES[name])
    return gained


def leave_out_erased(rows: pa.Table) -> pa.Table:
    """Return the rows of a table of features, online or offline, without those of erased speakers.

    Ask under the lock of what is written: an erasure leaves its tombstone first and then waits for that lock, so it
    either is seen here or takes out afterwards what was written.
    """
    erased = read_tombstones(get_settings().tombstones_file)
    gone = [speaker for speaker in pc.unique(rows["speaker_id"]).to_pylist() if speaker in erased]
    return rows.filter(pc.invert(pc.is_in(rows["speaker_id"], value_set=pa.array(gone, pa.string()))))


def erase_offline(speaker_id: str, utterance_ids: Collection[str]) -> dict[str, int]:
    """Take a speaker's rows, and those of the utterances, out of every file; return how many each has lost."""
    source = published_folder()
    gone = {}
    with hold_lock(source / "publish.lock"):
        for name in TABLES:
            path = source / f"{name}.parquet"
            _remove_leftovers(path)
            if path.exists():
                gone[name] = _erase_from(path, speaker_id, utterance_ids)
    return gone


def list_utterances(speaker_id: str) -> set[str]:
    """Return the ids of a speaker's utterances in the offline source."""
    found: set[str] = set()
    for name, key in TABLES.items():
        path = published_folder() / f"{name}.parquet"
        if key == "utterance_id" and path.exists():
            rows = pq.read_table(path, columns=[key], filters=[("speaker_id", "==", speaker_id)])
            found.update(rows[key].to_pylist())
    return found


def check_rows(name: str, rows: pa.Table, origin: str) -> pa.Table:
    """Return rows with exactly the columns and types of their table.

    Raises:
        InputError: They have others, or a null where none may be.
    """
    schema = SCHEMAS[name]
    if other := sorted(set(rows.column_names) ^ set(schema.names)):
        raise InputError(
            f"{origin} is no table {name}: {', '.join(other)}",
            rule=f"its columns are {', '.join(schema.names)}",
            remedy="run `voxloop features` again",
        )
    try:
        checked = rows.select(schema.names).cast(schema)
        checked.validate(full=True)
    except (pa.ArrowInvalid, ValueError) as wrong:
        raise InputError(f"{origin} is no table {name}: {wrong}", remedy="run `voxloop features` again") from None
    return checked


def published_folder() -> Path:
    """Return the folder of the offline source."""
    return get_settings().home / "features"


def _read_features(name: str, path: Path) -> pa.Table:
    try:
        table = pq.read_table(path)
    except (pa.ArrowInvalid, OSError) as unreadable:
        raise InputError(f"{path} is not Parquet: {unreadable}", remedy="run `voxloop features` again") from None
    return check_rows(name, table, str(path))


def _merge_into(path: Path, new: pa.Table, key: str) -> int:
    published = pq.read_table(path) if path.exists() else None
    if published is not None and new.num_rows == 0:
        return 0
    merged = merge_revisions(published, new, key)
    _write(path, merged)
    gained: int = merged.num_rows - (0 if published is None else published.num_rows)
    return gained


def _erase_from(path: Path, speaker_id: str, utterance_ids: Collection[str]) -> int:
    rows = pq.read_table(path)
    of_speaker = pc.equal(rows["speaker_id"], speaker_id)
    if "utterance_id" in rows.column_names:
        named = pc.is_in(rows["utterance_id"], value_set=pa.array(sorted(utterance_ids), pa.string()))
        of_speaker = pc.or_(of_speaker, named)
    kept = rows.filter(pc.invert(of_speaker))
    if kept.num_rows < rows.num_rows:
        _write(path, kept)
    lost: int = rows.num_rows - kept.num_rows
    return lost


def _write(path: Path, rows: pa.Table) -> None:
    sink = pa.BufferOutputStream()
    pq.write_table(rows, sink)
    write_file(path, sink.getvalue().to_pybytes())


def _remove_leftovers(path: Path) -> None:
    """Remove what a killed process left beside a table: it holds rows that may since have been erased."""
    for leftover in path.parent.glob(f".{path.name}.*"):
        leftover.unlink(missing_ok=True)
