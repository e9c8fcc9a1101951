"""The evaluate job on a real dataset folder and tiny ONNX models."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.evaluation.tiny_models import LABELS, level_of, write_champion, write_model
from tests.unit.jobs.datasets import make_level_rows, write_dataset
from voxloop.errors import ConfigError, InputError
from voxloop.evaluation.report import Evaluation, read_json_record
from voxloop.jobs.evaluate import evaluate
from voxloop.store.digests import digest_tree

pytestmark = pytest.mark.usefixtures("home")


@pytest.fixture
def dataset(tmp_path: Path) -> Path:
    rows = make_level_rows({label: level_of(label) for label in LABELS}, ["s1", "s2"], repeats=3)
    rows[0]["split"] = "train"
    return write_dataset(tmp_path / "dataset", rows)


def test_only_the_test_split_is_scored(tmp_path: Path, dataset: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model = write_model(tmp_path / "model")
    out = evaluate(model, dataset, write_champion(tmp_path / "champion", model), tmp_path / "out")
    found = read_json_record(Evaluation, out / "evaluation.json")
    test = found.find_set("test")
    assert test.counts.utterances == 17
    assert test.measures.challenger == test.measures.champion
    assert test.measures.challenger is not None
    assert test.measures.challenger["uar"] == 1.0
    assert found.dataset_digest == digest_tree(dataset)
    assert "challenger: uar 1.000" in capsys.readouterr().out


def test_asked_again_it_is_taken_from_the_store(
    tmp_path: Path, dataset: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model, champion = write_model(tmp_path / "model"), write_champion(tmp_path / "champion", ever=False)
    one = evaluate(model, dataset, champion, tmp_path / "one")
    two = evaluate(model, dataset, champion, tmp_path / "two")
    assert "reused" in capsys.readouterr().out
    assert digest_tree(one) == digest_tree(two)


def test_batching_is_a_matter_of_speed_alone(tmp_path: Path, dataset: Path) -> None:
    model, champion = write_model(tmp_path / "model"), write_champion(tmp_path / "champion", ever=False)
    one = evaluate(model, dataset, champion, tmp_path / "one")
    two = evaluate(model, dataset, champion, tmp_path / "two", overrides=("batch=1", "pool=2"))
    reports = [read_json_record(Evaluation, out / "evaluation.json") for out in (one, two)]
    assert reports[0].sets == reports[1].sets


def test_a_failure_leaves_nothing_half_written(tmp_path: Path, dataset: Path) -> None:
    model = write_model(tmp_path / "model", labels=LABELS[:2])
    with pytest.raises(InputError, match="is labelled 'sadness'"):
        evaluate(model, dataset, write_champion(tmp_path / "champion", ever=False), tmp_path / "out")
    assert {path.name for path in tmp_path.iterdir()} <= {"model", "champion", "dataset", "home"}


def test_an_unknown_key_is_named(tmp_path: Path, dataset: Path) -> None:
    with pytest.raises(ConfigError, match="did you mean 'batch'"):
        evaluate(tmp_path, dataset, tmp_path, tmp_path / "out", overrides=("batchs=2",))


def test_a_missing_model_is_named(tmp_path: Path, dataset: Path) -> None:
    with pytest.raises(InputError, match="nowhere"):
        evaluate(tmp_path / "nowhere", dataset, write_champion(tmp_path / "champion"), tmp_path / "out")
