"""Opening and filtering the manifest columns of a million utterances, against bare pyarrow on the same files.

The shards are made with the real writer, in the layout of speech: 480 rows of 34 kB a row group, 16 groups a shard.
Their audio is four bytes all the same, because no reader of these columns may touch it.
Each side is measured in processes of its own, whose highest resident memory must stay under 1 GiB.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from benchmarks.report import Finding
from voxloop.data.manifest import Manifest, write_manifest
from voxloop.data.schema import MANIFEST_COLUMNS, SCHEMA_VERSION
from voxloop.data.shards import ShardWriter, read_manifest
from voxloop.data.splits import SPLITS

ROWS = 1_000_000
AUDIO_BYTES = 4
GROUP_ROWS = 480
SHARD_GROUPS = 16
ROUNDS = 3
TARGET = 1.3
MOST_MEMORY = 2**30
START = datetime(2026, 1, 1, tzinfo=UTC)


def make_row(number: int) -> dict[str, object]:
    """Return a row as ingest makes it, of a corpus of 5,000 speakers, its audio four bytes."""
    speaker = number // 200
    return {
        "utterance_id": f"corpus-{speaker:05d}-{number:07d}",
        "audio": number.to_bytes(AUDIO_BYTES),
        "sample_rate": 16_000,
        "num_samples": 40_000 + number % 9_973,
        "duration_s": (40_000 + number % 9_973) / 16_000,
        "loudness_dbfs": -20.0 - number % 997 / 50,
        "sha256": f"{number * 2_654_435_761 % 2**64:064x}",
        "speaker_id": f"speaker-{speaker:05d}",
        "session_id": f"session-{number // 50:06d}",
        "recorded_at": START + timedelta(seconds=number),
        "language": "en",
        "text": f"utterance {number} of a million that are read without their sound",
        "emotion": ("anger", "neutral", None)[number % 3],
        "gender": ("female", "male")[speaker % 2],
        "age": 18 + speaker % 60,
        "source": "benchmark",
        "licence": "CC0-1.0",
        "split": SPLITS[0 if speaker % 10 < 8 else speaker % 10 - 7],
    }


def make_dataset(folder: Path) -> None:
    """Write a million rows in shards as ingest does."""
    group = AUDIO_BYTES * GROUP_ROWS
    with ShardWriter(folder, shard_bytes=SHARD_GROUPS * group, group_bytes=group) as writer:
        for number in range(ROWS):
            writer.write(make_row(number))
    write_manifest(
        Manifest(
            schema_version=SCHEMA_VERSION,
            corpus="benchmark",
            parallel_texts=False,
            text_normaliser="1",
            config={},
            utterances=ROWS,
            hours=0.0,
            speakers=ROWS // 200,
            labels={},
            numbers={},
            splits={},
            shards=tuple(writer.entries),
            quarantined={},
            left_out=0,
            erased=0,
        ),
        folder,
    )


def read_ours(folder: Path) -> pa.Table:
    """Read every manifest column of the test split through our API."""
    return read_manifest(folder, split="test")


def read_bare(folder: Path) -> pa.Table:
    """Read the same with pyarrow alone."""
    tables = []
    for path in sorted((folder / "shards").iterdir()):
        table = pq.read_table(path, columns=list(MANIFEST_COLUMNS))
        tables.append(table.filter(pc.equal(table["split"], "test")))
    return pa.concat_tables(tables)


def time_one(side: str, folder: Path) -> dict[str, float]:
    """Return the processor seconds and the highest memory of one process that reads once to warm up, then again."""
    read = {"ours": read_ours, "bare": read_bare}[side]
    read(folder)
    started = time.process_time()
    rows = read(folder).num_rows
    seconds = time.process_time() - started
    return {"seconds": seconds, "bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024.0, "rows": rows}


def measure() -> Finding:
    """Return the best of some rounds for each, taken in turn, each in a fresh process on one processor."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {max(before)})
    try:
        with tempfile.TemporaryDirectory() as folder:
            make_dataset(Path(folder))
            if not read_ours(Path(folder)).equals(read_bare(Path(folder))):
                raise AssertionError("both sides must read the same table")
            rounds = [{side: _run(side, folder) for side in ("ours", "bare")} for _ in range(ROUNDS)]
    finally:
        os.sched_setaffinity(0, before)
    most = max(one["ours"]["bytes"] for one in rounds)
    assert most < MOST_MEMORY, f"{most / 2**20:.0f} MiB were resident, at most 1024 may be"
    print(f"a million rows: {most / 2**20:.0f} MiB resident at most", file=sys.stderr)
    ours, bare = (min(one[side]["seconds"] for one in rounds) for side in ("ours", "bare"))
    return Finding("manifest: processor s to open and filter a million rows", ours, bare, TARGET, "at most")


def _run(side: str, folder: str) -> dict[str, float]:
    command = [sys.executable, "-m", "benchmarks.manifest", side, folder]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    answer: dict[str, float] = json.loads(done.stdout)
    return answer


if __name__ == "__main__":
    if sys.argv[1:]:
        print(json.dumps(time_one(sys.argv[1], Path(sys.argv[2]))))
    else:
        print(measure().as_json())
