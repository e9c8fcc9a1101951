"""The feature store for real: feast apply, materialize, online and offline, and no correction from the future."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
import pyarrow.parquet as pq
import pytest

from tests.conftest import set_home
from voxloop.adapters import feast as feast_adapter
from voxloop.data.prosody_tables import MEASURES
from voxloop.errors import ConfigError, InputError, VoxloopError
from voxloop.jobs.features import features
from voxloop.jobs.ingest import ingest
from voxloop.settings import get_settings

if TYPE_CHECKING:
    from collections.abc import Iterator

    from feast import FeatureStore

REPOSITORY = Path(__file__).resolve().parents[2] / "feature_repo"
TINY = ("world.home.speakers=2", "world.utterances_per_speaker=3")
CORRECTED_AT = datetime(2026, 3, 1, tzinfo=UTC)


class Repo:
    """A store with two publications of one dataset: the original, and a correction of half of the pitches made later."""

    def __init__(self, folder: Path) -> None:
        dataset = ingest(out=folder / "dataset", overrides=TINY)
        self.features = features(dataset, folder / "features")
        self.rows: list[dict[str, Any]] = pq.read_table(self.features / "utterance_prosody.parquet").to_pylist()
        feast_adapter.publish_features(self.features)
        self.published = feast_adapter.publish_features(self.correct(folder / "corrected"))
        feast_adapter.apply_declarations()
        self.store: FeatureStore = feast_adapter.open_feature_store()
        self.online = self.materialize()

    def correct(self, to: Path) -> Path:
        to.mkdir()
        for table in feast_adapter.TABLES:
            before = pq.read_table(self.features / f"{table}.parquet")
            rows = [self.correct_row(row) for row in before.to_pylist()[::2]]
            pq.write_table(type(before).from_pylist(rows, schema=before.schema), to / f"{table}.parquet")
        return to

    @staticmethod
    def correct_row(row: dict[str, Any]) -> dict[str, Any]:
        return row | {"f0_mean_hz": row["f0_mean_hz"] + 100.0, "created": CORRECTED_AT}

    def materialize(self) -> list[dict[str, Any]]:
        since = datetime(2025, 1, 1, tzinfo=UTC)
        feast_adapter.materialize_features(self.store, since=since, until=since + timedelta(days=1_000))
        return feast_adapter.read_online(self.store, "emotion_v1", self.keys)

    @property
    def keys(self) -> list[dict[str, str]]:
        return [{"utterance_id": row["utterance_id"], "speaker_id": row["speaker_id"]} for row in self.rows]

    def history(self, *moments: datetime) -> list[dict[str, Any]]:
        asked = [{**key, "event_timestamp": pd.Timestamp(moment)} for moment in moments for key in self.keys]
        known = feast_adapter.read_history(self.store, "emotion_v1", pd.DataFrame(asked))
        return [{str(name): value for name, value in row.items()} for row in known.to_dict("records")]


@pytest.fixture(scope="module")
def repo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Repo]:
    folder = tmp_path_factory.mktemp("feature_repo")
    with pytest.MonkeyPatch.context() as patch:
        set_home(patch, folder / "home")
        yield Repo(folder)
    get_settings.cache_clear()


def test_feast_knows_what_is_declared(repo: Repo) -> None:
    assert {entity.name for entity in repo.store.list_entities()} >= {"utterance", "speaker"}
    assert {view.name for view in repo.store.list_feature_views()} == {"utterance_prosody", "speaker_prosody"}
    for view in repo.store.list_feature_views():
        assert {field.name for field in view.features} - {"utterances"} == set(MEASURES)
        assert view.batch_source is not None
        assert view.batch_source.created_timestamp_column == "created"


def test_all_state_lies_under_home(repo: Repo) -> None:
    home = get_settings().home
    assert (home / "feast" / "registry.db").is_file()
    assert (home / "feast" / "online.db").is_file()
    assert not [path for path in (get_settings().project_root / "feature_repo").iterdir() if path.suffix == ".db"]


def test_online_equals_offline_for_the_same_entity(repo: Repo) -> None:
    offline = repo.history(datetime(2027, 1, 1, tzinfo=UTC))
    assert len(offline) == len(repo.online) == len(repo.rows)
    for online_row, offline_row in zip(repo.online, offline, strict=True):
        assert len(online_row) == 2 + 2 * len(MEASURES) + 1
        for name, value in online_row.items():
            assert offline_row[name] == value or (value is None and pd.isna(offline_row[name])), name


def test_a_correction_made_later_does_not_leak_into_the_past(repo: Repo) -> None:
    original = [row["f0_mean_hz"] for row in repo.rows]
    corrected = [f0 if index % 2 else f0 + 100.0 for index, f0 in enumerate(original)]
    before, after = CORRECTED_AT - timedelta(seconds=1), CORRECTED_AT + timedelta(seconds=1)
    known = [row["utterance_prosody__f0_mean_hz"] for row in repo.history(before, after)]
    assert known == original + corrected


def test_nothing_is_known_of_an_utterance_before_it_was_spoken(repo: Repo) -> None:
    early = repo.history(min(row["event_timestamp"] for row in repo.rows) - timedelta(seconds=1))
    assert [row["utterance_id"] for row in early] == [row["utterance_id"] for row in repo.rows]
    assert all(pd.isna(row["utterance_prosody__f0_mean_hz"]) for row in early)


def test_every_row_asked_for_comes_back_in_order(repo: Repo) -> None:
    late, early = datetime(2027, 1, 1, tzinfo=UTC), datetime(2020, 1, 1, tzinfo=UTC)
    known = repo.history(late, early, late)
    assert [row["utterance_id"] for row in known] == [row["utterance_id"] for row in repo.rows] * 3
    assert known[: len(repo.rows)] == known[-len(repo.rows) :]


def test_an_unknown_speaker_has_no_features(repo: Repo) -> None:
    (row,) = feast_adapter.read_online(repo.store, "emotion_v1", [{"utterance_id": "nobody", "speaker_id": "nobody"}])
    assert {value for name, value in row.items() if "__" in name} == {None}


def test_publishing_and_materializing_again_changes_nothing(repo: Repo) -> None:
    before = [file.read_bytes() for file in repo.published]
    assert feast_adapter.publish_features(repo.features) == repo.published
    assert [file.read_bytes() for file in repo.published] == before
    assert repo.materialize() == repo.online


def test_a_folder_without_features_is_refused(repo: Repo, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"utterance_prosody\.parquet does not exist.*voxloop features"):
        feast_adapter.publish_features(tmp_path)


@pytest.fixture
def other_root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setenv("VOXLOOP_PROJECT_ROOT", str(tmp_path))
    set_home(monkeypatch, tmp_path / "home")
    yield tmp_path
    monkeypatch.undo()
    get_settings.cache_clear()


def test_without_a_feature_repository_nothing_opens(other_root: Path) -> None:
    for act in (feast_adapter.apply_declarations, feast_adapter.open_feature_store):
        with pytest.raises(ConfigError, match=r"feature_store\.yaml does not exist.*VOXLOOP_PROJECT_ROOT"):
            act()


def test_what_feast_refuses_is_told_in_one_line(other_root: Path) -> None:
    shutil.copytree(REPOSITORY, other_root / "feature_repo", ignore=shutil.ignore_patterns("__pycache__"))
    with (other_root / "feature_repo" / "prosody.py").open("a", encoding="utf-8") as declarations:
        declarations.write(
            "twin = FeatureView(name='utterance_prosody', entities=[speaker], source=speaker_prosody_files)\n"
        )
    with pytest.raises(VoxloopError, match="feast apply refused the declarations: .*utterance_prosody") as told:
        feast_adapter.apply_declarations()
    assert "\n" not in str(told.value)
