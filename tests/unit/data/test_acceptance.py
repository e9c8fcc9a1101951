"""One verdict out of three, and no report believed that is not this runner's, of these bytes, unchanged."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.unit.jobs.datasets import make_rows, write_dataset
from voxloop.data.acceptance import REPORTS, Acceptance, load_acceptance
from voxloop.errors import InputError
from voxloop.jobs.accept import accept, ask_questions
from voxloop.settings import Settings, get_settings
from voxloop.store.job_store import read_runner_key, run_step
from voxloop.verdict import Verdict


class Judged:
    """A dataset and the three reports on it, as the steps leave them: asked what `accept` will want them asked."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.dataset = write_dataset(folder / "dataset", make_rows({"train": ["s1"]}))
        self.places: dict[str, Path] = {}
        for step in REPORTS:
            self.judge(step, "PASS")

    def judge(self, step: str, verdict: str, name: str = "", **changed: object) -> None:
        """Have a step say something; `changed` replaces an input (a path) or a value of its configuration."""
        asked = ask_questions(self.dataset, None, "emotion", "")[step].config
        inputs = {"dataset": self.dataset, "sets": None, "previous": None}
        inputs |= {key: value for key, value in changed.items() if isinstance(value, Path)}
        config = {
            **asked,
            "says": verdict,
            **{key: value for key, value in changed.items() if not isinstance(value, Path)},
        }
        out = self.folder / f"{step}-{verdict}{name}"

        def work(place: Path) -> None:
            (place / REPORTS[step]).write_text(json.dumps({"verdict": verdict}))

        run_step(step, inputs=inputs, config=config, out=out, work=work)
        self.places[step] = out

    def accept(self, **changed: Any) -> str:
        return accept(
            self.dataset,
            self.places["validate"],
            self.places["leakage"],
            self.places["poison"],
            self.folder / "accepted",
            **changed,
        )

    @property
    def accepted(self) -> Acceptance:
        return load_acceptance(self.folder / "accepted", read_runner_key(get_settings().runner_key_file))


@pytest.fixture
def judged(settings: Settings, tmp_path: Path) -> Judged:
    return Judged(tmp_path)


def test_three_times_pass_is_accepted_and_the_reports_are_kept(judged: Judged) -> None:
    assert judged.accept() == "PASS"
    assert judged.accepted.said == dict.fromkeys(REPORTS, Verdict.PASS)
    assert judged.accepted.doubts == ()
    for folder, file in (("data_report", "report.json"), ("leakage", "leakage.json"), ("poison", "poison.json")):
        assert json.loads((judged.folder / "accepted" / folder / file).read_text()) == {"verdict": "PASS"}


@pytest.mark.parametrize("step", REPORTS)
@pytest.mark.parametrize("verdict", ["FAIL", "CANNOT_TELL"])
def test_one_objection_is_enough(judged: Judged, step: str, verdict: str) -> None:
    judged.judge(step, verdict)
    assert judged.accept() == verdict


def forge(judged: Judged, out: Path) -> None:
    (out / "poison.json").write_text(json.dumps({"verdict": "PASS", "forged": True}))


def lose_the_record(judged: Judged, out: Path) -> None:
    (out / "_record.json").unlink()


def lose_the_report(judged: Judged, out: Path) -> None:
    (out / "poison.json").unlink()


def say_something_else(judged: Judged, out: Path) -> None:
    (out / "poison.json").write_text('{"verdict": "fine"}')


def seal_by_hand(judged: Judged, out: Path) -> None:
    record = json.loads((out / "_record.json").read_text())
    (out / "_record.json").write_text(json.dumps(record | {"seal": "0" * 64}))


@pytest.mark.parametrize("spoil", [forge, lose_the_record, lose_the_report, say_something_else, seal_by_hand])
def test_a_report_that_cannot_be_believed_says_nothing(judged: Judged, spoil: Callable[[Judged, Path], None]) -> None:
    spoil(judged, judged.places["poison"])
    assert judged.accept() == "CANNOT_TELL"
    (doubt,) = judged.accepted.doubts
    assert doubt.startswith("poison: ")


@pytest.mark.parametrize("step", REPORTS)
@pytest.mark.parametrize("changed", [{"task": "personality"}, {"config": {"softer": True}}], ids=["task", "rules"])
def test_the_answer_to_another_question_says_nothing(judged: Judged, step: str, changed: dict[str, object]) -> None:
    judged.judge(step, "PASS", "-other", **changed)
    assert judged.accept() == "CANNOT_TELL"
    assert f"was made with another {next(iter(changed))}" in judged.accepted.doubts[0]


@pytest.mark.parametrize("step", REPORTS)
def test_a_report_on_other_data_says_nothing(judged: Judged, step: str) -> None:
    other = write_dataset(judged.folder / "other", make_rows({"train": ["s2"]}))
    judged.judge(step, "PASS", "-other", dataset=other)
    assert judged.accept() == "CANNOT_TELL"
    assert "another dataset" in judged.accepted.doubts[0]


def test_a_search_that_did_not_see_the_sets_there_are_now_says_nothing(judged: Judged) -> None:
    (get_settings().evaluation_sets / "emotion" / "home-2026-11-20").mkdir(parents=True)
    assert judged.accept() == "CANNOT_TELL"
    assert "another sets" in judged.accepted.doubts[0]


def test_a_comparison_with_something_else_than_the_champions_data_says_nothing(judged: Judged) -> None:
    (judged.folder / "champion").mkdir()
    assert judged.accept(champion=judged.folder / "champion") == "CANNOT_TELL"
    assert "another previous" in judged.accepted.doubts[0]


def test_reports_of_other_code_say_nothing(judged: Judged, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("voxloop.data.acceptance.code_digest", lambda: "0" * 64)
    assert judged.accept() == "CANNOT_TELL"
    assert len(judged.accepted.doubts) == len(REPORTS)


def test_a_missing_folder_is_an_error_and_leaves_nothing(judged: Judged) -> None:
    with pytest.raises(InputError, match="nowhere is no folder"):
        accept(judged.dataset, judged.folder / "nowhere", judged.folder, judged.folder, judged.folder / "out")
    assert not (judged.folder / "out").exists()
