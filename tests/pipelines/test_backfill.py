"""Nights made up for later give what each would have given: dataset, model and verdict, byte for byte.

First every night is run when it is its time, over a folder that grows by a day. Then the state is gone, and all nights
are run with the whole folder there, the last one first. The command line is the one that the DAG `nightly_retraining`
gives: scheduled runs the first time, runs of a backfill the second.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import running_mlflow, set_home
from tests.fixtures.growing_corpus import add_day, count_speakers, night_after
from tests.small_project import make_small_project
from tests.soak import in_soak
from tests.unit.training.tones import TINY
from voxloop.cli import run_command
from voxloop.jobs.ingest import ingest
from voxloop.jobs.train import train
from voxloop.runners import retrain as retraining
from voxloop.runners.nightly_retraining import retraining_arguments
from voxloop.runners.result import RunResult
from voxloop.settings import Settings, get_settings
from voxloop.store.digests import digest_tree

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]
DAYS = 14
FIRST = 4
TABLE = {"home-0002": "dev", "home-0003": "test"}
"""Of four speakers; whoever comes later is learned from too."""


@dataclass(frozen=True)
class Night:
    """What came of a night, as its result files say: digests of the dataset and the weights, the model, the verdicts."""

    dataset: str
    weights: str
    model: str | None
    data_verdict: str | None
    verdict: str | None


def run_night(how: str, day: int, changes: Mapping[str, object], capsys: pytest.CaptureFixture[str]) -> Night:
    """Run the night after a day, as the task of the DAG does, and read what came of it."""
    moment = night_after(day)
    params = {"arguments": "local", "task": "emotion", "reason": None, "changes": changes}
    assert run_command(retraining_arguments(params, f"{how}__{moment.isoformat()}", moment)) == 0
    told = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert "nothing_new" not in told
    result = RunResult.read(Path(told["folder"]))
    return Night(
        digest_tree(Path(result.folders["ingest"]["out"])),
        digest_tree(Path(result.folders["train"]["out"]) / "weights.safetensors"),
        result.model_digest,
        result.data_verdict,
        result.verdict,
    )


def ingest_and_train(arguments: Mapping[str, Any], folder: Path) -> RunResult:
    """Stand in for kfp: the two jobs that data and weights come from."""
    changes, path = tuple(arguments["corpus_overrides"]), Path(arguments["corpus_path"])
    dataset = ingest(
        path,
        out=folder / "ingest",
        corpus=arguments["corpus"],
        recorded_before=arguments["recorded_before"],
        overrides=changes,
    )
    weights = train(dataset, folder / "train", config=arguments["config"], overrides=tuple(arguments["overrides"]))
    folders = {"ingest": {"out": str(dataset)}, "train": {"out": str(weights)}}
    result = RunResult("training", "local", dict(arguments), {}, folders=folders, data_verdict="PASS", verdict="PASS")
    result.write(folder)
    return result


def test_a_backfill_trains_what_the_nights_would_have_trained(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(retraining, "_run_pipeline", ingest_and_train)
    days = max(2, set_home(monkeypatch, tmp_path / "home").trial_count(DAYS))
    corpus = tmp_path / "corpus"
    changes = {
        "config": "smoke",
        "corpus": "lhotse",
        "corpus_path": str(corpus),
        "corpus_overrides": [
            f"split.table.home-{number:04d}={TABLE.get(f'home-{number:04d}', 'train')}"
            for number in range(count_speakers(days, FIRST))
        ],
        "overrides": [*TINY, "epochs=1"],
    }
    then = []
    for day in range(days):
        add_day(corpus, day, first=FIRST, utterances=6)
        then.append(run_night("scheduled", day, changes, capsys))
    set_home(monkeypatch, tmp_path / "anew")
    later = [run_night("backfill", day, changes, capsys) for day in reversed(range(days))]
    assert later[::-1] == then
    assert len({night.dataset for night in then}) == len({night.weights for night in then}) == days
    get_settings.cache_clear()


@contextmanager
def platform(home: Path, project: Path) -> Iterator[Settings]:
    """A state folder of its own, with MLflow on it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("VOXLOOP_PROJECT_ROOT", str(project))
        with running_mlflow(settings := set_home(patch, home)):
            yield settings
    get_settings.cache_clear()


@in_soak("two whole pipelines a day")
@pytest.mark.timeout(14_400)
def test_a_backfill_of_the_whole_pipeline_gives_what_the_nights_gave(
    tmp_path: Path, clean_checkout: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    project, corpus = make_small_project(clean_checkout, tmp_path / "project"), tmp_path / "corpus"
    days = Settings().trial_count(DAYS)
    changes = {
        "config": "smoke",
        "corpus": "lhotse",
        "corpus_path": str(corpus),
        # The world's own split, so that each side has speakers.
        "corpus_overrides": ["split.salt=world-33", "split.shares={train: 0.6, dev: 0.15, test: 0.25}"],
        "policy": "easy",
        "bootstrap": True,
        "because": "the first of its kind",
    }
    then = []
    with platform(tmp_path / "home", project):
        for day in range(days):
            add_day(corpus, day, first=12, utterances=12)
            then.append(run_night("scheduled", day, changes, capsys))
    with platform(tmp_path / "anew", project):
        later = [run_night("backfill", day, changes, capsys) for day in reversed(range(days))]
    print(f"{days} nights, {count_speakers(days, 12)} speakers at last: {[night.verdict for night in then]}")
    assert later[::-1] == then
    assert {night.data_verdict for night in then} == {"PASS"}
    assert len({night.model for night in then}) == days
