"""The feature store for real: feast apply, carrying online, push, the past, and a speaker taken out."""

from __future__ import annotations

import shutil
from contextlib import AbstractContextManager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.conftest import set_home
from tests.feature_repo.conftest import CORRECTED_AT, LATE, SERVICE, Repo
from voxloop.adapters import feast as feast_adapter
from voxloop.adapters import feast_history, feast_offline, feast_online
from voxloop.data.emotion_history import add_emotion
from voxloop.data.prosody_tables import MEASURES
from voxloop.data.revisions import EVENT_US, KNOWN_US
from voxloop.data.tombstones import Tombstones, write_tombstones
from voxloop.errors import ConfigError, InputError, VoxloopError
from voxloop.settings import get_settings
from voxloop.store.lock import hold_lock

if TYPE_CHECKING:
    from collections.abc import Iterator

REPOSITORY = Path(__file__).resolve().parents[2] / "feature_repo"
TIMES = {"event_timestamp", "created"}


def test_feast_knows_what_is_declared(repo: Repo) -> None:
    assert {entity.name for entity in repo.store.list_entities()} >= {"utterance", "speaker"}
    assert {service.name for service in repo.store.list_feature_services()} == {
        "emotion_v1",
        "personality_v1",
        "asr_v1",
    }
    views = {view.name: view for view in repo.store.list_feature_views()}
    assert set(views) == set(feast_adapter.TABLES)
    for name, view in views.items():
        columns = {*feast_adapter.SCHEMAS[name].names, EVENT_US, KNOWN_US} - TIMES - {feast_adapter.TABLES[name]}
        assert {field.name for field in view.features} == columns
        assert view.batch_source is not None
        assert view.batch_source.created_timestamp_column == "created"
        assert view.stream_source is not None
        assert view.stream_source.name == f"{name}_push"


def test_no_two_features_share_a_field_of_redis(repo: Repo) -> None:
    """Its store names a field by 32 bits of a hash, and one key holds all views of an entity."""
    from feast.infra.online_stores.helpers import _mmh3

    names = [f"{view.name}:{field.name}" for view in repo.store.list_feature_views() for field in view.features]
    assert len({_mmh3(name) for name in names}) == len(names)


def test_no_service_gives_a_model_what_is_for_the_store_alone(repo: Repo) -> None:
    for service in repo.store.list_feature_services():
        for projection in service.feature_view_projections:
            names = {field.name for field in projection.features}
            assert not names & {"speaker_id", KNOWN_US}


def test_all_state_lies_under_home(repo: Repo) -> None:
    home = get_settings().home
    assert (home / "feast" / "registry.db").is_file()
    assert (home / "feast" / "online.db").is_file()
    assert not [path for path in REPOSITORY.iterdir() if path.suffix == ".db"]


def test_online_equals_offline_for_the_same_entity(repo: Repo) -> None:
    offline = repo.history(LATE)
    assert len(offline) == len(repo.online) == len(repo.rows)
    for online_row, offline_row in zip(repo.online, offline, strict=True):
        assert len(online_row) > 2 + 2 * len(MEASURES) + 20
        assert {name: repr(value) for name, value in online_row.items()} == {
            name: repr(offline_row[name]) for name in online_row
        }


def test_a_correction_made_later_does_not_leak_into_the_past(repo: Repo) -> None:
    original = [row["f0_mean_hz"] for row in repo.rows]
    corrected = [f0 if index % 2 else f0 + 100.0 for index, f0 in enumerate(original)]
    before, after = CORRECTED_AT - timedelta(microseconds=1), CORRECTED_AT
    known = [row["utterance_prosody__f0_mean_hz"] for row in repo.history(before, after)]
    assert known == original + corrected


def test_nothing_is_known_of_an_utterance_before_it_was_spoken(repo: Repo) -> None:
    early = repo.history(min(row["event_timestamp"] for row in repo.rows) - timedelta(seconds=1))
    assert [row["utterance_id"] for row in early] == [row["utterance_id"] for row in repo.rows]
    assert {value for row in early for name, value in row.items() if "__" in name} == {None}


def test_nobody_is_told_the_label_of_the_utterance_that_is_asked_about(repo: Repo) -> None:
    asked = [
        {**key, "event_timestamp": pd.Timestamp(row["event_timestamp"])}
        for key, row in zip(repo.keys, repo.rows, strict=True)
    ]
    told = feast_adapter.read_history(repo.store, "emotion_v1", pd.DataFrame(asked)).to_pylist()
    counts: dict[str, int] = {}
    for row in sorted(told, key=lambda row: row["event_timestamp"]):
        before = counts.setdefault(row["speaker_id"], 0)
        assert (row["speaker_emotions__utterances"] or 0) == before
        counts[row["speaker_id"]] += 1
    assert set(counts.values()) == {3}


def test_every_row_asked_for_comes_back_in_order(repo: Repo) -> None:
    late, early = LATE, datetime(2020, 1, 1, tzinfo=UTC)
    known = repo.history(late, early, late)
    assert [row["utterance_id"] for row in known] == [row["utterance_id"] for row in repo.rows] * 3
    assert known[: len(repo.rows)] == known[-len(repo.rows) :]


def test_a_question_keeps_its_other_columns_and_may_be_empty(repo: Repo) -> None:
    frame = pd.DataFrame([{**repo.keys[0], "event_timestamp": pd.Timestamp(LATE), "label": "anger"}])
    told = feast_adapter.read_history(repo.store, "asr_v1", frame)
    assert told["label"].to_pylist() == ["anger"]
    empty = feast_adapter.read_history(repo.store, "asr_v1", frame.iloc[:0])
    assert (empty.num_rows, empty.column_names) == (0, told.column_names)


def test_a_question_that_cannot_be_answered_is_refused(repo: Repo) -> None:
    frame = pd.DataFrame([{**repo.keys[0], "event_timestamp": pd.Timestamp(LATE)}])
    with pytest.raises(InputError, match="no feature service 'emotion_v9'; the services are asr_v1, emotion_v1"):
        feast_adapter.read_history(repo.store, "emotion_v9", frame)
    with pytest.raises(InputError, match="lacks utterance_id"):
        feast_adapter.read_history(repo.store, SERVICE, frame.drop(columns="utterance_id"))
    with pytest.raises(InputError, match="time zone"):
        naive = frame.assign(event_timestamp=frame["event_timestamp"].dt.tz_localize(None))
        feast_adapter.read_history(repo.store, SERVICE, naive)


def test_an_unknown_speaker_has_no_features(repo: Repo) -> None:
    (row,) = feast_adapter.read_online(repo.store, SERVICE, [{"utterance_id": "nobody", "speaker_id": "nobody"}])
    assert {value for name, value in row.items() if "__" in name} == {None}


def test_publishing_and_carrying_online_again_changes_nothing(repo: Repo) -> None:
    files = sorted((get_settings().home / "features").glob("*.parquet"))
    before = [file.read_bytes() for file in files]
    assert set(feast_adapter.publish_features(repo.features).values()) == {0}
    assert [file.read_bytes() for file in files] == before
    assert set(feast_adapter.materialize_features(repo.store, at=LATE).values()) == {0}
    assert feast_adapter.read_online(repo.store, SERVICE, repo.keys) == repo.online


def test_what_production_predicts_is_pushed_and_becomes_history(repo: Repo) -> None:
    at = datetime(2027, 2, 1, tzinfo=UTC)
    first = add_emotion(None, "pushed-speaker", "fear", moment=at, known_at=at, predicted=True)
    second = add_emotion(first, "pushed-speaker", "calm", moment=at + timedelta(minutes=1), known_at=at, predicted=True)
    assert feast_adapter.push_features("speaker_emotions", [second], "both", store=repo.store) == {
        "offline": 1,
        "online": 1,
    }
    assert feast_adapter.push_features("speaker_emotions", [first], "both", store=repo.store) == {
        "offline": 1,
        "online": 0,
    }
    key = {"utterance_id": "none", "speaker_id": "pushed-speaker"}
    (row,) = feast_adapter.read_online(repo.store, "emotion_v1", [key])
    assert (row["speaker_emotions__last_emotion"], row["speaker_emotions__predicted"]) == ("calm", 2)
    asked = pd.DataFrame([{**key, "event_timestamp": pd.Timestamp(at + timedelta(seconds=1))}])
    (past,) = feast_adapter.read_history(repo.store, "emotion_v1", asked).to_pylist()
    assert (past["speaker_emotions__last_emotion"], past["speaker_emotions__calm_count"]) == ("fear", 0)


@pytest.mark.parametrize(
    ("view", "change", "told"),
    [
        ("speaker_moods", {}, "no feature view 'speaker_moods'; the views are"),
        ("speaker_emotions", {"mood": 1}, "has no mood"),
        ("speaker_emotions", {"anger_count": None}, "anger_count"),
        ("speaker_emotions", {"anger_count": "many"}, "many"),
        ("speaker_emotions", {"created": datetime(2020, 1, 1, tzinfo=UTC)}, "before it happened"),
    ],
)
def test_a_push_that_is_no_row_of_its_view_is_refused(repo: Repo, view: str, change: dict[str, Any], told: str) -> None:
    row = add_emotion(None, "s", "fear", moment=LATE, known_at=LATE) | change
    with pytest.raises(InputError, match=told):
        feast_adapter.push_features(view, [row], "both", store=repo.store)


def test_an_erased_speaker_leaves_no_byte_and_stays_away(repo: Repo, tmp_path: Path) -> None:
    home = get_settings().home
    name, utterance = "Erasmus-the-erased", "erasmus-says-no-1"
    other = "Beatrix-who-stays"
    for speaker, spoken in ((name, utterance), (name, "erasmus-says-no-2"), (other, "beatrix-1")):
        row = repo.rows[0] | {"speaker_id": speaker, "utterance_id": spoken}
        feast_adapter.push_features("utterance_prosody", [row], "both", store=repo.store)
        emotions = add_emotion(None, speaker, "fear", moment=LATE, known_at=LATE)
        feast_adapter.push_features("speaker_emotions", [emotions], "both", store=repo.store)
    only_online = repo.rows[0] | {"speaker_id": name, "utterance_id": "erasmus-only-pushed"}
    feast_adapter.push_features("utterance_prosody", [only_online], "online", store=repo.store)
    (home / "features" / ".speaker_emotions.parquet.killed").write_bytes(name.encode())
    assert files_with(home, name, "erasmus-")
    gone = feast_adapter.erase_features(name, [])
    assert {key: count for key, count in gone.items() if count} == {
        "offline.utterance_prosody": 2,
        "offline.speaker_emotions": 1,
        "online.speaker": 1,
        "online.utterance": 3,
    }
    assert files_with(home, name, "erasmus-") == []
    assert files_with(home, other)
    assert set(feast_adapter.erase_features(name, [utterance]).values()) == {0}
    write_tombstones(get_settings().tombstones_file, Tombstones().with_speaker(name))
    assert feast_adapter.push_features("utterance_prosody", [only_online], "both", store=repo.store) == {
        "offline": 0,
        "online": 0,
    }
    get_settings().tombstones_file.unlink()
    assert files_with(home, name, "erasmus-") == []


def erase(name: str) -> None:
    """Erase a speaker as `voxloop erase` does: the tombstone comes first."""
    write_tombstones(get_settings().tombstones_file, Tombstones().with_speaker(name))
    feast_adapter.erase_features(name, [])


@pytest.fixture
def raced(repo: Repo) -> Iterator[str]:
    """Somebody who was published and is about to be erased; nothing of them may be left when the test is over."""
    name = "Rachel-who-is-raced"
    row = repo.rows[0] | {"speaker_id": name, "utterance_id": "rachel-1"}
    feast_adapter.push_features("utterance_prosody", [row], "offline")
    feast_adapter.push_features("speaker_emotions", [emotions_of(name)], "offline")
    assert files_with(get_settings().home, name)
    yield name
    left = files_with(get_settings().home, name, "rachel-")
    feast_adapter.erase_features(name, [])
    get_settings().tombstones_file.unlink()
    assert left == []


def emotions_of(name: str) -> dict[str, Any]:
    return add_emotion(None, name, "fear", moment=LATE, known_at=LATE)


@pytest.mark.parametrize("asked", ["read_latest", "_ask"])
def test_what_was_read_before_an_erasure_is_not_carried_online_after_it(
    repo: Repo, raced: str, monkeypatch: pytest.MonkeyPatch, asked: str
) -> None:
    module = feast_online if asked == "read_latest" else feast_history
    true, calls = getattr(module, asked), []

    def erase_meanwhile(*args: Any, **more: Any) -> pa.Table:
        calls.append(args)
        if asked == "_ask" and len(calls) == 1:
            erase(raced)  # between asking who there is and what is known of them
        rows = true(*args, **more)
        if asked == "read_latest" and raced in rows["speaker_id"].to_pylist():
            erase(raced)
        return rows

    monkeypatch.setattr(module, asked, erase_meanwhile)
    assert set(feast_adapter.materialize_features(repo.store, at=LATE).values()) == {0}
    assert get_settings().tombstones_file.exists()


@pytest.mark.parametrize("to", ["offline", "online"])
def test_an_erasure_while_a_writer_waits_for_its_turn_is_seen(
    repo: Repo, raced: str, monkeypatch: pytest.MonkeyPatch, to: Literal["offline", "online"]
) -> None:
    module = {"offline": feast_offline, "online": feast_online}[to]
    true = hold_lock

    def wait(path: Path) -> AbstractContextManager[None]:
        monkeypatch.setattr(module, "hold_lock", true)
        erase(raced)
        return true(path)

    monkeypatch.setattr(module, "hold_lock", wait)
    row = repo.rows[0] | {"speaker_id": raced, "utterance_id": "rachel-1"}
    assert feast_adapter.push_features("utterance_prosody", [row], to, store=repo.store) == {"offline": 0, "online": 0}


def files_with(home: Path, *words: str) -> list[Path]:
    return [
        path for path in home.rglob("*") if path.is_file() and any(word.encode() in path.read_bytes() for word in words)
    ]


def test_erasing_where_nothing_was_ever_published_is_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    set_home(monkeypatch, tmp_path)
    assert set(feast_adapter.erase_features("anybody", ["u1"]).values()) == {0}
    get_settings.cache_clear()


def test_a_folder_without_features_is_refused(repo: Repo, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="has no table of features.*voxloop features"):
        feast_adapter.publish_features(tmp_path)


def test_one_wrong_table_and_none_is_published(repo: Repo, tmp_path: Path) -> None:
    folder = tmp_path / "features"
    shutil.copytree(repo.features, folder)
    table = pq.read_table(folder / "utterance_words.parquet")
    pq.write_table(table.drop_columns(["tokens"]), folder / "utterance_words.parquet")
    before = {path: path.read_bytes() for path in (get_settings().home / "features").glob("*.parquet")}
    with pytest.raises(InputError, match="is no table utterance_words: tokens"):
        feast_adapter.publish_features(folder)
    assert {path: path.read_bytes() for path in before} == before


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
    with (other_root / "feature_repo" / "features.py").open("a", encoding="utf-8") as declarations:
        declarations.write("twin = declare_view('utterance_prosody', speaker, [HOW_MANY])\n")
    with pytest.raises(VoxloopError, match="feast apply refused the declarations: .*utterance_prosody") as told:
        feast_adapter.apply_declarations()
    assert "\n" not in str(told.value)
