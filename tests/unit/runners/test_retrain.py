"""`voxloop retrain` and `retry`: claimed, run, ended in the ledger. The pipeline is a stand-in that is told what to do."""

from __future__ import annotations

import json
import os
import pwd
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tests.fixtures.dated_corpus import describe_corpus
from voxloop.errors import ConfigError, InputError, RefusedError, ServiceUnavailableError, VoxloopError
from voxloop.ledger.book import open_ledger
from voxloop.monitoring.retraining import ASKED, Reason, list_retrainings
from voxloop.runners import retrain as runner
from voxloop.runners.result import RunResult
from voxloop.runners.retrain import retrain, retry
from voxloop.settings import Settings
from voxloop.store.lock import take_lock

REASON = Reason("emotion", ASKED, "by hand")
ID = REASON.retrain_id


class Pipeline:
    """What stands in for the pipeline: it remembers its arguments and does what it is told."""

    def __init__(self) -> None:
        self.runs: list[dict[str, Any]] = []
        self.does: Callable[[], None] = lambda: None

    def run(self, arguments: Mapping[str, Any], folder: Path) -> RunResult:
        self.runs.append(dict(arguments))
        folder.mkdir(parents=True, exist_ok=True)
        self.does()
        return RunResult("training", "local", dict(arguments), {}, verdict="PASS", data_verdict="PASS", version=3)

    def fail(self, error: BaseException) -> None:
        def does() -> None:
            raise error

        self.does = does


@pytest.fixture
def pipeline(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Pipeline:
    made = Pipeline()
    monkeypatch.setattr(runner, "_run_pipeline", made.run)
    return made


def states(settings: Settings) -> list[tuple[str, list[str]]]:
    found = list_retrainings(open_ledger(settings).read())
    return [(one.state, [str(attempt) for attempt in one.attempts]) for one in found]


def ask(**changed: Any) -> Path:
    return retrain(**{"episode": "by hand", **changed})


def leave_open(pipeline: Pipeline, **changed: Any) -> None:
    """Give the reason, and have the attempt stopped by what another try can mend."""
    pipeline.fail(ServiceUnavailableError("MLflow does not answer"))
    with pytest.raises(ServiceUnavailableError):
        ask(**changed)


def test_a_reason_given_twice_runs_once(
    settings: Settings, pipeline: Pipeline, capsys: pytest.CaptureFixture[str]
) -> None:
    assert ask() == ask(overrides=("config=base",)) == settings.home / "runs" / ID
    assert len(pipeline.runs) == 1
    assert states(settings) == [("judged", ["data PASS, gate PASS, version 3"])]
    told = capsys.readouterr().out.splitlines()
    assert f"{ID} was judged already: data PASS, gate PASS, version 3" in told
    assert json.loads(told[-1]) == {"retrain_id": ID, "folder": str(settings.home / "runs" / ID)}


def test_the_pipeline_is_told_which_retraining_it_serves_and_the_claim_binds_no_name(
    settings: Settings, pipeline: Pipeline
) -> None:
    ask(overrides=("retrain_id=another",))
    (found,) = list_retrainings(open_ledger(settings).read())
    assert pipeline.runs[0]["retrain_id"] == ID
    retrain(kind="night", episode="2026-01-02")
    retrain(kind="night", episode="2026-01-03")
    assert [run["retrain_id"] for run in pipeline.runs] == [ID, Reason("emotion", "night", "2026-01-02").retrain_id]
    assert found.bound["arguments"]["retrain_id"] == "another", "what was asked is kept, and nobody heeds it"


def test_who_asks_stands_in_the_ledger(settings: Settings, pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch) -> None:
    user = pwd.getpwuid(os.getuid()).pw_name
    pipeline.fail(VoxloopError("no space left"))
    with pytest.raises(VoxloopError):
        ask(asked_by="Tim")
    assert {page.kind: page.content.get("asked_by") for page in open_ledger(settings).read()} == {
        "retraining": sorted({"tim", user}),
        "attempt": None,
        "attempt_ended": None,
    }
    pipeline.does = lambda: None
    monkeypatch.setenv("MLFLOW_TRACKING_USERNAME", "ann")
    retry(ID, because="a larger disk")
    (found,) = list_retrainings(open_ledger(settings).read())
    assert found.attempts[-1].began.content["asked_by"] == sorted({"ann", user})
    assert set(found.asked_by) == {"ann", "tim", user}


def test_without_an_episode_each_call_is_a_reason_of_its_own(settings: Settings, pipeline: Pipeline) -> None:
    retrain()
    retrain()
    assert len(pipeline.runs) == len(states(settings)) == 2


def test_what_another_try_can_mend_leaves_the_attempt_open_and_the_next_reason_goes_on_with_it(
    settings: Settings, pipeline: Pipeline, capsys: pytest.CaptureFixture[str]
) -> None:
    leave_open(pipeline, overrides=("config=base",))
    assert states(settings) == [("under way", ["under way, or left by a process that died"])]
    pipeline.does = lambda: None
    retrain(kind="night", episode="2026-01-02")
    assert states(settings) == [("judged", ["data PASS, gate PASS, version 3"])]
    assert [run["config"] for run in pipeline.runs] == ["base", "base"], "as it was bound, not as the second asked"
    night = Reason("emotion", "night", "2026-01-02").retrain_id
    assert f"{night} joins {ID} (emotion: asked by hand)" in capsys.readouterr().out
    retrain(kind="night", episode="2026-01-02")
    assert len(pipeline.runs) == 2, "the night was served"


@pytest.mark.parametrize("stop", [KeyboardInterrupt(), SystemExit(143)])
def test_a_stop_from_outside_leaves_the_attempt_open(
    settings: Settings, pipeline: Pipeline, stop: BaseException
) -> None:
    pipeline.fail(stop)
    with pytest.raises(type(stop)):
        ask()
    assert [state for state, _ in states(settings)] == ["under way"]


@pytest.mark.parametrize(
    ("error", "said"),
    [(VoxloopError("no space left"), "no space left"), (ZeroDivisionError("by zero"), "ZeroDivisionError: by zero")],
)
def test_what_fails_for_good_stays_failed_until_a_person_says_so(
    settings: Settings, pipeline: Pipeline, error: Exception, said: str
) -> None:
    pipeline.fail(error)
    with pytest.raises(type(error)):
        ask()
    pipeline.does = lambda: None
    with pytest.raises(RefusedError, match=f"attempt 1 of {ID} failed: {said}"):
        ask()
    assert len(pipeline.runs) == 1
    assert retry(ID, because="a larger disk") == settings.home / "runs" / ID
    assert states(settings) == [("judged", [f"failed: {said}", "data PASS, gate PASS, version 3"])]
    with pytest.raises(RefusedError, match="is judged"):
        retry(ID, because="once more")


def corpus(tmp_path: Path, words: str) -> str:
    folder = tmp_path / "corpus"
    folder.mkdir(exist_ok=True)
    (folder / "labels.csv").write_text(words, encoding="utf-8")
    return f"corpus_path={json.dumps(str(folder))}"


def test_data_that_change_under_an_attempt_end_it_and_are_a_new_reason(
    settings: Settings, pipeline: Pipeline, tmp_path: Path
) -> None:
    pipeline.fail(ServiceUnavailableError("MLflow does not answer"))
    place = corpus(tmp_path, "happy")
    with pytest.raises(ServiceUnavailableError):
        ask(overrides=(place,))
    corpus(tmp_path, "angry")  # one label more, as many bytes
    pipeline.does = lambda: None
    retrain(kind="night", episode="2026-01-02", overrides=(place,))
    (first, [gone]), (second, _) = states(settings)
    assert (first, second) == ("failed", "judged")
    assert gone == "failed: its process died, and its data changed before anybody went on with it"
    with pytest.raises(InputError, match="the corpus of retrain-.* is .*, .* was bound"):
        retry(ID, because="as it is")
    corpus(tmp_path, "happy")
    retry(ID, because="put back")
    assert [state for state, _ in states(settings)] == ["judged", "judged"]


def test_code_that_changes_under_an_attempt_ends_it(
    settings: Settings, pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    leave_open(pipeline)
    monkeypatch.setattr(runner, "digest_recipe", lambda _settings: "e" * 64)
    with pytest.raises(RefusedError, match="its code or configuration changed before anybody went on with it"):
        ask()
    pipeline.does = lambda: None
    retry(ID, because="upgraded")
    assert [state for state, _ in states(settings)] == ["judged"]


def test_what_a_living_process_runs_is_never_taken_for_abandoned(
    settings: Settings, pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    leave_open(pipeline)
    monkeypatch.setattr(runner, "digest_recipe", lambda _settings: "e" * 64)
    ledger = open_ledger(settings)
    (found,) = list_retrainings(ledger.read())
    lock = take_lock(runner.lock_of(settings, ID))
    assert lock is not None
    with lock:
        runner._end_abandoned(settings, ledger, found)
        assert [state for state, _ in states(settings)] == ["under way"]
    runner._end_abandoned(settings, ledger, found)
    assert [state for state, _ in states(settings)] == ["failed"]


def test_a_night_with_nothing_new_is_not_trained_and_says_since_when(
    settings: Settings,
    pipeline: Pipeline,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    place = corpus(tmp_path, "happy")

    def night(day: int, *overrides: str) -> Path:
        return retrain(kind="night", episode=f"2026-01-0{day}", overrides=(place, *overrides))

    first = night(1)
    assert night(1) == first, "the same night is that night, not another without news"
    capsys.readouterr()
    assert night(2) == first
    last = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert last["nothing_new"].startswith(f"nothing new since {first.name} (emotion: night 2026-01-01; data PASS")
    assert len(pipeline.runs) == len(states(settings)) == 1
    retrain(kind="drift", episode="nine", overrides=(place,))
    assert len(pipeline.runs) == 1, "drift alone brings nothing to learn from"
    ask(overrides=(place,))
    assert len(pipeline.runs) == 2, "who asks gets one"
    night(3, "config=base")
    corpus(tmp_path, "angry")
    night(4)
    monkeypatch.setattr(runner, "digest_recipe", lambda _settings: "e" * 64)
    night(5)
    assert len(pipeline.runs) == 5, "other arguments, data or code are news"


def night_of(day: int, folder: Path, *overrides: str) -> Path:
    """Give the reason of a night, as of its own moment."""
    places = (f"corpus_path={folder}", "corpus=lhotse", f"recorded_before=2026-01-{day:02d}T02:00:00Z")
    return retrain(kind="night", episode=f"2026-01-{day:02d}", overrides=(*places, *overrides))


def test_what_is_recorded_later_changes_no_data_of_an_earlier_night(
    settings: Settings, pipeline: Pipeline, tmp_path: Path
) -> None:
    corpus = describe_corpus(tmp_path / "corpus", 0)
    pipeline.fail(ServiceUnavailableError("MLflow does not answer"))
    with pytest.raises(ServiceUnavailableError):
        night_of(6, corpus)
    describe_corpus(corpus, 1)
    (corpus / "README").write_text("no row names it")
    pipeline.does = lambda: None
    night_of(6, corpus)
    assert states(settings) == [("judged", ["data PASS, gate PASS, version 3"])], "gone on with, not ended"
    night_of(7, corpus)
    assert len(states(settings)) == 2, "the next night has something new"
    pipeline.fail(ServiceUnavailableError("MLflow does not answer"))
    describe_corpus(corpus, 3)
    with pytest.raises(ServiceUnavailableError):
        night_of(9, corpus)
    describe_corpus(corpus, -1)  # recorded long ago, and brought today
    with pytest.raises(RefusedError, match="its data changed"):
        night_of(9, corpus)


def test_a_night_without_new_rows_has_nothing_new_whatever_its_moment(
    settings: Settings, pipeline: Pipeline, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    corpus = describe_corpus(tmp_path / "corpus", 0)
    first = night_of(6, corpus)
    assert night_of(7, corpus) == first
    assert "nothing_new" in json.loads(capsys.readouterr().out.splitlines()[-1])
    retrain(kind="drift", episode="nine", overrides=(f"corpus_path={corpus}", "corpus=lhotse"))
    assert len(pipeline.runs) == 1, "nor has drift, which learns from all there is, and it is the same"
    describe_corpus(corpus, 5)
    assert night_of(8, corpus) == first, "it comes later than the eighth"
    night_of(8, corpus, "config=base")
    night_of(12, corpus)
    assert len(pipeline.runs) == 3


def test_where_the_rows_are_not_seen_only_the_same_moment_is_nothing_new(
    settings: Settings, pipeline: Pipeline, tmp_path: Path
) -> None:
    for day in (6, 7):
        night_of(day, tmp_path / "on another machine")
    moments = [run["recorded_before"] for run in pipeline.runs]
    assert moments == ["2026-01-06T02:00:00+00:00", "2026-01-07T02:00:00+00:00"], "spelt again, as YAML read them"


def test_a_moment_that_is_none_is_refused_before_anything_is_claimed(settings: Settings, pipeline: Pipeline) -> None:
    with pytest.raises(InputError, match="recorded_before = 'yesterday'"):
        ask(overrides=("recorded_before=yesterday",))
    with pytest.raises(ConfigError, match="'corpus_paht' is not a key"):
        ask(overrides=("corpus_paht=x",))
    assert states(settings) == []
    assert pipeline.runs == []


def test_a_night_after_one_that_failed_is_trained(settings: Settings, pipeline: Pipeline) -> None:
    pipeline.fail(VoxloopError("no space left"))
    for day in (1, 2):
        with pytest.raises(VoxloopError):
            retrain(kind="night", episode=f"2026-01-0{day}")
    assert [state for state, _ in states(settings)] == ["failed", "failed"]


def test_who_comes_while_it_runs_waits_for_its_end_and_is_told_it(
    settings: Settings, pipeline: Pipeline, capsys: pytest.CaptureFixture[str]
) -> None:
    with ThreadPoolExecutor(1) as other:
        second: list[Future[Path]] = []

        def come() -> None:
            second.append(other.submit(ask))
            end = time.monotonic() + 300
            while f"another process runs {ID}" not in (told := capsys.readouterr().out) and time.monotonic() < end:
                time.sleep(0.01)
            assert f"another process runs {ID}: waiting for its end" in told

        pipeline.does = come
        assert ask() == second[0].result(60)
    assert len(pipeline.runs) == 1
    assert f"{ID} was judged already" in capsys.readouterr().out


def test_what_ends_while_another_looks_is_not_abandoned(
    settings: Settings, pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    leave_open(pipeline)
    ledger = open_ledger(settings)
    (seen,) = list_retrainings(ledger.read())
    pipeline.does = lambda: None
    ask()
    monkeypatch.setattr(runner, "digest_recipe", lambda _settings: "e" * 64)
    capsys.readouterr()
    runner._end_abandoned(settings, ledger, seen)
    assert states(settings) == [("judged", ["data PASS, gate PASS, version 3"])]
    assert capsys.readouterr().out == ""
