"""`voxloop compare` on trainings that were really run, wherever they are kept."""

from __future__ import annotations

import csv
import json
import shutil
import sys
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from tests.unit.training.tones import TINY, tone_rows, write_tones
from voxloop.cli import run_command
from voxloop.comparison.files import CSV_NAME, CURVES_NAME, JSON_NAME, MEASURES_NAME, PAGE_NAME
from voxloop.config import find_config, load_config
from voxloop.runners.result import RunResult
from voxloop.settings import Settings
from voxloop.tasks import emotion, get_task
from voxloop.training.fit import fit_task

KFP_LOG = """\
23:59:58.500 - INFO - Executing task \x1b[96m'train'\x1b[0m
    epoch   1/2
00:00:10.750 - INFO - Task \x1b[96m'train'\x1b[0m finished with status \x1b[92mSUCCESS\x1b[0m
"""


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with two trainings on the same hums, and one on others."""
    folder = tmp_path_factory.mktemp("trained")
    write_tones(folder / "hums", tone_rows({"train": 2, "dev": 1}))
    write_tones(folder / "others", tone_rows({"train": 1, "dev": 2}))
    for name, dataset, epochs in (("one", "hums", 2), ("two", "hums", 3), ("three", "others", 1)):
        recipe = load_config(
            emotion.EmotionConfig, find_config("tasks", "emotion", "smoke"), (*TINY, f"epochs={epochs}")
        )
        (folder / name).mkdir()
        fit_task(folder / dataset, folder / name, task=get_task("emotion"), recipe=recipe)
    return folder


def say(capsys: pytest.CaptureFixture[str], *words: object, code: int = 0) -> str:
    capsys.readouterr()
    assert run_command(["compare", *map(str, words)]) == code
    told = capsys.readouterr()
    return told.err if code else told.out


def test_two_trainings_on_the_same_data(trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "comparison"
    said = say(capsys, trained / "one", trained / "two", "--out", out)
    head, *lines = said.splitlines()
    assert head.split() == ["one", "two", "difference"]
    assert any(line.split() == ["epochs", "2", "3"] for line in lines)
    assert "learning_rate" not in said
    assert "NOT COMPARABLE" not in said
    assert {path.name for path in out.iterdir()} == {JSON_NAME, CSV_NAME, CURVES_NAME, MEASURES_NAME, PAGE_NAME}
    told = json.loads((out / JSON_NAME).read_text())
    assert told["comparable"]
    reports = [json.loads((trained / name / "training.json").read_text()) for name in ("one", "two")]
    assert [run["dev"] for run in told["runs"]] == [report["dev"] for report in reports]
    assert told["settings"] == {"epochs": {"one": 2, "two": 3}}
    assert told["difference"]["uar"] == pytest.approx(reports[1]["dev"]["uar"] - reports[0]["dev"]["uar"])
    rows = list(csv.DictReader((out / CSV_NAME).read_text(encoding="utf-8").splitlines()))
    assert [(row["run"], row["config.epochs"]) for row in rows] == [("one", "2"), ("two", "3")]
    assert [float(row["dev.uar"]) for row in rows] == [report["dev"]["uar"] for report in reports]


def test_the_page_holds_its_pictures(trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    say(capsys, trained / "one", trained / "three", "--out", tmp_path / "out")
    text = (tmp_path / "out" / PAGE_NAME).read_text(encoding="utf-8")
    page = ET.fromstring(text.removeprefix("<!DOCTYPE html>\n"))  # noqa: S314 - written a line above
    assert [image.get("src", "")[:22] for image in page.iter("img")] == ["data:image/png;base64,"] * 2
    assert "img-src data:" in text
    assert "NOT COMPARABLE: the datasets differ" in text
    for name in (CURVES_NAME, MEASURES_NAME):
        assert (tmp_path / "out" / name).read_bytes().startswith(b"\x89PNG")


def test_other_data_are_not_ranked(trained: Path, capsys: pytest.CaptureFixture[str]) -> None:
    said = say(capsys, trained / "one", trained / "two", trained / "three")
    assert "NOT COMPARABLE: the datasets differ" in said
    (line,) = (line for line in said.splitlines() if line.startswith("uar "))
    assert [word for word in line.split() if word.startswith("[")] == ["[a]", "[a]", "[b]"]


def test_the_same_name_twice(trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shutil.copytree(trained / "one", tmp_path / "copy" / "one")
    said = say(capsys, trained / "one", tmp_path / "copy" / "one")
    assert "copy/one" in said.splitlines()[0]
    assert f"{trained.name}/one" in said.splitlines()[0].replace(" ", "")
    assert say(capsys, trained / "one", trained / "one").splitlines()[0].split()[:3] == ["one", "one", "(2)"]


def write_run(settings: Settings, weights: Path | None, log: str = KFP_LOG) -> Path:
    run = settings.home / "runs" / "training-7"
    run.mkdir(parents=True)
    (run / "kfp.log").write_text(log, encoding="utf-8")
    folders = {} if weights is None else {"train": {"out": str(weights)}}
    tasks = {"train": "FAILED" if weights is None else "SUCCEEDED"}
    RunResult("training", "local", {}, tasks, folders=folders).write(run)
    return run


@pytest.mark.parametrize("by", ["name", "folder"])
def test_a_pipeline_run(settings: Settings, trained: Path, by: str, capsys: pytest.CaptureFixture[str]) -> None:
    run = write_run(settings, trained / "two")
    said = say(capsys, trained / "one", "training-7" if by == "name" else run)
    assert said.splitlines()[0].split()[:2] == ["one", "training-7"]
    (line,) = (line for line in said.splitlines() if line.startswith("training step, seconds"))
    assert line.split()[-2:] == ["—", "12.2"]


@pytest.mark.parametrize(
    "log", ["", KFP_LOG * 2, KFP_LOG + "    step train: reused ab\n", KFP_LOG.partition("00:00")[0]]
)
def test_seconds_that_nobody_knows_are_not_told(
    settings: Settings, trained: Path, log: str, capsys: pytest.CaptureFixture[str]
) -> None:
    write_run(settings, trained / "two", log)
    assert "seconds" not in say(capsys, trained / "one", "training-7")


def test_a_pipeline_run_that_trained_nothing(
    settings: Settings, trained: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_run(settings, None)
    assert "no training to compare: train is FAILED" in say(capsys, trained / "one", "training-7", code=2)


@pytest.mark.usefixtures("settings")
def test_a_server_is_asked_only_for_what_is_not_here(trained: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """No server runs: a run of MLflow's is told so, and a folder needs none."""
    loaded = set(sys.modules)
    say(capsys, trained / "one", trained / "two")
    assert not any(name.partition(".")[0] == "mlflow" for name in set(sys.modules) - loaded)
    for name in ("ab" * 16, "runs:/" + "ab" * 16, "emotion/3", "emotion@champion", "models:/whatever/3"):
        assert "MLflow does not answer" in say(capsys, trained / "one", name, code=75)
