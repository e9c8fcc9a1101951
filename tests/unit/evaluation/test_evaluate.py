"""An evaluation of tiny ONNX models: what it writes, and what it refuses."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.evaluation.tiny_models import LABELS, make_rows, write_champion, write_model
from voxloop.config import resolved
from voxloop.errors import InputError, IntegrityError
from voxloop.evaluation.answers import read_answers
from voxloop.evaluation.evaluate import EvaluationRows, evaluate_model
from voxloop.evaluation.report import Evaluation, read_json_record
from voxloop.evaluation.scoring import ScoringConfig
from voxloop.store.digests import digest_file, digest_tree

CONFIG = ScoringConfig(batch=4, pool=8, threads=1)


def run(folder: Path, model: Path, champion: Path, labels: tuple[str | None, ...] = LABELS * 6) -> Evaluation:
    folder.mkdir()
    sets = [EvaluationRows("test", "d" * 64, counted=False, rows=make_rows(labels))]
    return evaluate_model(model, sets, champion, folder, task="emotion", dataset_digest="d" * 64, config=CONFIG)


@pytest.fixture
def good(tmp_path: Path) -> Path:
    return write_model(tmp_path / "good")


@pytest.fixture
def bad(tmp_path: Path) -> Path:
    """Return a model that takes each label for the next."""
    return write_model(tmp_path / "bad", heard=LABELS[1:] + LABELS[:1])


def test_challenger_and_champion_are_scored_on_the_same_rows(tmp_path: Path, good: Path, bad: Path) -> None:
    found = run(tmp_path / "out", good, write_champion(tmp_path / "champion", bad))
    test = found.find_set("test")
    assert test.measures.challenger is not None
    assert test.measures.champion is not None
    assert (test.measures.challenger["uar"], test.measures.champion["uar"]) == (1.0, 0.0)
    assert (test.counts.utterances, test.counts.speakers) == (18, 4)
    assert test.counts.per_label == dict.fromkeys(LABELS, 6)
    assert found.champion is not None
    assert found.champion.model_digest == digest_tree(bad)
    assert (tmp_path / "out" / "confusion.png").stat().st_size > 0
    answers = read_answers(tmp_path / "out" / "answers.parquet")
    assert answers["model"].to_pylist().count("champion") == 18


def test_report_is_tied_to_its_answers_and_read_back_equal(tmp_path: Path, good: Path) -> None:
    found = run(tmp_path / "out", good, write_champion(tmp_path / "champion", ever=False))
    assert found.answers_digest == digest_file(tmp_path / "out" / "answers.parquet")
    assert read_json_record(Evaluation, tmp_path / "out" / "evaluation.json") == found
    assert found.model_digest == digest_tree(good)
    assert found.configuration == resolved(CONFIG)
    assert found.configuration["golden"] == {"seconds": [0.5, 1.5, 3.0, 7.3], "rounds": 7, "silence_db": [-80.0, -65.0]}


def test_the_same_evaluation_twice_is_equal_byte_for_byte(tmp_path: Path, good: Path, bad: Path) -> None:
    champion = write_champion(tmp_path / "champion", bad)
    run(tmp_path / "one", good, champion)
    run(tmp_path / "two", good, champion)
    assert digest_tree(tmp_path / "one") == digest_tree(tmp_path / "two")


def test_without_a_champion_only_the_challenger_answers(tmp_path: Path, good: Path) -> None:
    found = run(tmp_path / "out", good, write_champion(tmp_path / "champion", ever=False))
    assert found.champion is None
    assert found.sets[0].measures.champion is None
    assert not found.champion_ever


def test_an_empty_test_split_is_an_evaluation_of_nothing(tmp_path: Path, good: Path, bad: Path) -> None:
    found = run(tmp_path / "out", good, write_champion(tmp_path / "champion", bad), labels=())
    assert (found.sets[0].counts.utterances, found.sets[0].counts.speakers) == (0, 0)
    assert found.sets[0].measures.challenger is None


def test_rows_without_a_label_are_counted_not_scored(tmp_path: Path, good: Path) -> None:
    labels = (*LABELS, None, None)
    found = run(tmp_path / "out", good, write_champion(tmp_path / "champion", ever=False), labels=labels)
    assert (found.sets[0].counts.utterances, found.sets[0].counts.unlabelled) == (3, 2)


def test_a_champion_with_other_labels_is_named_but_not_scored(tmp_path: Path, good: Path) -> None:
    other = write_model(tmp_path / "other", labels=("anger", "boredom", "sadness"), heard=LABELS)
    found = run(tmp_path / "out", good, write_champion(tmp_path / "champion", other))
    assert found.champion is not None
    assert found.champion.labels == ("anger", "boredom", "sadness")
    assert found.sets[0].measures.champion is None


def test_a_champion_whose_bytes_changed_is_an_integrity_error(tmp_path: Path, good: Path, bad: Path) -> None:
    champion = write_champion(tmp_path / "champion", bad)
    (champion / "model" / "model.json").write_text((good / "model.json").read_text() + " ")
    with pytest.raises(IntegrityError, match="the registry speaks of"):
        run(tmp_path / "out", good, champion)


def test_a_champion_that_did_not_arrive_is_an_integrity_error(tmp_path: Path, good: Path) -> None:
    champion = write_champion(tmp_path / "champion", version=3, model_digest="c" * 64)
    with pytest.raises(IntegrityError, match="is missing"):
        run(tmp_path / "out", good, champion)


def test_a_champion_folder_without_its_record_is_refused(tmp_path: Path, good: Path) -> None:
    (tmp_path / "champion").mkdir()
    with pytest.raises(InputError, match=r"champion\.json is missing"):
        run(tmp_path / "out", good, tmp_path / "champion")


def test_a_model_of_another_task_is_refused(tmp_path: Path) -> None:
    model = write_model(tmp_path / "model", task="personality")
    with pytest.raises(InputError, match="a model of 'personality'"):
        run(tmp_path / "out", model, write_champion(tmp_path / "champion", ever=False))
