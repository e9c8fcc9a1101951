"""The evaluate job on a real dataset folder and tiny ONNX models."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.evaluation.tiny_models import LABELS, level_of, write_champion, write_model
from tests.unit.jobs.datasets import make_level_rows, write_dataset
from voxloop.config import find_config
from voxloop.errors import ConfigError, InputError, IntegrityError, RefusedError
from voxloop.evaluation.report import Evaluation, read_json_record
from voxloop.jobs import evaluate as evaluate_job
from voxloop.jobs.evalset import cut
from voxloop.jobs.evaluate import evaluate
from voxloop.ledger.book import open_ledger
from voxloop.settings import Settings
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


@pytest.fixture
def sets(dataset: Path, settings: Settings) -> Path:
    """Return a folder with a frozen set of new speakers."""
    rows = make_level_rows({label: level_of(label) for label in LABELS}, ["n1", "n2", "n3"], repeats=2)
    fresh = write_dataset(dataset.parent / "fresh", rows)
    cut(dataset=fresh, domain="home", date="2026-11-20")
    return settings.evaluation_sets


def test_a_frozen_set_is_scored_beside_the_test_split(tmp_path: Path, dataset: Path, sets: Path) -> None:
    model, worse = write_model(tmp_path / "model"), write_model(tmp_path / "worse", heard=LABELS[1:] + LABELS[:1])
    out = evaluate(model, dataset, write_champion(tmp_path / "champion", worse), tmp_path / "out", sets=sets)
    found = read_json_record(Evaluation, out / "evaluation.json")
    assert [(one.name, one.counted, one.counts.utterances) for one in found.sets] == [
        ("test", False, 17),
        ("home-2026-11-20", True, 18),
    ]
    frozen = found.find_set("home-2026-11-20")
    assert frozen.measures.challenger is not None
    assert frozen.measures.champion is not None
    assert (frozen.measures.challenger["uar"], frozen.measures.champion["uar"]) == (1.0, 0.0)
    assert (out / "home-2026-11-20-confusion.png").stat().st_size > 0


def test_a_look_at_a_frozen_set_is_counted_once(tmp_path: Path, dataset: Path, sets: Path, settings: Settings) -> None:
    champion = write_champion(tmp_path / "champion", ever=False)
    for name in ("one", "again"):
        evaluate(write_model(tmp_path / f"model-{name}"), dataset, champion, tmp_path / name, sets=sets)
    other = write_model(tmp_path / "other", heard=LABELS[1:] + LABELS[:1])
    evaluate(other, dataset, champion, tmp_path / "third", sets=sets)
    entries = open_ledger(settings).verify()
    assert [(entry.kind, entry.subject) for entry in entries] == [
        ("fresh_set", "home-2026-11-20"),
        ("look", "home-2026-11-20"),
        ("look", "home-2026-11-20"),
    ]
    assert entries[1].content["challenger"] == digest_tree(tmp_path / "model-one")


def test_the_platforms_own_sets_are_scored_unasked(tmp_path: Path, dataset: Path, sets: Path) -> None:
    assert sets.is_dir()
    out = evaluate(write_model(tmp_path / "model"), dataset, write_champion(tmp_path / "champion"), tmp_path / "out")
    found = read_json_record(Evaluation, out / "evaluation.json")
    assert [one.name for one in found.sets] == ["test", "home-2026-11-20"]


def test_the_test_split_alone_is_no_look(tmp_path: Path, dataset: Path, settings: Settings) -> None:
    evaluate(write_model(tmp_path / "model"), dataset, write_champion(tmp_path / "champion"), tmp_path / "out")
    assert not settings.ledger.exists()


def test_a_worn_set_shows_no_more_figures(
    tmp_path: Path, dataset: Path, sets: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    worn = tmp_path / "ledger.yaml"
    worn.write_text("looks_per_set: 1\nwarn_from_share: 0.8\n")
    monkeypatch.setattr(
        evaluate_job, "find_config", lambda *names: worn if names == ("ledger",) else find_config(*names)
    )
    champion = write_champion(tmp_path / "champion", ever=False)
    evaluate(write_model(tmp_path / "model"), dataset, champion, tmp_path / "one", sets=sets)
    other = write_model(tmp_path / "other", heard=LABELS[1:] + LABELS[:1])
    with pytest.raises(RefusedError, match="0 of 1 looks left: cut a fresh one .*voxloop evalset cut"):
        evaluate(other, dataset, champion, tmp_path / "two", sets=sets)
    assert not (tmp_path / "two").exists()


def test_a_changed_set_is_not_scored(tmp_path: Path, dataset: Path, sets: Path) -> None:
    shard = next((sets / "emotion" / "home-2026-11-20" / "shards").iterdir())
    shard.chmod(0o600)
    content = bytearray(shard.read_bytes())
    content[len(content) // 2] ^= 1
    shard.write_bytes(bytes(content))
    champion = write_champion(tmp_path / "champion", ever=False)
    with pytest.raises(IntegrityError):
        evaluate(write_model(tmp_path / "model"), dataset, champion, tmp_path / "out", sets=sets)


def test_sets_that_are_not_there_are_named(tmp_path: Path, dataset: Path) -> None:
    champion = write_champion(tmp_path / "champion", ever=False)
    with pytest.raises(InputError, match="nowhere is no folder"):
        evaluate(write_model(tmp_path / "model"), dataset, champion, tmp_path / "out", sets=tmp_path / "nowhere")
