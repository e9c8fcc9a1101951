"""The features job: a dataset in, the offline source of the feature store out."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow.parquet as pq
import pytest

from voxloop.data.shards import read_manifest
from voxloop.errors import ConfigError, InputError
from voxloop.jobs.features import features
from voxloop.jobs.ingest import ingest

if TYPE_CHECKING:
    from voxloop.settings import Settings

TINY = ("world.home.speakers=2", "world.utterances_per_speaker=3")


@pytest.fixture
def dataset(settings: Settings, tmp_path: Path) -> Path:
    return ingest(out=tmp_path / "dataset", overrides=TINY)


def test_every_utterance_and_speaker_has_its_row(dataset: Path, tmp_path: Path) -> None:
    out = features(dataset, tmp_path / "features")
    known = read_manifest(dataset, columns=["utterance_id", "speaker_id", "recorded_at"])
    utterances = pq.read_table(out / "utterance_prosody.parquet")
    assert utterances["utterance_id"].to_pylist() == sorted(known["utterance_id"].to_pylist())
    assert set(utterances["event_timestamp"].to_pylist()) == set(known["recorded_at"].to_pylist())
    assert all(60 < f0 < 500 for f0 in utterances["f0_mean_hz"].to_pylist())
    speakers = pq.read_table(out / "speaker_prosody.parquet").to_pylist()
    last = {row["speaker_id"]: row["utterances"] for row in speakers}
    assert last == dict.fromkeys(known["speaker_id"].to_pylist(), 3)


def test_the_same_dataset_gives_the_same_bytes(
    dataset: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], settings: Settings
) -> None:
    first = features(dataset, tmp_path / "first")
    settings.store.rename(settings.store.with_name("store-of-before"))  # nothing to reuse
    second = features(dataset, tmp_path / "second")
    third = features(dataset, tmp_path / "third")
    for name in ("utterance_prosody.parquet", "speaker_prosody.parquet"):
        assert (first / name).read_bytes() == (second / name).read_bytes() == (third / name).read_bytes()
    told = capsys.readouterr().out
    assert told.count("step features: computed") == 2
    assert told.count("step features: reused") == 1


def test_the_date_of_a_correction_is_part_of_what_was_made(dataset: Path, tmp_path: Path) -> None:
    plain = features(dataset, tmp_path / "plain")
    corrected = features(dataset, tmp_path / "corrected", overrides=("known_at=2030-01-01T00:00:00Z",))
    created = pq.read_table(corrected / "utterance_prosody.parquet")["created"].to_pylist()
    assert {moment.year for moment in created} == {2030}
    keys = [json.loads((out / "_record.json").read_text())["key"] for out in (plain, corrected)]
    assert keys[0] != keys[1]


def test_what_is_no_dataset_is_refused_and_nothing_is_written(settings: Settings, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    for folder in (tmp_path / "empty", tmp_path / "nowhere"):
        with pytest.raises(InputError, match=folder.name):
            features(folder, tmp_path / "out")
    with pytest.raises(ConfigError, match="did you mean 'prosody.voicing'"):
        features(tmp_path / "empty", tmp_path / "out", overrides=("prosody.voicng=1",))
    assert not (tmp_path / "out").exists()
