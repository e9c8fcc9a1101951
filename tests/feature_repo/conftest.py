"""One feature store for the tests of this folder: Feast takes 8 s to import and as long to apply its declarations."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.conftest import set_home
from voxloop.adapters import feast as feast_adapter
from voxloop.jobs.features import features
from voxloop.jobs.ingest import ingest
from voxloop.settings import get_settings

if TYPE_CHECKING:
    from collections.abc import Iterator

    from feast import FeatureStore

TINY = ("world.home.speakers=2", "world.utterances_per_speaker=3")
CORRECTED_AT = datetime(2026, 3, 1, tzinfo=UTC)
LATE = datetime(2027, 1, 1, tzinfo=UTC)
SERVICE = "personality_v1"


class Repo:
    """A store with two publications of one dataset: the original, and a correction of half of the pitches made later."""

    def __init__(self, folder: Path) -> None:
        dataset = ingest(out=folder / "dataset", overrides=TINY)
        self.features = features(dataset, folder / "features")
        self.rows: list[dict[str, Any]] = pq.read_table(self.features / "utterance_prosody.parquet").to_pylist()
        feast_adapter.publish_features(self.features)
        feast_adapter.publish_features(self.correct(folder / "corrected"))
        feast_adapter.apply_declarations()
        self.store: FeatureStore = feast_adapter.open_feature_store()
        self.written = feast_adapter.materialize_features(self.store, at=LATE)
        self.online = feast_adapter.read_online(self.store, SERVICE, self.keys)

    def correct(self, to: Path) -> Path:
        to.mkdir()
        for table in ("utterance_prosody", "speaker_prosody"):
            before = pq.read_table(self.features / f"{table}.parquet")
            rows = [self.correct_row(row) for row in before.to_pylist()[::2]]
            pq.write_table(pa.Table.from_pylist(rows, schema=before.schema), to / f"{table}.parquet")
        return to

    @staticmethod
    def correct_row(row: dict[str, Any]) -> dict[str, Any]:
        return row | {"f0_mean_hz": row["f0_mean_hz"] + 100.0, "created": CORRECTED_AT}

    @property
    def keys(self) -> list[dict[str, str]]:
        return [{"utterance_id": row["utterance_id"], "speaker_id": row["speaker_id"]} for row in self.rows]

    def history(self, *moments: datetime, service: str = SERVICE) -> list[dict[str, Any]]:
        asked = [{**key, "event_timestamp": pd.Timestamp(moment)} for moment in moments for key in self.keys]
        told: list[dict[str, Any]] = feast_adapter.read_history(self.store, service, pd.DataFrame(asked)).to_pylist()
        return told


@pytest.fixture(scope="session")
def _made_repo(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Repo]:
    folder = tmp_path_factory.mktemp("feature_repo")
    with pytest.MonkeyPatch.context() as patch:
        set_home(patch, folder / "home")
        made = Repo(folder)
    get_settings.cache_clear()
    return folder, made


@pytest.fixture
def repo(_made_repo: tuple[Path, Repo], monkeypatch: pytest.MonkeyPatch) -> Iterator[Repo]:
    """The one store, its home the current one."""
    folder, made = _made_repo
    set_home(monkeypatch, folder / "home")
    yield made
    monkeypatch.undo()
    get_settings.cache_clear()
