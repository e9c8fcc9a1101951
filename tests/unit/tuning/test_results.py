"""What a study leaves: a configuration that can be trained, every trial, pictures, and no nonsense of importance."""

from __future__ import annotations

import csv
import json
import math
from pathlib import Path

import optuna
import pytest

from tests.unit.training.trainings import tiny
from tests.unit.tuning.studies import make_plan, make_space
from voxloop.config import load_config
from voxloop.errors import VoxloopError
from voxloop.tasks.emotion import EmotionConfig
from voxloop.tuning.ledger import ERROR, RETRY_OF
from voxloop.tuning.pictures import find_importances
from voxloop.tuning.report import describe_trial
from voxloop.tuning.results import write_results
from voxloop.tuning.sampling import make_distributions, make_sampler

STRIDES = {"path": "network.time_strides", "kind": "choice", "choices": [[2, 2, 1], [2, 1, 1]]}
SPACE = make_space(
    parameters=[{"path": "optimiser.learning_rate", "kind": "float", "low": 1e-6, "high": 1e-2, "log": True}, STRIDES]
)
PLAN = make_plan(Path("nowhere"), space=SPACE)


def make_study(*values: float | None, error: str | None = None) -> optuna.Study:
    """Return a study with a trial for each value; None is one that failed."""
    study = optuna.create_study(study_name="study", direction="maximize")
    for number, value in enumerate(values):
        study.sampler = make_sampler(SPACE, number)
        trial = study.ask(make_distributions(SPACE))
        if value is None:
            trial.set_user_attr(ERROR, error or "RuntimeError: out of memory")
            study.tell(trial, state=optuna.trial.TrialState.FAIL)
        else:
            trial.report(value / 2, 1)
            trial.report(value, 2)
            study.tell(trial, value)
    return study


def test_the_best_configuration_can_be_trained_as_it_is(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    study = make_study(0.2, None, 0.7, 0.7, 0.5)
    write_results(tmp_path, PLAN, study, command="voxloop train DATASET OUT --config smoke")
    names = {"best.yaml", "study.json", "trials.csv", "history.png", "importance.png"}
    assert {path.name for path in tmp_path.iterdir()} == names
    content = json.loads((tmp_path / "study.json").read_text())
    best = content["best"]
    assert best["number"] == 2, "the earliest of equals"
    config = load_config(EmotionConfig, tmp_path / "best.yaml")
    assert config.optimiser.learning_rate == best["params"]["optimiser.learning_rate"]
    assert list(config.network.time_strides) == best["params"]["network.time_strides"]
    by_hand = [word.strip("'") for word in best["command"].split(" --set ")[1:]]
    assert config == load_config(EmotionConfig, tmp_path / "best.yaml", by_hand)
    assert config == tiny(*by_hand)
    assert content["counts"] == {"complete": 4, "pruned": 0, "failed": 1, "lost": 0}
    assert content["trials"][1]["error"] == "RuntimeError: out of memory"
    assert content["trials"][2]["values"] == {"1": 0.35, "2": 0.7}
    with (tmp_path / "trials.csv").open() as lines:
        rows = list(csv.DictReader(lines))
    assert [row["state"] for row in rows] == ["complete", "failed", "complete", "complete", "complete"]
    assert json.loads(rows[2]["network.time_strides"]) == best["params"]["network.time_strides"]
    assert best["command"] in capsys.readouterr().out
    assert math.isclose(sum(content["importance"].values()), 1.0)


def test_the_same_study_leaves_the_same_bytes(tmp_path: Path) -> None:
    study = make_study(0.2, 0.7, 0.5)
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        write_results(tmp_path / name, PLAN, study, command="train")
    assert all(
        path.read_bytes() == (tmp_path / "two" / path.name).read_bytes() for path in (tmp_path / "one").iterdir()
    )


@pytest.mark.parametrize(
    ("values", "why"),
    [
        ((0.5,), "1 trial ran to the end: too few to compare"),
        ((0.5, None), "1 trial ran to the end: too few to compare"),
        ((0.5, 0.5, 0.5), "all 3 trials that ran to the end are equally good"),
    ],
)
def test_importance_that_cannot_be_told_is_not_drawn(
    values: tuple[float | None, ...], why: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    study = make_study(*values)
    assert find_importances(study) == ({}, why)
    write_results(tmp_path, PLAN, study, command="train")
    content = json.loads((tmp_path / "study.json").read_text())
    assert (content["importance"], content["importance_unknown"]) == (None, why)
    assert f"importance cannot be told: {why}" in capsys.readouterr().out


def test_with_none_at_its_end_nothing_is_best(tmp_path: Path) -> None:
    study = make_study(None, None, error="CorpusError: no labels")
    with pytest.raises(VoxloopError, match="none of the 2 trials.*2 failed, trial 0 by CorpusError: no labels"):
        write_results(tmp_path, PLAN, study, command="train")
    assert not list(tmp_path.iterdir())


def test_the_line_of_a_trial() -> None:
    study = make_study(0.2, None, 0.7)
    report = PLAN.read(study)
    assert describe_trial(report.trials[2], report, trials=4, workers=1).startswith(
        "trial 2  complete after epoch 2  dev uar 0.700  best 0.700 (trial 2)  0.0 s  3/4, "
    )
    assert "failed: RuntimeError: out of memory" in describe_trial(report.trials[1], report, trials=4, workers=1)


def test_a_lost_trial_is_not_counted_among_the_failed() -> None:
    study = make_study(None, 0.3)
    study.enqueue_trial(study.trials[0].params, {RETRY_OF: 0})
    trial = study.ask(make_distributions(SPACE))
    study.tell(trial, 0.4)
    report = PLAN.read(study)
    assert [one.state for one in report.trials] == ["lost", "complete", "complete"]
    assert report.trials[2].retry_of == 0
