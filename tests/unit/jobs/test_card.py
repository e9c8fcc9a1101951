"""The card job: which folders belong together, whose voices are heard, which policy speaks."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.unit.evaluation.cases import make_answers, write_evaluation
from tests.unit.evaluation.tiny_models import LABELS, level_of, write_champion, write_model
from tests.unit.jobs.datasets import make_level_rows, write_dataset
from voxloop.errors import InputError, IntegrityError
from voxloop.jobs.card import card
from voxloop.jobs.evaluate import evaluate
from voxloop.jobs.gate import gate

pytestmark = pytest.mark.usefixtures("home")


def read(out: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((out / "card.json").read_text())
    return content


@pytest.fixture
def dataset(tmp_path: Path) -> Path:
    rows = make_level_rows({label: level_of(label) for label in LABELS}, ["s1", "s2", "s3"], repeats=3)
    return write_dataset(tmp_path / "dataset", rows)


@pytest.fixture
def evaluation(tmp_path: Path, dataset: Path) -> Path:
    wrong = write_model(tmp_path / "model", heard=(LABELS[1], LABELS[0], LABELS[2]))
    return evaluate(wrong, dataset, write_champion(tmp_path / "champion", ever=False), tmp_path / "evaluation")


def test_the_gate_leaves_the_same_card(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = write_evaluation(tmp_path / "evaluation", make_answers())
    verdict = tmp_path / "verdict"
    said = gate(folder, verdict, overrides=("level=0.9",))
    made = card(folder, tmp_path / "card", verdict=verdict)
    for name in ("card.json", "card.html"):
        assert (made / name).read_bytes() == (verdict / name).read_bytes()
    assert (read(made)["verdict"], read(made)["policy"]["name"]) == (said, "emotion --set level=0.9")
    assert f"{said}: " in capsys.readouterr().out


def test_a_gate_that_can_tell_nothing_says_why_there_is_no_card(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "evaluation").mkdir()
    assert gate(tmp_path / "evaluation", tmp_path / "out") == "CANNOT_TELL"
    assert "there is no model card: InputError: evaluation/evaluation.json is missing" in capsys.readouterr().out
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"verdict.json", "verdict.txt"}


def test_nobody_is_heard_unless_a_dataset_is_named(tmp_path: Path, evaluation: Path, dataset: Path) -> None:
    silent = card(evaluation, tmp_path / "silent")
    assert "<audio" not in (silent / "card.html").read_text()
    heard = card(evaluation, tmp_path / "heard", dataset=dataset, players=2)
    assert (heard / "card.html").read_text().count('<audio controls="controls"') == 2
    assert [worst["has_sound"] for worst in read(heard)["sets"][0]["worst"]].count(True) == 2
    again = card(evaluation, tmp_path / "again", dataset=dataset, players=2)
    assert (again / "card.html").read_bytes() == (heard / "card.html").read_bytes()
    assert read(heard)["verdict"] is None


def test_a_dataset_it_is_not_about_is_refused(tmp_path: Path, evaluation: Path) -> None:
    other = write_dataset(tmp_path / "other", make_level_rows({"anger": 0.1}, ["s9"], repeats=2))
    with pytest.raises(IntegrityError, match="the evaluation is of dataset"):
        card(evaluation, tmp_path / "out", dataset=other)
    assert not (tmp_path / "out").exists()


def test_a_verdict_under_another_policy_is_refused(tmp_path: Path, evaluation: Path) -> None:
    gate(evaluation, tmp_path / "verdict")
    with pytest.raises(IntegrityError, match="the verdict is about policy"):
        card(evaluation, tmp_path / "out", verdict=tmp_path / "verdict", policy="emotion-nemo")


@pytest.mark.parametrize("option", ["verdict", "dataset", "model"])
def test_a_folder_that_is_not_there_is_named(tmp_path: Path, evaluation: Path, option: str) -> None:
    given: dict[str, Any] = {option: tmp_path / "nowhere"}
    with pytest.raises(InputError, match="nowhere is no folder"):
        card(evaluation, tmp_path / "out", **given)


def test_inputs_are_shuffled_between_rows_of_a_dataset(tmp_path: Path, evaluation: Path, dataset: Path) -> None:
    with pytest.raises(InputError, match="--model without --dataset"):
        card(evaluation, tmp_path / "out", model=tmp_path / "model")
    with pytest.raises(InputError, match="--features without --model"):
        card(evaluation, tmp_path / "out", dataset=dataset, features=tmp_path / "features.parquet")
    made = card(evaluation, tmp_path / "out", model=tmp_path / "model", dataset=dataset)
    assert read(made)["sets"][0]["importances"] is None
    with pytest.raises(IntegrityError, match="the evaluation is of model"):
        card(evaluation, tmp_path / "other", model=dataset, dataset=dataset)
