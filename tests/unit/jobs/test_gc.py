"""`voxloop gc`: frees what nothing needs, says so, and frees nothing it cannot judge."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.unit.release.archives import MemoryArchive, make_version
from tests.unit.store.test_retention import OLD, set_age, train
from voxloop.config import find_config, load_config
from voxloop.errors import InputError, IntegrityError, ServiceUnavailableError
from voxloop.jobs.gc import Collected, collect, describe, gc, read_moment, show_bytes
from voxloop.ledger.book import open_ledger
from voxloop.release.retention_needs import FREED, KIND
from voxloop.release.reviews import SPEAKERS_ARTIFACT, Learnt, find_affected
from voxloop.release.routes import Route, record_route
from voxloop.release.versions import DATA_DIGEST, MODEL_DIGEST
from voxloop.settings import Settings
from voxloop.store.digests import digest_tree, list_files
from voxloop.store.retention import RetentionConfig

AT = datetime(2026, 11, 20, 12, tzinfo=UTC)
ONE_NIGHT = ("nights=1",)


@pytest.fixture
def config() -> RetentionConfig:
    return load_config(RetentionConfig, find_config("retention"), ONE_NIGHT)


@pytest.fixture
def archive(settings: Settings, tmp_path: Path) -> MemoryArchive:
    """Three retrainings of long ago: the champion's, one nobody needs, and the newest night."""
    made = MemoryArchive()
    for number, name in enumerate(("champion", "nobody", "newest"), start=1):
        at = OLD + timedelta(days=number)
        run = train(settings, tmp_path, name, at)
        model = run / "steps" / "export" / "out"
        tags = {MODEL_DIGEST: digest_tree(model), DATA_DIGEST: digest_tree(run / "steps" / "ingest" / "out")}
        version = make_version(number, tags, run_id=f"mlflow-{name}")
        made.add(version, {"model/model.onnx": name.encode() * 1000}, changed=at.timestamp())
        (settings.model_repository / version.serving_name).mkdir(parents=True)
    made.set_aliases("emotion", champion=1)
    set_age(settings.home, OLD)
    for number, name in enumerate(("champion", "nobody", "newest"), start=1):
        set_age(settings.home / "runs" / name, OLD + timedelta(days=number))
    return made


def find_kinds(done: Collected) -> dict[str, int]:
    kinds = [item.kind for item in done.freed]
    return {kind: kinds.count(kind) for kind in sorted(set(kinds))}


def test_what_nobody_needs_goes_everywhere(settings: Settings, archive: MemoryArchive, config: RetentionConfig) -> None:
    done = collect(settings, archive, config, AT)
    assert find_kinds(done) == {"artifacts of runs": 1, "run folders": 1, "served models": 2, "stored results": 3}
    assert {path.name for path in (settings.home / "runs").iterdir()} == {"champion", "newest"}
    assert {path.name for path in settings.model_repository.iterdir()} == {
        archive.models["emotion"].versions[0].serving_name
    }
    assert archive.artifacts["mlflow-nobody"] == {}
    assert archive.runs["mlflow-nobody"].tags[FREED].startswith("2026-11-20T12:00")
    assert archive.artifacts["mlflow-champion"]
    assert archive.artifacts["mlflow-newest"]
    assert [len(list((settings.store / step).iterdir())) for step in ("ingest", "train", "export")] == [2, 2, 2]
    assert not done.blind


def test_what_a_route_names_stays_wherever_its_alias_was_moved(
    settings: Settings, archive: MemoryArchive, config: RetentionConfig
) -> None:
    champion, nobody, newest = archive.models["emotion"].versions
    route = Route("emotion", {champion.model_digest: 1.0}, None, True, "s", nobody.model_digest)
    record_route(open_ledger(settings), route, act="route/promotion/1", at=AT)
    archive.set_aliases("emotion", champion=newest.number)
    collect(settings, archive, config, AT)
    for version in (champion, nobody):
        assert (settings.model_repository / version.serving_name).is_dir()
        assert archive.artifacts[version.run_id]


def test_a_dry_run_prints_the_same_and_removes_nothing(
    settings: Settings, archive: MemoryArchive, config: RetentionConfig
) -> None:
    before, writes = list_files(settings.home), archive.writes
    dry = collect(settings, archive, config, AT, dry_run=True)
    assert {**list_files(settings.home), **before} == list_files(settings.home)
    assert archive.writes == writes
    wet = collect(settings, archive, config, AT)
    assert list(describe("frees", dry.freed)) == list(describe("frees", wet.freed))
    assert list(describe("keeps", dry.kept)) == list(describe("keeps", wet.kept))


def test_a_second_time_frees_nothing(settings: Settings, archive: MemoryArchive, config: RetentionConfig) -> None:
    collect(settings, archive, config, AT)
    before, writes = list_files(settings.home), archive.writes
    assert collect(settings, archive, config, AT).freed == ()
    assert (list_files(settings.home), archive.writes) == (before, writes)


def test_a_registry_that_does_not_answer_frees_nothing_it_may_need(
    settings: Settings, archive: MemoryArchive, config: RetentionConfig
) -> None:
    (settings.home / "predictions" / "2020-01-01").mkdir(parents=True)
    archive.silent = True
    done = collect(settings, archive, config, AT)
    assert find_kinds(done) == {"days of the prediction log": 1}
    assert "does not answer" in done.blind


def test_a_registry_that_says_what_cannot_be_understood_is_no_answer(
    settings: Settings, archive: MemoryArchive, config: RetentionConfig
) -> None:
    archive.set_aliases("emotion", champion=99)
    done = collect(settings, archive, config, AT)
    assert done.freed == ()
    assert "names version 99, which is not there" in done.blind


@pytest.mark.parametrize("trace", ["served", "registered", "both"])
@pytest.mark.parametrize("registry", ["empty", "no alias"])
def test_a_registry_that_forgot_what_is_served_or_was_registered_is_no_answer(
    settings: Settings, archive: MemoryArchive, config: RetentionConfig, registry: str, trace: str
) -> None:
    served = archive.models["emotion"].versions[0].serving_name
    other = MemoryArchive() if registry == "empty" else archive
    for model in other.models:
        other.set_aliases(model)
    if trace == "registered":
        for folder in settings.model_repository.iterdir():
            folder.rmdir()
    if trace != "served":
        result = settings.home / "runs" / "champion" / "result.json"
        result.write_text(json.dumps({**json.loads(result.read_text()), "version": 1}))
        set_age(result.parent, OLD)
    done = collect(settings, other, config, AT)
    assert done.freed == ()
    assert "no version in the registry carries an alias, yet " in done.blind
    told = "run champion registered a version" if trace == "registered" else "is served"
    assert told in done.blind
    assert (settings.model_repository / served).is_dir() == (trace != "registered")


def test_an_empty_registry_is_exit_75_while_a_model_is_served(
    settings: Settings, archive: MemoryArchive, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("voxloop.adapters.mlflow_retention.MlflowArchive", lambda _: MemoryArchive())
    before = list_files(settings.home)
    with pytest.raises(ServiceUnavailableError, match="is served.*the one that was written to") as stopped:
        gc()
    assert stopped.value.exit_code == 75
    assert {**list_files(settings.home), **before} == list_files(settings.home)


def test_an_empty_registry_is_an_answer_before_anything_was_registered(
    settings: Settings, tmp_path: Path, config: RetentionConfig
) -> None:
    for number, name in enumerate(("old", "newest"), start=1):
        train(settings, tmp_path, name, OLD + timedelta(days=number))
    (settings.model_repository / "somebody-elses").mkdir(parents=True)
    done = collect(settings, MemoryArchive(), config, AT)
    assert not done.blind
    assert find_kinds(done) == {"run folders": 1, "stored results": 3}


def test_whom_a_version_learnt_from_is_known_after_its_artifacts_went(
    settings: Settings, archive: MemoryArchive, config: RetentionConfig
) -> None:
    listed = json.dumps({"schema_version": 1, "train": ["ann"], "dev": ["bob"]}).encode()
    for files in archive.artifacts.values():
        files[SPEAKERS_ARTIFACT] = listed
    models = archive.list_models()
    before = {speaker: find_affected(archive, models, speaker) for speaker in ("ann", "bob", "cleo")}
    done = collect(settings, archive, config, AT)
    assert [(item.place, item.size) for item in done.freed if item.kind == KIND] == [("mlflow-nobody", 6000)]
    assert archive.artifacts["mlflow-nobody"] == {SPEAKERS_ARTIFACT: listed}
    assert {speaker: find_affected(archive, models, speaker) for speaker in before} == before
    assert [len(found) for found in before.values()] == [3, 3, 0]
    assert {one.learnt for found in before.values() for one in found} == {Learnt.YES}
    writes = archive.writes
    assert collect(settings, archive, config, AT).freed == ()
    assert archive.writes == writes


def test_a_run_that_voxloop_did_not_track_keeps_its_artifacts(
    settings: Settings, archive: MemoryArchive, config: RetentionConfig
) -> None:
    archive.add_run("somebody-elses", {"notes.txt": b"x"}, experiment="notes")
    archive.runs["somebody-elses"] = replace(archive.runs["somebody-elses"], tags={"note": "mine"})
    collect(settings, archive, config, AT)
    assert archive.artifacts["somebody-elses"] == {"notes.txt": b"x"}


@pytest.mark.parametrize("call", range(1, 12))
@pytest.mark.parametrize("act", ["doom", "delete"])
def test_killed_at_any_call_the_next_finishes(
    settings: Settings,
    archive: MemoryArchive,
    config: RetentionConfig,
    monkeypatch: pytest.MonkeyPatch,
    act: str,
    call: int,
) -> None:
    from voxloop.store import sweep

    true, calls = getattr(sweep, act), []

    def stop(path: Path) -> Path | None:
        calls.append(path)
        if len(calls) == call:
            raise KeyboardInterrupt
        made: Path | None = true(path)
        return made

    with monkeypatch.context() as patch:
        patch.setattr(sweep, act, stop)
        try:
            collect(settings, archive, config, AT)
        except KeyboardInterrupt:
            assert archive.artifacts["mlflow-champion"]
    collect(settings, archive, config, AT)
    assert list(settings.home.rglob(".doomed-*")) == []
    assert {path.name for path in (settings.home / "runs").iterdir()} == {"champion", "newest"}
    assert [len(list((settings.store / step).iterdir())) for step in ("ingest", "train", "export")] == [2, 2, 2]


def test_mlflow_not_answering_is_exit_75_and_said(settings: Settings, capsys: pytest.CaptureFixture[str]) -> None:
    (settings.home / "predictions" / "2020-01-01").mkdir(parents=True)
    with pytest.raises(ServiceUnavailableError, match="nothing is freed that a model in force might need") as stopped:
        gc()
    assert stopped.value.exit_code == 75
    assert "frees 1 days of the prediction log" in capsys.readouterr().out
    assert list((settings.home / "predictions").iterdir()) == []


def test_a_journal_of_profiles_that_is_none_keeps_nothing_else_from_going(
    settings: Settings, archive: MemoryArchive, config: RetentionConfig
) -> None:
    settings.heard_journal.parent.mkdir(parents=True)
    settings.heard_journal.write_bytes(b"no database at all" * 100)
    done = collect(settings, archive, config, AT)
    assert find_kinds(done) == {"artifacts of runs": 1, "run folders": 1, "served models": 2, "stored results": 3}
    assert isinstance(done.without_profiles, IntegrityError)
    assert settings.heard_journal.exists()


def test_profiles_that_cannot_be_judged_are_said_and_are_no_success(
    settings: Settings, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    held = ServiceUnavailableError("heard.db: database is locked", remedy="try again")
    monkeypatch.setattr("voxloop.jobs.gc.collect", lambda *_, **__: Collected((), (), "", held))
    with pytest.raises(ServiceUnavailableError, match=r"heard\.db: database is locked"):
        gc()
    assert "profiles stay: heard.db" in capsys.readouterr().out


@pytest.mark.parametrize("moment", ["yesterday", "2026-13-01", ""])
def test_a_moment_is_iso_8601(moment: str) -> None:
    with pytest.raises(InputError, match="is no moment"):
        read_moment(moment)


def test_the_future_is_refused() -> None:
    with pytest.raises(InputError, match="lies in the future"):
        read_moment("2999-01-01")


def test_a_moment_without_a_zone_is_utc() -> None:
    assert read_moment("2026-01-02T03:04") == datetime(2026, 1, 2, 3, 4, tzinfo=UTC)
    assert read_moment("2026-01-02T03:04+01:00") == datetime(2026, 1, 2, 2, 4, tzinfo=UTC)
    assert read_moment(None).tzinfo is not None


def test_sizes_are_spelt_for_people() -> None:
    assert [show_bytes(size) for size in (0, 1023, 1536, 5 * 2**20, 3 * 2**40)] == [
        "0 B",
        "1023 B",
        "1.5 KiB",
        "5.0 MiB",
        "3.0 TiB",
    ]


def test_nothing_to_free_is_said() -> None:
    assert list(describe("frees", ())) == ["frees nothing"]


def test_the_file_of_retention_is_strict() -> None:
    config = load_config(RetentionConfig, find_config("retention"))
    assert json.loads(config.model_dump_json())["nights"] >= 7
    assert os.sep not in str(config)
