"""Real searches over the hums: pruned, gone on with, shared, and never a look at the test split."""

from __future__ import annotations

import json
import time
from multiprocessing.context import ForkServerContext
from pathlib import Path
from typing import Any

import pytest

from tests.soak import in_soak
from tests.unit.training.tones import tone_rows, write_tones
from tests.unit.training.trainings import server
from tests.unit.tuning.studies import RATE, assert_whole, keep, make_plan, make_space, read_journal, start_tune, work
from voxloop.errors import InputError, TrainingInterruptedError, VoxloopError
from voxloop.settings import Settings
from voxloop.training.interruption import Interruption
from voxloop.tuning.plan import open_study
from voxloop.tuning.results import write_results

__all__ = ["server"]


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tones(tmp_path_factory.mktemp("tones") / "dataset", tone_rows({"train": 2, "dev": 1}))


def test_it_prunes_and_goes_on_when_more_trials_are_asked_for(home: Path, dataset: Path) -> None:
    first = work(make_plan(dataset, space=make_space(trials=3)))
    assert [trial.state for trial in first.trials].count("complete") >= 1
    more = work(make_plan(dataset, space=make_space(trials=7)))
    assert more.trials[:3] == first.trials
    assert len(more.trials) == 7
    pruned = [trial for trial in more.trials if trial.state == "pruned"]
    assert pruned
    assert all(2 <= len(trial.values) < 6 for trial in pruned), "not in the warm-up, and before the end"
    complete = [trial for trial in more.trials if trial.state == "complete"]
    assert all(trial.value == max(trial.values.values()) for trial in complete)
    assert not list((home / "store").glob(".unfinished/tune/*")), "an ended trial leaves no checkpoint"
    assert assert_whole(read_journal(home, "study"), 7) == 0


def test_hyperband_prunes_at_its_rungs(home: Path, dataset: Path) -> None:
    pruner = {"kind": "hyperband", "min_epochs": 1, "reduction": 2}
    report = work(make_plan(dataset, space=make_space(trials=8, pruner=pruner)))
    pruned = [trial for trial in report.trials if trial.state == "pruned"]
    assert pruned
    assert {len(trial.values) for trial in pruned} <= {1, 2, 4}
    assert report.count("complete") >= 1


def test_the_same_search_has_the_same_trials(home: Path, dataset: Path) -> None:
    space = make_space(trials=3, parameters=[RATE])
    one, two = (work(make_plan(dataset, name=name, space=space)) for name in ("one", "two"))
    assert [(a.params, a.values, a.state) for a in one.trials] == [(b.params, b.values, b.state) for b in two.trials]


def test_stopped_it_goes_on_in_the_same_trial(home: Path, dataset: Path) -> None:
    class StopsLater(Interruption):
        """Asks to stop once some looks were taken."""

        looks = 0

        @property
        def reason(self) -> str | None:
            self.looks += 1
            return "the test" if self.looks > 9 else None

    whole = work(make_plan(dataset, name="whole", space=make_space(trials=2)))
    plan = make_plan(dataset, "checkpoints.every_seconds=0", name="stopped", space=make_space(trials=2))
    with pytest.raises(TrainingInterruptedError, match="stopped by the test"):
        work(plan, interruption=StopsLater())
    stopped = read_journal(home, "stopped")
    assert [trial.state.name for trial in stopped] == ["RUNNING"]
    report = work(plan)
    assert report.trials[0].state == "lost"
    assert report.trials[0].params == report.trials[1].params == whole.trials[0].params
    assert report.trials[1].values == whole.trials[0].values, "to the last bit"
    assert_whole(read_journal(home, "stopped"), 2)


def test_it_never_looks_at_the_test_split(home: Path, tmp_path: Path) -> None:
    rows = tone_rows({"train": 2, "dev": 1, "test": 1})
    poison = {"audio": b"who decodes this has looked", "emotion": "no label at all", "text": None}
    poisoned = [row | poison if row["split"] == "test" else row for row in rows]
    kinds = {"plain": rows, "poisoned": poisoned, "absent": [row for row in rows if row["split"] != "test"]}
    places = [write_tones(tmp_path / name, kind) for name, kind in kinds.items()]
    space = make_space(trials=2, parameters=[RATE])
    reports = [work(make_plan(place, name=place.name, space=space)) for place in places]
    assert len({str([(trial.state, trial.values) for trial in report.trials]) for report in reports}) == 1
    assert {trial.state for trial in reports[0].trials} <= {"complete", "pruned"}


def test_a_crashed_trial_is_counted_with_its_reason(home: Path, dataset: Path, tmp_path: Path) -> None:
    too_long = {"path": "batching.batches_a_step", "kind": "choice", "choices": [1, 100_000]}
    rate = {**RATE, "high": 1e30}
    plan = make_plan(dataset, space=make_space(trials=4, parameters=[rate, too_long], seed=3))
    report = work(plan)
    failed = [trial for trial in report.trials if trial.state == "failed"]
    assert len(report.trials) == 4
    assert failed
    assert all(trial.error for trial in failed)
    if report.best is None:
        with pytest.raises(VoxloopError, match=r"none of the 4 trials of study ran to its end; \d failed, trial \d by"):
            write_results(tmp_path, plan, open_study(plan, keep(plan)), command="train")


def test_all_failed_is_an_error_that_names_the_first_reason(home: Path, tmp_path: Path) -> None:
    dataset = write_tones(tmp_path / "empty", tone_rows({"dev": 1}))
    plan = make_plan(dataset, space=make_space(trials=2))
    report = work(plan)
    assert report.count("failed") == 2
    with pytest.raises(VoxloopError, match="2 failed, trial 0 by CorpusError: .*train has no utterance"):
        write_results(tmp_path, plan, open_study(plan, keep(plan)), command="train")
    assert not (tmp_path / "best.yaml").exists()


def test_a_study_of_something_else_is_refused(home: Path, dataset: Path) -> None:
    plan = make_plan(dataset)
    open_study(plan, keep(plan))
    other = make_plan(dataset)
    object.__setattr__(other, "digest", "another")
    with pytest.raises(InputError, match="study study is there, made for something else.*another --study"):
        open_study(other, keep(other))


def start_two(server: ForkServerContext, home: Path, dataset: Path, out: Path, trials: int) -> list[Any]:
    return [start_tune(server, home, dataset, out, "shared", trials) for _ in range(2)]


@pytest.mark.slow
def test_two_workers_share_one_study_and_its_result(
    server: ForkServerContext, settings: Settings, dataset: Path, tmp_path: Path
) -> None:
    workers = start_two(server, settings.home, dataset, tmp_path / "out", 6)
    for worker in workers:
        worker.join(120)
    told = [path.read_text() for path in tmp_path.glob("out-*.txt")]
    assert [worker.exitcode for worker in workers] == [0, 0], told
    assert assert_whole(read_journal(settings.home, "shared"), 6) == 0
    trained = ["trial " in text and "dev uar" in text for text in told]
    assert any(trained)
    study = json.loads((tmp_path / "out" / "study.json").read_text())
    assert study["counts"]["failed"] == study["counts"]["lost"] == 0
    assert sum("step tune: computed" in text for text in told) == 1


@in_soak("kills of a search are counted in chaos")
@pytest.mark.slow
def test_a_killed_workers_trial_is_gone_on_with_by_the_other(
    server: ForkServerContext, settings: Settings, dataset: Path, tmp_path: Path
) -> None:
    doomed, other = start_two(server, settings.home, dataset, tmp_path / "out", 4)
    journal = settings.home / "studies" / "shared" / "journal.log"
    words = tmp_path / f"out-{doomed.pid}.txt"
    end = time.monotonic() + 300
    while time.monotonic() < end and not (words.exists() and "training " in words.read_text()):
        time.sleep(0.01)
    doomed.kill()
    doomed.join()
    other.join(300)
    assert other.exitcode == 0
    assert journal.exists()
    lost = assert_whole(read_journal(settings.home, "shared"), 4)
    assert lost <= 1
    assert (tmp_path / "out" / "best.yaml").exists()


@pytest.mark.slow
@in_soak("ten trainings, half of them by two ranks")
def test_two_ranks_end_the_trials_that_one_process_ends(home: Path, dataset: Path) -> None:
    """The pruner is asked in the process that started the ranks; all of them hear its answer."""
    space = make_space(trials=5, parameters=[RATE])
    shared = ("batching.batches_a_step=2", "batching.audio_seconds=3", "devices.accelerator=cpu")
    one = work(make_plan(dataset, *shared, name="one", space=space))
    two = work(make_plan(dataset, *shared, "devices.count=2", name="two", space=space))
    assert "pruned" in [trial.state for trial in one.trials]
    assert [(trial.number, trial.state, trial.params, [*trial.values]) for trial in one.trials] == [
        (trial.number, trial.state, trial.params, [*trial.values]) for trial in two.trials
    ]
