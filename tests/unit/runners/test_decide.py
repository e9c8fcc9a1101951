"""`voxloop decide`: the last watch, the ledger and the corpus in, a word and a page out."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.unit.jobs.datasets import make_rows, write_dataset
from voxloop.cli import run_command
from voxloop.errors import InputError, ServiceUnavailableError
from voxloop.ledger.book import open_ledger
from voxloop.ledger.entry import DECISION
from voxloop.monitoring.decision_pages import list_decisions
from voxloop.monitoring.past_runs import Learned
from voxloop.monitoring.retraining import NIGHT, Reason
from voxloop.monitoring.retraining_acts import begin_attempt, claim, end_attempt
from voxloop.runners import compile as arguments_of
from voxloop.runners import decide as runner
from voxloop.runners.learned import read_learned
from voxloop.runners.result import RunResult
from voxloop.settings import Settings, now

BEGIN = "2026-11-29T09:00:00+00:00"


def write_report(settings: Settings, *, is_triggered: bool = True, value: float = 0.4) -> None:
    window = {"start": BEGIN, "findings": [{"value": value, "threshold": 0.1}, {"value": 0.0, "threshold": 0.1}]}
    decision = {
        "is_triggered": is_triggered,
        "episode": "2026-11-29T09:00+00:00" if is_triggered else None,
        "reasons": ["3 of the last 6 windows" if is_triggered else "the latest window is NO_DRIFT"],
        "windows": [BEGIN],
    }
    folder = settings.drift / "emotion"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "report.json").write_text(json.dumps({"windows": [window], "decision": decision}))


def learn(settings: Settings, day: int, hours: float, error: float, **changed: Any) -> None:
    """Have a retraining judged that learned from so many hours, two thirds of the labelled ones."""
    ledger, reason = open_ledger(settings), Reason("emotion", NIGHT, f"2026-11-{day:02}")
    learned = Learned("uar", error, hours, hours * 1.5, gpu_hours=1.0, lead=None)
    outcome = {"data_verdict": "PASS", "verdict": "PASS", "model": "a" * 64, "learned": learned.as_page()} | changed
    claim(ledger, reason, bound={"arguments": {}, "data": None}, because="the night", at=now())
    end_attempt(ledger, begin_attempt(ledger, reason.retrain_id, code="c", at=now()), outcome, at=now())


@pytest.fixture
def corpus(monkeypatch: pytest.MonkeyPatch) -> dict[str, float | None]:
    """What the corpus is said to have; one hour."""
    said: dict[str, float | None] = {"hours": 1.0}
    monkeypatch.setattr(runner, "_count_labelled_hours", lambda _task, _config: said["hours"])
    return said


def decide(capsys: pytest.CaptureFixture[str], *overrides: str) -> str:
    capsys.readouterr()
    changes = [part for one in overrides for part in ("--set", one)]
    assert run_command(["decide", "emotion", *changes]) == 0
    line = capsys.readouterr().out.splitlines()[-1]
    assert line.startswith("emotion: ")
    return line.removeprefix("emotion: ")


def test_a_family_without_past_runs_is_trained_again_by_drift_alone(
    settings: Settings, corpus: dict[str, float | None], capsys: pytest.CaptureFixture[str]
) -> None:
    write_report(settings)
    line = decide(capsys)
    assert line.startswith("RETRAIN: 3 of the last 6 windows; the greatest distance is 4 times its threshold; 1 new")
    assert decide(capsys) == line
    (page,) = list_decisions(open_ledger(settings).read(), "emotion")
    said = json.loads((settings.drift / "emotion" / "decision.json").read_text())
    assert (said["word"], said["episode"], said["arguments"]) == ("RETRAIN", "2026-11-29T09:00+00:00", "local")
    assert said["reasons"] == page.content["reasons"]


def test_without_drift_nothing_is_written_in_the_ledger(
    settings: Settings, corpus: dict[str, float | None], capsys: pytest.CaptureFixture[str]
) -> None:
    write_report(settings, is_triggered=False)
    assert decide(capsys) == "WAIT: the latest window is NO_DRIFT"
    assert open_ledger(settings).read() == []
    assert json.loads((settings.drift / "emotion" / "decision.json").read_text())["word"] == "WAIT"


@pytest.mark.parametrize(
    ("hours", "word"),
    [(0.05, "LABEL_MORE"), (None, "ALERT")],
)
def test_too_few_labels_ask_for_more_and_unknown_ones_for_a_person(
    settings: Settings,
    corpus: dict[str, float | None],
    hours: float | None,
    word: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    corpus["hours"] = hours
    write_report(settings)
    capsys.readouterr()
    assert run_command(["decide", "emotion"]) == 0
    told = capsys.readouterr().out
    assert f"emotion: {word}: 3 of the last 6 windows" in told
    assert "nobody is told" in told, "people on call would be, had they an address"


def test_only_what_the_last_retraining_has_not_learned_from_is_new(
    settings: Settings, corpus: dict[str, float | None], capsys: pytest.CaptureFixture[str]
) -> None:
    write_report(settings)
    learn(settings, 1, hours=0.5, error=0.3)
    assert "0.25 new labelled hours" in decide(capsys)
    corpus["hours"] = 0.7
    assert decide(capsys).startswith("LABEL_MORE")
    learn(settings, 2, hours=9.0, error=0.3, data_verdict="FAIL", learned=None)
    assert "RETRAIN" in decide(capsys, "decision.smallest_labelled_hours=0"), "what was refused was not learned from"
    learn(settings, 3, hours=0.5, error=0.3, learned=None)
    assert decide(capsys).startswith("ALERT"), "nobody knows what the last one learned from"


def test_three_amounts_of_data_let_a_gain_be_expected_and_paid_for(
    settings: Settings, corpus: dict[str, float | None], capsys: pytest.CaptureFixture[str]
) -> None:
    write_report(settings)
    for day, hours in enumerate((0.25, 0.5, 1.0), start=1):
        learn(settings, day, hours, error=0.1 + 0.2 * hours**-0.5)
    corpus["hours"] = 6.0
    line = decide(capsys)
    assert line.startswith("RETRAIN")
    assert "10 points are expected for 1 GPU-hours, which cost 2: 0.2 a point, of 50 at most" in line
    assert decide(capsys, "decision.most_cost_per_point=0.1").startswith("LABEL_MORE")


def test_the_corpus_is_ingested_and_its_labels_are_counted(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    small = ["world.home.speakers=3", "world.utterances_per_speaker=6"]
    told: dict[str, Any] = {"corpus": "world", "corpus_path": "", "corpus_overrides": small}
    monkeypatch.setattr(arguments_of, "read_arguments", lambda *_: told)
    write_report(settings)
    assert decide(capsys, "decision.smallest_labelled_hours=0.001").startswith("RETRAIN")
    told["corpus_path"] = str(settings.home / "nowhere")
    told["corpus"] = "nemo"
    assert decide(capsys).startswith("ALERT")
    assert not list((settings.home / "scratch").glob("*"))


def test_what_another_try_can_mend_is_no_decision(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: object, **__: object) -> Path:
        raise ServiceUnavailableError("the disk is away")

    monkeypatch.setattr("voxloop.jobs.ingest.ingest", fails)
    write_report(settings)
    assert run_command(["decide", "emotion"]) == ServiceUnavailableError.exit_code
    assert [entry for entry in open_ledger(settings).read() if entry.kind == DECISION] == []


@pytest.mark.parametrize(("command", "named"), [(["decide", "opera"], "opera"), (["decide", "emotion"], "report.json")])
def test_what_cannot_be_is_refused_in_one_line(
    settings: Settings, command: list[str], named: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_command(command) == InputError.exit_code
    (line,) = capsys.readouterr().err.splitlines()
    assert named in line


def test_what_a_run_learned_is_read_from_its_folders(tmp_path: Path) -> None:
    trained, gate = tmp_path / "train", tmp_path / "gate"
    dataset = write_dataset(tmp_path / "ingest", make_rows({"train": ["s1"], "test": ["s2"]}))
    report = {
        "schema_version": 2,
        "task": "emotion",
        "config": {"devices": {"count": 2, "nodes": 2}},
        "history": [{"epoch": 1, "train_loss": 1.0, "dev_loss": 1.0, "dev": {"uar": 0.7}}],
        "best_epoch": 1,
        "objective": {"name": "uar", "value": 0.7},
        "dev": {"uar": 0.7},
        "dataset_digest": "d" * 64,
        "torch": "2",
        "utterances": {"train": 6, "dev": 0},
        "audio_seconds": {"train": 1800.0, "dev": 60.0},
        "parameters": 1,
    }
    for folder, name, content in (
        (trained, "training.json", report),
        (gate, "verdict.json", {"interval": {"measure": "uar lead", "estimate": 0.02}}),
    ):
        folder.mkdir()
        (folder / name).write_text(json.dumps(content))
    places = {"train": trained, "gate": gate, "ingest": dataset}
    result = RunResult("training", "local", {}, {}, folders={name: {"out": str(one)} for name, one in places.items()})
    learned = read_learned(result, tmp_path)
    assert learned is not None
    assert (learned.measure, learned.hours, learned.gpu_hours, learned.lead) == ("uar", 0.5, None, 0.02)
    assert learned.error == pytest.approx(0.3)
    assert learned.labelled_hours == pytest.approx(12 * 0.6 / 3600)
    (gate / "verdict.json").write_text('{"interval": {"measure": "uar", "estimate": 0.7}}')
    (dataset / "manifest.json").unlink()
    less = read_learned(result, tmp_path)
    assert less is not None
    assert (less.lead, less.labelled_hours) == (None, None), "a first champion leads nobody"
    (trained / "training.json").write_text("{}")
    assert read_learned(result, tmp_path) is None
    assert read_learned(RunResult("training", "kubeflow", {}, {}), tmp_path) is None
