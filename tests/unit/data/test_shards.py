from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from tests.unit.jobs.datasets import make_older
from voxloop.data.dataset_columns import read_columns
from voxloop.data.manifest import Manifest, write_manifest
from voxloop.data.schema import MANIFEST_COLUMNS, SCHEMA_VERSION, UTTERANCE_SCHEMA, Utterance, make_row
from voxloop.data.shards import ShardWriter, iter_audio, load_split, read_manifest, write_measures
from voxloop.data.splits import SPLITS
from voxloop.errors import InputError, IntegrityError
from voxloop.store.digests import digest_bytes, digest_tree


def make_rows(count: int) -> list[dict[str, Any]]:
    noise = np.random.default_rng(5).uniform(-0.5, 0.5, (count, 800)).astype(np.float32)
    return [
        make_row(
            Utterance(
                utterance_id=f"u{number:03d}",
                speaker_id=f"s{number % 5}",
                waveform=noise[number],
                recorded_at=datetime(2026, 1, 1, tzinfo=UTC),
                source="noise",
                licence="CC0-1.0",
                emotion="neutral" if number % 2 else None,
                traits={"openness": 0.5} if number % 3 else {},
            ),
            SPLITS[number % 5 % 3],
        )
        for number in range(count)
    ]


ROWS = make_rows(30)


def write_rows(folder: Path, rows: list[dict[str, Any]], shard_bytes: int = 2**20) -> Path:
    folder.mkdir()
    with ShardWriter(folder, shard_bytes=shard_bytes) as writer:
        for row in rows:
            writer.write(row)
    manifest = Manifest(
        schema_version=SCHEMA_VERSION,
        corpus="noise",
        parallel_texts=False,
        text_normaliser="1",
        numbers={},
        erased=0,
        config={},
        utterances=len(rows),
        hours=0.0,
        speakers=5,
        labels={},
        splits={},
        shards=tuple(writer.entries),
        quarantined={},
        left_out=0,
    )
    write_manifest(manifest, folder)
    return folder


@hypothesis_settings(max_examples=15, deadline=None)
@given(count=st.integers(0, 30), shard_bytes=st.integers(1, 40_000))
def test_rows_go_in_and_come_out_and_the_bytes_are_the_same_twice(
    tmp_path_factory: pytest.TempPathFactory, count: int, shard_bytes: int
) -> None:
    place = tmp_path_factory.mktemp("shards")
    one = write_rows(place / "one", ROWS[:count], shard_bytes)
    other = write_rows(place / "other", ROWS[:count], shard_bytes)
    assert digest_tree(one) == digest_tree(other)
    read = list(iter_audio(one))
    assert [row["utterance_id"] for row, _ in read] == [row["utterance_id"] for row in ROWS[:count]]
    for (row, wave), given_row in zip(read, ROWS, strict=False):
        assert row == {key: value for key, value in given_row.items() if key != "audio"}
        assert len(wave) == row["num_samples"]
        assert digest_bytes(given_row["audio"]) == row["sha256"]


def test_shards_close_when_they_are_full(tmp_path: Path) -> None:
    dataset = write_rows(tmp_path / "d", ROWS, shard_bytes=5 * len(ROWS[0]["audio"]))
    shards = sorted((dataset / "shards").iterdir())
    assert [path.name for path in shards] == [f"part-{number:05d}.parquet" for number in range(len(shards))]
    assert len(shards) == pytest.approx(6, abs=1)


def test_reading_the_manifest_touches_no_audio(tmp_path: Path) -> None:
    dataset = write_rows(tmp_path / "d", ROWS)
    shard = dataset / "shards" / "part-00000.parquet"
    pages = pq.ParquetFile(shard).metadata.row_group(0).column(UTTERANCE_SCHEMA.names.index("audio"))
    content = bytearray(shard.read_bytes())
    start, size = pages.data_page_offset, pages.total_compressed_size
    content[start : start + size] = bytes(size)
    shard.write_bytes(content)
    table = read_manifest(dataset)
    assert table.num_rows == len(ROWS)
    assert table.column_names == list(MANIFEST_COLUMNS)
    with pytest.raises(OSError, match="."):
        pq.read_table(shard, columns=["audio"])


def test_reading_the_manifest_reads_few_bytes(tmp_path: Path) -> None:
    dataset = write_rows(tmp_path / "d", ROWS * 100)
    audio = sum(len(row["audio"]) for row in ROWS) * 100
    before = read_so_far()
    assert read_manifest(dataset).num_rows == 3_000
    assert read_manifest(dataset, ["utterance_id"], "dev").num_rows > 0
    assert read_so_far() - before < audio / 4


def read_so_far() -> int:
    """Return the bytes this process has read by system calls (rchar of proc(5))."""
    return int(Path("/proc/self/io").read_text().split()[1])


def test_rows_of_words_alone_have_no_sound(tmp_path: Path) -> None:
    essay = {**ROWS[0], "utterance_id": "essay", "text": "a" * 1_000}
    for column in ("audio", "sample_rate", "num_samples", "duration_s", "loudness_dbfs"):
        essay[column] = None
    dataset = write_rows(tmp_path / "d", [ROWS[0], essay, *ROWS[1:3]], shard_bytes=900)
    assert read_manifest(dataset)["duration_s"].null_count == 1
    assert [row["utterance_id"] for row, _ in iter_audio(dataset)] == ["u000", "u001", "u002"]
    assert len(list((dataset / "shards").iterdir())) > 1


def test_measures_are_a_table_of_their_own(tmp_path: Path) -> None:
    write_measures({}, tmp_path)
    assert list(tmp_path.iterdir()) == []
    write_measures({"b": {"z": 1.0, "a": 2.0}, "a": {"m": 0.5}}, tmp_path)
    table = pq.read_table(tmp_path / "measures.parquet")
    assert table.column_names == ["utterance_id", "a", "m", "z"]
    assert table.to_pylist()[1] == {"utterance_id": "a", "a": None, "m": 0.5, "z": None}


@pytest.mark.parametrize("split", SPLITS)
def test_a_split_is_read_alone(tmp_path: Path, split: Any) -> None:
    dataset = write_rows(tmp_path / "d", ROWS, shard_bytes=9_000)
    wanted = [row["utterance_id"] for row in ROWS if row["split"] == split]
    assert read_manifest(dataset, ["utterance_id"], split)["utterance_id"].to_pylist() == wanted
    assert [row["utterance_id"] for row, _ in load_split(dataset, split)] == wanted


def test_shards_without_a_column_that_was_added_are_read_as_if_it_were_null(tmp_path: Path) -> None:
    rows = [{**row, "device": "phone"} for row in ROWS]
    told = write_rows(tmp_path / "told", rows, shard_bytes=20_000)
    silent = write_rows(tmp_path / "silent", ROWS, shard_bytes=20_000)
    older = make_older(write_rows(tmp_path / "older", rows, shard_bytes=20_000))
    assert set(read_manifest(told)["device"].to_pylist()) == {"phone"}
    assert read_manifest(older).equals(read_manifest(silent))
    assert read_manifest(older, ["device", "utterance_id"], "dev").column_names == ["device", "utterance_id"]
    assert read_columns(older).equals(read_columns(silent))
    assert [row for row, _ in iter_audio(older)] == [row for row, _ in iter_audio(silent)]


def test_another_column_that_is_not_there_is_not_filled(tmp_path: Path) -> None:
    dataset = write_rows(tmp_path / "d", ROWS)
    shard = dataset / "shards" / "part-00000.parquet"
    pq.write_table(pq.read_table(shard).drop_columns(["gender"]), shard)
    with pytest.raises(KeyError, match="gender"):
        read_manifest(dataset)
    assert "gender" not in read_columns(dataset).column_names


def test_changed_bytes_are_not_read(tmp_path: Path) -> None:
    dataset = write_rows(tmp_path / "d", ROWS)
    shard = dataset / "shards" / "part-00000.parquet"
    content = bytearray(shard.read_bytes())
    content[100] ^= 1
    shard.write_bytes(content)
    with pytest.raises(IntegrityError, match="part-00000.parquet was changed"):
        next(iter_audio(dataset))


def test_a_missing_shard_and_a_folder_that_is_no_dataset_are_named(tmp_path: Path) -> None:
    dataset = write_rows(tmp_path / "d", ROWS)
    (dataset / "shards" / "part-00000.parquet").unlink()
    with pytest.raises(IntegrityError, match="part-00000.parquet is missing"):
        read_manifest(dataset)
    with pytest.raises(InputError, match="is not a dataset: it has no manifest.json"):
        read_manifest(tmp_path)
