"""A training's features: what was known at the moment of each utterance, and nothing that came later."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.feature_repo.conftest import SERVICE, Repo
from voxloop.adapters.feast_training import count_known, read_training_features
from voxloop.data.shards import read_manifest
from voxloop.errors import InputError
from voxloop.jobs.training_features import training_features

pytestmark = pytest.mark.slow


def test_each_utterance_gets_what_was_known_when_it_was_said(repo: Repo) -> None:
    manifest = read_manifest(repo.features.parent / "dataset", ("utterance_id", "speaker_id", "recorded_at"))
    table = read_training_features(repo.store, SERVICE, manifest)
    assert table["utterance_id"].to_pylist() == manifest["utterance_id"].to_pylist()
    numbers = [field for field in table.schema if field.name != "utterance_id"]
    assert {field.type for field in numbers} == {pa.float64()}
    assert not [field.name for field in numbers if field.name.endswith(("_us", "last_emotion"))]
    pitches = {row["utterance_id"]: row["f0_mean_hz"] for row in repo.rows}  # the correction came later
    rows = table.to_pylist()
    assert {row["utterance_id"]: row["utterance_prosody__f0_mean_hz"] for row in rows} == pitches
    heard = {row["utterance_id"]: row["speaker_prosody__utterances"] for row in rows}
    felt = {row["utterance_id"]: row["speaker_emotions__utterances"] for row in rows}
    for row in rows:
        place = int(row["utterance_id"].rpartition("-")[2])
        assert heard[row["utterance_id"]] == place + 1
        assert felt[row["utterance_id"]] == (place or None)
        since = row["speaker_emotions__seconds_since"]
        assert since is None if place == 0 else 0.0 < since < 10.0
    assert count_known(table, ["utterance_prosody", "speaker_emotions"]) == {
        "utterance_prosody": len(rows),
        "speaker_emotions": sum(count is not None for count in felt.values()),
    }


def test_the_job_writes_it_once(repo: Repo, tmp_path: Path) -> None:
    dataset = repo.features.parent / "dataset"
    out = training_features(dataset, tmp_path / "features.parquet")
    assert pq.read_table(out).num_rows == len(repo.rows)
    with pytest.raises(InputError, match="exists"):
        training_features(dataset, out)
    with pytest.raises(InputError, match="no feature service 'mood'"):
        training_features(dataset, tmp_path / "other.parquet", service="mood")
