"""Small searches over the hums, and workers of them in processes of their own."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from multiprocessing.context import ForkServerContext, ForkServerProcess
from pathlib import Path
from typing import Any

import optuna
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend

from tests.unit.training.tones import TINY
from tests.unit.training.trainings import TASK, tiny
from voxloop.jobs.tune import tune
from voxloop.settings import get_settings
from voxloop.training.interruption import Interruption
from voxloop.tuning.plan import Plan, open_study
from voxloop.tuning.report import StudyReport
from voxloop.tuning.search import Worker
from voxloop.tuning.space import SearchSpace
from voxloop.tuning.storage import Kept, open_storage

RATE = {"path": "optimiser.learning_rate", "kind": "float", "low": 1e-4, "high": 3e-2, "log": True}
DROPOUT = {"path": "network.dropout", "kind": "float", "low": 0.0, "high": 0.5}
MEDIAN = {"kind": "median", "startup_trials": 1, "warmup_epochs": 1}


def make_space(**changes: Any) -> SearchSpace:
    values: dict[str, Any] = {"trials": 4, "pruner": MEDIAN, "parameters": [RATE, DROPOUT]}
    return SearchSpace.model_validate(values | changes)


def make_plan(dataset: Path, *overrides: str, name: str = "study", space: SearchSpace | None = None) -> Plan:
    return Plan(dataset, TASK, tiny(*overrides), space or make_space(), None, name, "digest")


@dataclass
class Told:
    """A follower that remembers."""

    reports: list[StudyReport] = field(default_factory=list)

    def follow(self, report: StudyReport) -> None:
        self.reports.append(report)


def keep(plan: Plan) -> Kept:
    settings = get_settings()
    return open_storage(settings.studies / plan.name, plan.name, settings.study_database)


def work(plan: Plan, kept: Kept | None = None, interruption: Interruption | None = None) -> StudyReport:
    """Be a worker until the study is over."""
    kept = kept or keep(plan)
    study = open_study(plan, kept)
    store = get_settings().store
    told = Told()
    Worker(plan, study, kept, store=store, interruption=interruption or Interruption(), follower=told).run("")
    return plan.read(study)


def read_journal(home: Path, name: str) -> list[optuna.trial.FrozenTrial]:
    """Return the trials of a study as Optuna itself reads them, without anything of ours."""
    storage = JournalStorage(JournalFileBackend(str(home / "studies" / name / "journal.log")))
    return optuna.load_study(study_name=name, storage=storage).trials


def run_tune(
    environment: dict[str, str], dataset: Path, out: Path, study: str, trials: int, overrides: Sequence[str]
) -> None:
    """Run the command in a process of its own; what it prints goes to a file beside `out`."""
    os.environ.update(environment)
    get_settings.cache_clear()
    handle = os.open(out.with_name(f"{out.name}-{os.getpid()}.txt"), os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(handle, 1)
    os.dup2(handle, 2)
    tune(
        dataset,
        out,
        config="smoke",
        search="smoke",
        study=study,
        trials=trials,
        mlflow=False,
        overrides=(*TINY, *overrides),
    )
    os._exit(0)


def start_tune(
    server: ForkServerContext, home: Path, dataset: Path, out: Path, study: str, trials: int, *overrides: str
) -> ForkServerProcess:
    """Start a worker of a study."""
    environment = {"VOXLOOP_HOME": str(home)} | {
        name: value for name, value in os.environ.items() if name.startswith("VOXLOOP_STUDY")
    }
    process = server.Process(target=run_tune, args=(environment, dataset, out, study, trials, tuple(overrides)))
    process.start()
    return process


def ended_trials(trials: Sequence[optuna.trial.FrozenTrial]) -> int:
    """Return how many trials ran to their end or were pruned."""
    ended = {optuna.trial.TrialState.COMPLETE, optuna.trial.TrialState.PRUNED}
    return sum(trial.state in ended for trial in trials)


def assert_whole(trials: Sequence[optuna.trial.FrozenTrial], wanted: int) -> int:
    """Check that every trial that was asked for has ended once, and each lost one was tried again once.

    Returns:
        How many were lost on the way.
    """
    state = optuna.trial.TrialState
    ended = [trial for trial in trials if trial.state in {state.COMPLETE, state.PRUNED}]
    lost = [trial for trial in trials if trial.state == state.FAIL]
    assert len(ended) == wanted
    assert len(ended) + len(lost) == len(trials)
    assert [trial.number for trial in trials] == list(range(len(trials)))
    assert len({tuple(sorted(trial.params.items())) for trial in ended}) == wanted
    retries = [trial.user_attrs["retry_of"] for trial in trials if "retry_of" in trial.user_attrs]
    assert sorted(retries) == [trial.number for trial in lost]
    for trial in trials:
        if "retry_of" in trial.user_attrs:
            before = trials[trial.user_attrs["retry_of"]]
            assert before.params.items() <= trial.params.items()
            known, values = before.intermediate_values, trial.intermediate_values
            assert all(values[epoch] == known[epoch] for epoch in known.keys() & values.keys()), "to the last bit"
            assert trial.state == state.FAIL or known.keys() <= values.keys()
    return len(lost)
