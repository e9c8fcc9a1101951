"""Mark and sweep: what a root reaches stays, what nothing reaches goes, what cannot be known stays."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voxloop.config import find_config, load_config
from voxloop.settings import Settings
from voxloop.store.digests import digest_json, digest_tree
from voxloop.store.job_store import run_step
from voxloop.store.retention import Needs, Plan, RetentionConfig, plan_sweep
from voxloop.store.retention_lineage import Entry, mark, read_entries
from voxloop.store.retention_runs import choose_nights, read_runs
from voxloop.store.sweep import delete

AT = datetime(2026, 11, 20, 12, tzinfo=UTC)
OLD = AT - timedelta(days=60)


@pytest.fixture
def config() -> RetentionConfig:
    return load_config(RetentionConfig, find_config("retention"))


def make(step: str, out: Path, inputs: Mapping[str, Path], content: str) -> Path:
    return run_step(step, inputs=dict(inputs), config={}, out=out, work=lambda folder: fill(folder, content))


def fill(folder: Path, content: str) -> None:
    (folder / "inner").mkdir()
    (folder / "inner" / "data.txt").write_text(content)
    (folder / "other.txt").write_text(f"other {content}")


def set_age(folder: Path, at: datetime) -> None:
    """Let everything below a folder be written at `at`; parts of it are read-only, which the owner may still do."""
    for path in [*folder.rglob("*"), folder]:
        os.utime(path, (at.timestamp(), at.timestamp()), follow_symlinks=False)


def train(settings: Settings, tmp_path: Path, name: str, at: datetime, *, error: object = None) -> Path:
    """Leave a run folder of three steps, as a pipeline does."""
    source = tmp_path / f"{name}.txt"
    source.write_text(name)
    run = settings.home / "runs" / name
    data = make("ingest", run / "steps" / "ingest" / "out", {"path": source}, f"data of {name}")
    weights = make("train", run / "steps" / "train" / "out", {"dataset": data}, f"weights of {name}")
    model = make("export", run / "steps" / "export" / "out", {"weights": weights}, f"model of {name}")
    result = {"pipeline": "training", "error": error, "run_id": f"mlflow-{name}", "model_digest": digest_tree(model)}
    (run / "result.json").write_text(json.dumps(result))
    set_age(run, at)
    set_age(settings.store, at)
    return run


def freed(plan: Plan, kind: str) -> list[str]:
    return sorted(Path(item.place).name for item in plan.free if item.kind == kind)


def kept(plan: Plan, kind: str) -> dict[str, str]:
    return {Path(item.place).name: item.why for item in plan.keep if item.kind == kind}


def steps_of(plan: Plan) -> list[str]:
    return sorted(Path(item.place).parent.name for item in plan.free if item.kind == "stored results")


def test_a_night_that_is_kept_keeps_its_run_and_all_its_results(
    settings: Settings, tmp_path: Path, config: RetentionConfig
) -> None:
    train(settings, tmp_path, "night", OLD)
    plan = plan_sweep(settings, Needs(), config, AT)
    assert plan.free == ()
    assert set(kept(plan, "stored results").values()) == {f"retraining of {OLD.date()}"}
    assert plan.kept_runs == {"mlflow-night": f"retraining of {OLD.date()}"}


def test_a_night_beyond_the_newest_goes_with_its_results(
    settings: Settings, tmp_path: Path, config: RetentionConfig
) -> None:
    train(settings, tmp_path, "old", OLD - timedelta(days=1))
    train(settings, tmp_path, "new", OLD)
    plan = plan_sweep(settings, Needs(), config.model_copy(update={"nights": 1}), AT)
    assert freed(plan, "run folders") == ["old"]
    assert steps_of(plan) == ["export", "ingest", "train"]
    assert set(kept(plan, "run folders")) == {"new"}


def test_what_a_version_in_force_was_made_from_stays_without_its_run_folder(
    settings: Settings, tmp_path: Path, config: RetentionConfig
) -> None:
    model = train(settings, tmp_path, "champion", OLD) / "steps" / "export" / "out"
    needs = Needs(digests={digest_tree(model): "emotion version 1 (champion)"})
    delete(settings.home / "runs" / "champion")
    plan = plan_sweep(settings, needs, config, AT)
    assert plan.free == ()
    assert set(kept(plan, "stored results").values()) == {"emotion version 1 (champion)"}


def test_without_an_answer_nothing_goes_that_could_be_in_force(
    settings: Settings, tmp_path: Path, config: RetentionConfig
) -> None:
    train(settings, tmp_path, "night", OLD)
    (settings.model_repository / "emotion-0123456789ab").mkdir(parents=True)
    (settings.store / "train" / ("f" * 64)).mkdir()  # without a record
    set_age(settings.home, OLD)
    plan = plan_sweep(settings, None, config.model_copy(update={"nights": 1}), AT)
    assert [item.why for item in plan.free] == ["no step can find it: it has no record of its own"]
    assert freed(plan_sweep(settings, Needs(), config, AT), "served models") == ["emotion-0123456789ab"]


def test_what_is_young_stays(settings: Settings, tmp_path: Path, config: RetentionConfig) -> None:
    train(settings, tmp_path, "failed", AT - timedelta(hours=1), error={"step": "train"})
    make("train", tmp_path / "alone", {"dataset": tmp_path / "failed.txt"}, "by hand")
    plan = plan_sweep(settings, Needs(), config, AT)
    assert plan.free == ()
    assert kept(plan, "run folders") == {"failed": "in flight"}


def test_a_failed_run_makes_no_night_and_stays_for_some_days(
    settings: Settings, tmp_path: Path, config: RetentionConfig
) -> None:
    train(settings, tmp_path, "good", OLD)
    for day in (2, 3, 20):
        train(settings, tmp_path, f"failed{day}", AT - timedelta(days=day), error={"step": "train"})
    set_age(settings.store, OLD)
    assert choose_nights(read_runs(settings.home / "runs"), 1).keys() == {settings.home / "runs" / "good"}
    plan = plan_sweep(settings, Needs(), config.model_copy(update={"nights": 1}), AT)
    assert freed(plan, "run folders") == ["failed20"]
    assert len(steps_of(plan)) == 3


@pytest.mark.parametrize("content", ["", "[]", "{not json"])
def test_a_result_that_cannot_be_read_makes_no_night(
    settings: Settings, tmp_path: Path, config: RetentionConfig, content: str
) -> None:
    run = train(settings, tmp_path, "odd", OLD)
    (run / "result.json").write_text(content)
    set_age(run, OLD)
    assert freed(plan_sweep(settings, Needs(), config, AT), "run folders") == ["odd"]


def test_served_models_stay_by_name_and_strangers_are_left_alone(settings: Settings, config: RetentionConfig) -> None:
    for name in ("emotion-0123456789ab", "emotion-ba9876543210", "somebody-elses"):
        (settings.model_repository / name).mkdir(parents=True)
    set_age(settings.home, OLD)
    needs = Needs(models={"emotion-0123456789ab": "emotion version 1 (champion)"})
    plan = plan_sweep(settings, needs, config, AT)
    assert freed(plan, "served models") == ["emotion-ba9876543210"]
    assert kept(plan, "served models") == {
        "emotion-0123456789ab": "emotion version 1 (champion)",
        "somebody-elses": "not put there by voxloop",
    }


def test_days_of_the_prediction_log_go_by_their_date(settings: Settings, config: RetentionConfig) -> None:
    log = settings.home / "predictions" / "emotion"
    for name in ("day=2026-01-01", "2026-11-19.parquet", "2026-01-02.parquet", "2026-99-99", "notes"):
        (log / name).mkdir(parents=True)
    plan = plan_sweep(settings, None, config, AT)
    assert freed(plan, "days of the prediction log") == ["2026-01-02.parquet", "day=2026-01-01"]
    assert set(kept(plan, "days of the prediction log")) == {"2026-11-19.parquet"}


def test_pages_about_drift_go_with_the_days_they_show(settings: Settings, config: RetentionConfig) -> None:
    folder = settings.drift / "emotion"
    folder.mkdir(parents=True)
    old, young = "episode-20260101T0900Z", "window-20261119T0900Z"
    for name in (f"{old}.html", f"{old}.note.json", f"{young}.html", "reference.json", "report.json", "episode-x.html"):
        (folder / name).write_text("{}")
    plan = plan_sweep(settings, None, config, AT)
    assert freed(plan, "pages about drift") == [f"{old}.html", f"{old}.note.json"]
    assert {*kept(plan, "pages about drift")} == {f"{young}.html"}, "the reference is nobody's to take"


def test_leftovers_of_the_dead_go_and_of_the_living_stay(settings: Settings, config: RetentionConfig) -> None:
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    step = settings.store / "train"
    for name in (f".k.building-{ended.pid}-abc", f".k.building-{os.getpid()}-abc", ".doomed-k-0011", ".spoilt-k-0011"):
        (step / name).mkdir(parents=True)
    set_age(settings.home, OLD)
    plan = plan_sweep(settings, None, config, AT)
    assert freed(plan, "leftovers") == [".doomed-k-0011", f".k.building-{ended.pid}-abc"]
    assert set(kept(plan, "leftovers")) == {f".k.building-{os.getpid()}-abc"}
    assert set(kept(plan, "results put aside")) == {".spoilt-k-0011"}, "it was put aside a moment ago"
    later = datetime.now(UTC) + timedelta(days=31)
    assert freed(plan_sweep(settings, None, config, later), "results put aside") == [".spoilt-k-0011"]


def test_a_step_may_read_a_file_or_a_folder_of_another_steps_result(settings: Settings, tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.write_text("x")
    data = make("ingest", tmp_path / "data", {"path": source}, "data")
    make("one", tmp_path / "one", {"part": data / "inner"}, "one")
    make("two", tmp_path / "two", {"part": data / "other.txt"}, "two")
    entries, _ = read_entries(settings.store)
    keys = {entry.step: entry.key for entry in entries}
    for step in ("one", "two"):
        assert mark(entries, {keys[step]: "root"}, {}).keys() == {keys[step], keys["ingest"]}


Graph = list[tuple[int, list[int]]]


@given(
    st.lists(st.lists(st.integers(0, 30), max_size=4), min_size=1, max_size=31), st.sets(st.integers(0, 30)), st.data()
)
def test_nothing_a_root_reaches_is_left_out_and_nothing_else_is_taken_in(
    reads: list[list[int]], chosen: set[int], data: st.DataObject
) -> None:
    """Against a search that knows the graph: entry n reads entries below n only."""
    entries = []
    for number, wanted in enumerate(reads):
        inputs = frozenset(f"out{one}" for one in wanted if one < number) | {"a file from outside"}
        entries.append(
            Entry(Path(f"/store/step/key{number}"), f"key{number}", frozenset({f"out{number}"}), inputs, 0.0)
        )
    roots = {one for one in chosen if one < len(entries)}
    by_digest = {one for one in roots if data.draw(st.booleans())}
    reached, stack = set(), list(roots)
    while stack:
        one = stack.pop()
        if one not in reached:
            reached.add(one)
            stack += [below for below in reads[one] if below < one]
    random.Random(0).shuffle(entries)  # noqa: S311
    marked = mark(
        entries, {f"key{one}": "by key" for one in roots - by_digest}, {f"out{one}": "by digest" for one in by_digest}
    )
    assert marked.keys() == {f"key{one}" for one in reached}
    assert set(marked.values()) <= {"by key", "by digest"}


def test_two_results_with_the_same_bytes_both_stay(settings: Settings, tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).write_text(name)
        make("ingest", tmp_path / f"out-{name}", {"path": tmp_path / name}, "same")
    entries, _ = read_entries(settings.store)
    digest = digest_tree(tmp_path / "out-a")
    assert len(mark(entries, {}, {digest: "root"})) == 2
    assert digest_json({}) not in {name for entry in entries for name in entry.made}
