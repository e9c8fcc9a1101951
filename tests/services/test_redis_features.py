"""The feature store over a real Redis: the same answers as SQLite, no password anywhere, nothing left of the erased."""

from __future__ import annotations

import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.conftest import free_ports, set_home
from tests.feature_repo.histories import COLUMNS, Fact, World, check_histories, moment, publish, row_of
from tests.feature_repo.histories import History as OneHistory
from tests.feature_repo.test_profiles import listen, make_rows
from tests.services.redis_server import RedisServer, running_redis
from voxloop.adapters import feast as feast_adapter
from voxloop.adapters.feast_profiles import SpeakerProfiles, erase_profile
from voxloop.adapters.feast_store import redis_connection
from voxloop.data.heard_journal import HeardJournal
from voxloop.errors import ConfigError, ServiceUnavailableError
from voxloop.settings import get_settings

pytestmark = pytest.mark.slow  # a server of its own and dozens of processes: minutes on a busy machine

if TYPE_CHECKING:
    from collections.abc import Iterator

    from feast import FeatureStore

VOXLOOP = Path(sys.executable).with_name("voxloop")
NOW = datetime(2026, 3, 1, tzinfo=UTC)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    with running_redis(tmp_path_factory.mktemp("redis")) as running:
        yield running


@pytest.fixture(scope="module")
def store(server: RedisServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[FeatureStore]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("VOXLOOP_ONLINE_STORE", "redis")
        patch.setenv("VOXLOOP_REDIS_ADDRESS", server.address)
        patch.setenv("VOXLOOP_REDIS_PASSWORD", server.password)
        set_home(patch, tmp_path_factory.mktemp("home"))
        feast_adapter.add_rows({})
        feast_adapter.apply_declarations()
        yield feast_adapter.open_feature_store()
    get_settings.cache_clear()


def test_random_histories_equal_the_oracle(store: FeatureStore, tmp_path: Path) -> None:
    count = max(15, get_settings().trial_count(1_000))
    questions = check_histories(store, count, tmp_path, "h")
    assert questions > 4 * count
    assert not (get_settings().home / "feast" / "online.db").exists()


def test_a_correction_of_the_same_event_replaces_what_it_corrects(store: FeatureStore, server: RedisServer) -> None:
    """Feast's own Redis store keeps the first: it compares event times alone."""
    ids = {"utterance_id": "again-u", "speaker_id": "again-s"}
    for known, value in ((1, 100.0), (2, 200.0), (1, 300.0)):
        row = row_of(Fact("utterance_prosody", 1, known, value), ids)
        feast_adapter.push_features("utterance_prosody", [row], store=store)
    (found,) = feast_adapter.read_online(store, "emotion_v1", [ids])
    assert found["utterance_prosody__f0_mean_hz"] == 200.0


def test_an_erased_speaker_is_gone_from_redis(store: FeatureStore, server: RedisServer, tmp_path: Path) -> None:
    published = World(
        "erase-me-", [OneHistory(((Fact("utterance_prosody", 0, 0, 1.5), EMOTION, COUNT),), (), ())], [[]]
    )
    published.histories.append(published.histories[0])
    published.told.append([])
    publish(published, 0, tmp_path / "features")
    feast_adapter.publish_features(tmp_path / "features")
    feast_adapter.materialize_features(store, at=NOW)
    pushed = {"utterance_id": "only-pushed-u", "speaker_id": "erase-me-s0"}
    feast_adapter.push_features(
        "utterance_prosody", [row_of(Fact("utterance_prosody", 5, 6, 2.5), pushed)], store=store
    )
    assert holds(server, b"erase-me-s0", b"erase-me-u0", b"only-pushed-u") == {
        b"erase-me-s0",
        b"erase-me-u0",
        b"only-pushed-u",
    }
    gone = feast_adapter.erase_features("erase-me-s0", [])
    assert (gone["online.speaker"], gone["online.utterance"]) == (1, 2)
    assert {name: count for name, count in gone.items() if name.startswith("offline") and count} == {
        "offline.utterance_prosody": 1,
        "offline.speaker_prosody": 1,
        "offline.speaker_emotions": 1,
    }
    assert holds(server, b"erase-me-s0", b"erase-me-u0", b"only-pushed-u") == set()
    assert holds(server, b"erase-me-s1", b"erase-me-u1") == {b"erase-me-s1", b"erase-me-u1"}
    assert set(feast_adapter.erase_features("erase-me-s0", []).values()) == {0}


def test_a_callers_speaker_is_followed_and_erased(store: FeatureStore, server: RedisServer, tmp_path: Path) -> None:
    journal = HeardJournal(tmp_path / "heard.db", 10)
    profiles, rows = SpeakerProfiles(journal), make_rows("caller")
    for number, row in enumerate(rows):
        known = profiles.take("v1.caller", listen(row, number))
        assert known.utterances == known.features["speaker_prosody__utterances"] == number + 1
        assert known.features.get("speaker_emotions__utterances", 0) == number  # not yet its own
    assert profiles.take("v1.another", listen(rows[0], 0)).utterances == 1
    profiles.check()
    assert holds(server, b"v1.caller", b"v1.another") == {b"v1.caller", b"v1.another"}
    assert erase_profile(["v1.caller"], journal) == 5  # utterances, and a row of the speaker and of the newest
    assert holds(server, b"v1.caller", b"v1.another") == {b"v1.another"}
    assert erase_profile(["v1.caller"], journal) == 0


EMOTION = Fact("speaker_emotions", 0, 0, "anger")
COUNT = Fact("speaker_prosody", 0, 0, 3)


def holds(server: RedisServer, *words: bytes) -> set[bytes]:
    with server.connect() as client:
        everything = b"".join(key + b"".join(client.hgetall(key).values()) for key in client.scan_iter())
    return {word for word in words if word in everything}


def test_the_password_is_in_no_file(store: FeatureStore, server: RedisServer) -> None:
    settings = get_settings()
    word = server.password.encode()[:12]
    files = [path for path in settings.home.rglob("*") if path.is_file()]
    assert files
    assert [path for path in files if word in path.read_bytes()] == []
    told = f"{settings!r} {settings.model_dump_json()} {settings.environment()}"
    assert word.decode() not in told


def test_an_answering_redis_with_another_password_is_told_apart_from_a_silent_one(
    server: RedisServer, tmp_path: Path
) -> None:
    features = tmp_path / "features"
    with pytest.MonkeyPatch.context() as patch:
        set_home(patch, tmp_path / "home")
        world = World("x", [OneHistory(((COUNT,),), (), ())], [[]])
        publish(world, 0, features)
    get_settings.cache_clear()
    (silent,) = free_ports(1)
    for address, code, named in (
        (server.address, 2, "VOXLOOP_REDIS_PASSWORD"),
        (f"127.0.0.1:{silent}", 75, "does not answer"),
    ):
        environment = {
            **os.environ,
            "VOXLOOP_HOME": str(tmp_path / f"home-{code}"),
            "VOXLOOP_ONLINE_STORE": "redis",
            "VOXLOOP_REDIS_ADDRESS": address,
            "VOXLOOP_REDIS_PASSWORD": "another-password",
        }
        done = subprocess.run(
            [VOXLOOP, "features-publish", str(features), "--online"],
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert (done.returncode, len(done.stderr.strip().splitlines())) == (code, 1), done.stderr
        assert named in done.stderr
        assert "another-password" not in done.stdout + done.stderr


@pytest.mark.parametrize("password", ["123", "true", "1e5", "a,b", "it's", 'say "$HOME"', "\\", " # : ", "żółw🐢"])
def test_every_password_reaches_feast_as_it_is(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, password: str) -> None:
    import yaml
    from feast.infra.online_stores.redis import RedisOnlineStore

    monkeypatch.setenv("VOXLOOP_REDIS_PASSWORD", password)
    monkeypatch.setenv("VOXLOOP_REDIS_ADDRESS", "redis.example:6380")
    monkeypatch.setenv("VOXLOOP_REDIS_TLS", "true")
    connection = redis_connection(set_home(monkeypatch, tmp_path))
    in_yaml = yaml.safe_load(f"connection_string: '{connection}'")["connection_string"]
    nodes, options = RedisOnlineStore._parse_connection_string(in_yaml)
    get_settings.cache_clear()
    assert nodes == [{"host": "redis.example", "port": "6380"}]
    assert (options["password"], options["ssl"]) == (password, True)


@pytest.mark.parametrize(
    ("address", "tls", "password"),
    [("redis.example:6379", "false", "x"), ("redis.example:6379", "true", ""), ("127.evil.example:6379", "false", "x")],
)
def test_another_machine_needs_tls_and_a_password(
    monkeypatch: pytest.MonkeyPatch, address: str, tls: str, password: str
) -> None:
    monkeypatch.setenv("VOXLOOP_ONLINE_STORE", "redis")
    monkeypatch.setenv("VOXLOOP_REDIS_ADDRESS", address)
    monkeypatch.setenv("VOXLOOP_REDIS_TLS", tls)
    monkeypatch.delenv("VOXLOOP_REDIS_PASSWORD", raising=False)
    if password:
        monkeypatch.setenv("VOXLOOP_REDIS_PASSWORD", password)
    get_settings.cache_clear()
    with pytest.raises(ConfigError, match="redis_tls and VOXLOOP_REDIS_PASSWORD"):
        get_settings()
    get_settings.cache_clear()


def test_a_silent_redis_is_worth_another_try(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (silent,) = free_ports(1)
    monkeypatch.setenv("VOXLOOP_ONLINE_STORE", "redis")
    monkeypatch.setenv("VOXLOOP_REDIS_ADDRESS", f"127.0.0.1:{silent}")
    set_home(monkeypatch, tmp_path)
    with pytest.raises(ServiceUnavailableError, match="does not answer"):
        feast_adapter.erase_features("anybody", [])
    get_settings.cache_clear()


def test_time_is_kept_to_the_microsecond(store: FeatureStore) -> None:
    ids = {"utterance_id": "exact-u", "speaker_id": "exact-s"}
    row = row_of(Fact("speaker_emotions", 3, 7, "fear"), ids)
    feast_adapter.push_features("speaker_emotions", [row], store=store)
    (found,) = feast_adapter.read_online(store, "emotion_v1", [ids])
    assert found[f"speaker_emotions__{COLUMNS['speaker_emotions']}"] == "fear"
    assert moment(3) == datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=found["speaker_emotions__event_us"])
