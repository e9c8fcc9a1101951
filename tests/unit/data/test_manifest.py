from __future__ import annotations

from pathlib import Path

import pytest

from voxloop.data.manifest import Manifest, NumberSummary, ShardEntry, SplitCount, load_manifest, write_manifest
from voxloop.errors import InputError, IntegrityError

MANIFEST = Manifest(
    schema_version=2,
    corpus="world",
    parallel_texts=False,
    text_normaliser="1",
    config={"seed": 1},
    utterances=3,
    hours=0.01,
    speakers=2,
    labels={"emotion": {"anger": 3}},
    numbers={"duration_s": NumberSummary(count=3, mean=1.0, sd=0.1, minimum=0.9, maximum=1.1)},
    splits={"train": SplitCount(utterances=3, speakers=2)},
    shards=(ShardEntry(path="shards/part-00000.parquet", sha256="0" * 64, rows=3),),
    quarantined={"silent": 1},
    left_out=0,
    erased=0,
)


def test_what_is_written_is_read(tmp_path: Path) -> None:
    write_manifest(MANIFEST, tmp_path)
    assert load_manifest(tmp_path) == MANIFEST


def test_a_missing_manifest_is_bad_input(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"has no manifest\.json"):
        load_manifest(tmp_path / "nowhere")


@pytest.mark.parametrize("text", ["", "{}", "[1]", '{"schema_version": 1, "unknown": 2}'])
def test_another_manifest_is_not_believed(tmp_path: Path, text: str) -> None:
    (tmp_path / "manifest.json").write_text(text)
    with pytest.raises(IntegrityError, match="is not a manifest"):
        load_manifest(tmp_path)
