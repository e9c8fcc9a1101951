"""The features job: a dataset in, the offline source of the feature store out."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow.parquet as pq
import pytest

from tests.unit.jobs.datasets import make_utterance, write_dataset
from voxloop.data.schema import make_row
from voxloop.data.shards import read_manifest
from voxloop.errors import ConfigError, InputError
from voxloop.jobs.features import features
from voxloop.jobs.ingest import ingest

if TYPE_CHECKING:
    from voxloop.settings import Settings

TABLES = [
    "speaker_emotions.parquet",
    "speaker_prosody.parquet",
    "speaker_words.parquet",
    "utterance_prosody.parquet",
    "utterance_words.parquet",
]
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
    for name in TABLES:
        assert (first / name).read_bytes() == (second / name).read_bytes() == (third / name).read_bytes()
    told = capsys.readouterr().out
    assert told.count("step features: computed") == 2
    assert told.count("step features: reused") == 1


def test_words_and_emotions_have_their_tables(dataset: Path, tmp_path: Path) -> None:
    out = features(dataset, tmp_path / "features")
    assert sorted(path.name for path in out.glob("*.parquet")) == TABLES
    words = pq.read_table(out / "utterance_words.parquet").to_pylist()
    texts = read_manifest(dataset, columns=["utterance_id", "text"]).to_pylist()
    assert {row["utterance_id"]: row["tokens"] for row in words} == {
        row["utterance_id"]: len(row["text"].split()) for row in texts
    }
    assert all(row["words_per_second"] > 0 for row in words)
    emotions = pq.read_table(out / "speaker_emotions.parquet").to_pylist()
    assert {row["speaker_id"]: row["utterances"] for row in emotions} == dict.fromkeys(
        read_manifest(dataset, columns=["speaker_id"])["speaker_id"].to_pylist(), 3
    )


def test_a_dataset_without_labels_has_no_table_of_them(settings: Settings, tmp_path: Path) -> None:
    row = make_row(make_utterance("s1", None, 0), "train")
    dataset = write_dataset(tmp_path / "dataset", [row | {"text": None}])
    out = features(dataset, tmp_path / "features")
    assert sorted(path.name for path in out.glob("*.parquet")) == TABLES[1:2] + TABLES[3:4]


def test_a_word_list_is_changed_for_once(dataset: Path, tmp_path: Path) -> None:
    changed = ("words.languages.en.fillers=[the]",)
    words = pq.read_table(features(dataset, tmp_path / "out", overrides=changed) / "utterance_words.parquet")
    plain = pq.read_table(features(dataset, tmp_path / "plain") / "utterance_words.parquet")
    assert sum(words["fillers"].to_pylist()) > sum(plain["fillers"].to_pylist())
    with pytest.raises(ConfigError, match="fillers"):
        features(dataset, tmp_path / "wrong", overrides=("words.languages.en.fillers=[two words]",))


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


def test_words_alone_have_words_and_no_prosody(settings: Settings, tmp_path: Path) -> None:
    row = make_row(replace(make_utterance("s1", None, 0), waveform=None), "train")
    folder = tmp_path / "dataset"
    write_dataset(folder, [row | {"duration_s": 0.0}])
    out = features(folder, tmp_path / "features")
    assert sorted(path.name for path in out.glob("*.parquet")) == ["speaker_words.parquet", "utterance_words.parquet"]
    (told,) = pq.read_table(out / "utterance_words.parquet").to_pylist()
    assert (told["tokens"], told["words_per_second"]) == (3.0, None)
