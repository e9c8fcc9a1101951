"""Dataset folders made by hand, with the writer that `ingest` uses."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq

from voxloop.data.manifest import Manifest, load_manifest, write_manifest
from voxloop.data.schema import ADDED_COLUMNS, SCHEMA_VERSION, Utterance, make_row
from voxloop.data.shards import ShardWriter
from voxloop.data.splits import SPLITS
from voxloop.store.digests import digest_file

LABELS = ("anger", "fear", "happiness", "neutral", "sadness", "surprise")


def make_utterance(speaker: str, label: str | None, repeat: int, *, level: float = 0.1) -> Utterance:
    """Return an utterance of 0.6 s around a constant level; its noise makes every one different."""
    identity = f"{speaker}-{label}-{repeat}"
    rng = np.random.default_rng(list(identity.encode()))
    return Utterance(
        utterance_id=identity,
        speaker_id=speaker,
        waveform=(level + 0.002 * rng.standard_normal(9_600)).astype(np.float32),
        recorded_at=datetime(2025, 1, 1, tzinfo=UTC),
        source="by hand",
        licence="CC0-1.0",
        text="one two three",
        emotion=label,
        language="en",
    )


def make_rows(
    speakers: Mapping[str, Sequence[str]], labels: Sequence[str] = LABELS, *, repeats: int = 1
) -> list[dict[str, Any]]:
    """Return the rows of some speakers of each split: `{"test": ["s1", "s2"]}`."""
    return [
        make_row(make_utterance(speaker, label, repeat), split)
        for split, names in speakers.items()
        for speaker in names
        for label in labels
        for repeat in range(repeats)
    ]


def make_level_rows(levels: Mapping[str, float], speakers: Sequence[str], *, repeats: int) -> list[dict[str, Any]]:
    """Return test rows whose level tells their label."""
    return [
        make_row(make_utterance(speaker, label, repeat, level=level), "test")
        for speaker in speakers
        for label, level in levels.items()
        for repeat in range(repeats)
    ]


def write_dataset(folder: Path, rows: Iterable[dict[str, Any]]) -> Path:
    """Write a dataset folder of these rows, with a manifest that agrees."""
    rows = list(rows)
    folder.mkdir(parents=True)
    with ShardWriter(folder, shard_bytes=2**24) as writer:
        for row in rows:
            writer.write(row)
    splits = {split: [row for row in rows if row["split"] == split] for split in SPLITS}
    write_manifest(
        Manifest(
            schema_version=SCHEMA_VERSION,
            corpus="by hand",
            parallel_texts=False,
            text_normaliser="1",
            numbers={},
            erased=0,
            config={},
            utterances=len(rows),
            hours=sum(row["duration_s"] for row in rows) / 3600,
            speakers=len({row["speaker_id"] for row in rows}),
            labels={},
            splits={
                split: {"utterances": len(found), "speakers": len({row["speaker_id"] for row in found})}
                for split, found in splits.items()
            },
            shards=tuple(writer.entries),
            quarantined={},
            left_out=0,
        ),
        folder,
    )
    return folder


def make_older(dataset: Path) -> Path:
    """Write the shards of a dataset anew as they were before `ADDED_COLUMNS`, and their digests into its manifest."""
    manifest, entries = load_manifest(dataset), []
    for entry in manifest.shards:
        path = dataset / entry.path
        table = pq.read_table(path).drop_columns([*ADDED_COLUMNS])
        path.unlink()  # a frozen one may not be written
        pq.write_table(table, path)
        entries.append(entry.model_copy(update={"sha256": digest_file(path)}))
    (dataset / "manifest.json").unlink()
    write_manifest(manifest.model_copy(update={"shards": tuple(entries)}), dataset)
    return dataset
