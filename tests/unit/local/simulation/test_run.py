"""The platform's side of a simulation, with acts that are written down in place of done."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from voxloop.adapters.mlflow_sign_in import Credentials
from voxloop.config import find_config, load_config
from voxloop.errors import VoxloopError
from voxloop.local.simulation import run as side_of_platform
from voxloop.local.simulation.config import SimulationConfig
from voxloop.local.simulation.run import LENGTH, Journal, PlatformSide

BEGIN = datetime(2026, 12, 1, tzinfo=UTC)
OUTCOME = {"version": 1, "model_digest": "a" * 64, "run_id": "r", "verdict": "PASS", "data_verdict": "PASS"}


class WrittenActs:
    """Acts that are remembered; the watch asks for a retraining in the windows named."""

    def __init__(self, settings: Any, drifted: set[int]) -> None:
        self.settings, self.task, self.log = settings, "emotion", settings.home / "acts.log"
        self.done: list[str] = []
        self.window, self._drifted = -1, drifted

    def do(self, name: str, *_: str) -> dict[str, Any]:
        self.done.append(name)
        has_drifted = self.window in self._drifted
        if name == "retrain":
            run = f"drift__emotion__{min(self._drifted)}"
            asked = {"dag": "nightly_retraining", "run_id": run, "params": {"arguments": "simulation"}}
            return {"trigger": asked} if has_drifted else {"skipped": "WAIT"}
        word = "RETRAIN" if has_drifted else "WAIT"
        said: dict[str, Any] = {
            "train": OUTCOME,
            "watch": f"emotion: {word}: so",
            "decide": f"emotion: {word}: so",
            "deploy": "ok",
        }
        return {"said": dict(said[name]) if name == "train" else said[name]}

    def do_all(self, names: tuple[str, ...]) -> dict[str, Any]:
        return {name: self.do(name) for name in names}

    def make_reference(self, since: datetime, until: datetime) -> bool:
        self.done.append(f"reference {(since - BEGIN) // LENGTH} to {(until - BEGIN) // LENGTH}")
        return True

    def retire_reference(self, at: datetime) -> None:
        self.done.append("retired")

    def freeze_set(self, batch: Path, at: datetime) -> str:
        self.done.append(f"frozen {batch.name}")
        return f"{batch.name}-2026-12-01"

    def join_corpus(self, batch: Path, corpus: Path) -> None:
        self.done.append(f"joined {batch.name}")


class Spoken:
    """A world that answers and lets a batch arrive in one window."""

    def __init__(self, acts: WrittenActs, arrives: int) -> None:
        self._acts, self._arrives = acts, arrives

    def ask(self, **what: Any) -> dict[str, Any]:
        self._acts.window = what["window"]
        arrived = {"arrived": "/there/batch-01"} if what["window"] == self._arrives else {}
        return {"asked": 104, "answered": 104, "labels": 0, **arrived}


@pytest.fixture
def approved(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    versions: list[int] = []
    monkeypatch.setattr(side_of_platform, "approve", lambda *asked: versions.append(asked[-1]))
    monkeypatch.setattr(side_of_platform, "time", SimpleNamespace(sleep=lambda _: None, monotonic=lambda: 0.0))
    return versions


def build(settings: Any, drifted: set[int], outcome: dict[str, Any]) -> tuple[WrittenActs, PlatformSide, list[Any]]:
    acts = WrittenActs(settings, drifted)
    report = settings.drift / "emotion" / "report.json"
    report.parent.mkdir(parents=True)
    findings = [{"measure": "PSI", "column": "snr_db", "value": 1.0, "threshold": 2.0}]
    report.write_text(json.dumps({"windows": [{"outcome": "NO_DRIFT", "findings": findings, "rows": 104}]}))
    config = load_config(SimulationConfig, find_config("simulation", "emotion")).platform
    moments: list[Any] = []
    clock: Any = SimpleNamespace(reach=moments.append, put_on=moments.append)
    said: list[str] = []
    side = PlatformSide(
        acts,  # type: ignore[arg-type]
        config,
        clock,
        Credentials("approver", "secret"),
        settings.home / "corpus",
        lambda *_: dict(outcome),
        Journal(settings.home / "journal.json"),
        said.append,
    )
    return acts, side, moments


def test_what_arrives_is_frozen_before_anything_learns_from_it(settings: Any, approved: list[int]) -> None:
    acts, side, _ = build(settings, set(), OUTCOME)
    side.appoint_first(Path("/there/batch-00"), BEGIN)
    assert acts.done == ["frozen batch-00", "joined batch-00", "train", "deploy", "retired"]
    assert approved == [1]


def test_without_a_first_champion_there_is_no_simulation(
    settings: Any, approved: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    acts, side, _ = build(settings, set(), OUTCOME)
    failed = {**OUTCOME, "version": None, "verdict": "CANNOT_TELL", "folder": "/runs/first"}
    monkeypatch.setattr(acts, "do", lambda *_: {"said": failed})
    with pytest.raises(VoxloopError, match="gate CANNOT_TELL"):
        side.appoint_first(Path("/there/batch-00"), BEGIN)
    assert approved == []


def test_an_episode_starts_one_retraining_and_a_promotion_asks_for_a_new_reference(
    settings: Any, approved: list[int]
) -> None:
    acts, side, moments = build(settings, {6, 12}, {**OUTCOME, "version": 2})
    side.run(Spoken(acts, 5), BEGIN, 14)  # type: ignore[arg-type]
    journal = json.loads((settings.home / "journal.json").read_text())
    words = [one["watch"] for one in journal["windows"]]
    assert words[:3] == ["no reference yet"] * 3
    assert words[7:10] == ["no reference yet"] * 3
    assert [one for one in acts.done if one.startswith("reference")] == ["reference 0 to 4", "reference 7 to 11"]
    assert [one["number"] for one in journal["windows"] if "retraining" in one] == [6]
    assert approved == [2]
    assert [one["window"] for one in journal["models"]] == [6]
    assert acts.done.index("frozen batch-01") < acts.done.index("joined batch-01") < acts.done.index("deploy")
    assert moments == sorted(moments)
    assert moments[1] - moments[0] < LENGTH < moments[-1] - (BEGIN + 13 * LENGTH) < LENGTH + timedelta(minutes=5)


def test_what_did_not_pass_is_approved_by_nobody(settings: Any, approved: list[int]) -> None:
    rejected = {**OUTCOME, "version": None, "verdict": "FAIL"}
    acts, side, _ = build(settings, {6}, rejected)
    side.run(Spoken(acts, 5), BEGIN, 8)  # type: ignore[arg-type]
    journal = json.loads((settings.home / "journal.json").read_text())
    assert journal["windows"][6]["retraining"]["promoted"] is False
    assert approved == []
    assert "deploy" not in acts.done
