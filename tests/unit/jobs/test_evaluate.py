"""The evaluate job on a real dataset folder and tiny ONNX models."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.fixtures.tiny_lhotse import supervision, write_lines, write_tiny_lhotse
from tests.unit.evaluation.tiny_models import LABELS, level_of, write_champion, write_model
from tests.unit.jobs.datasets import make_level_rows, make_older, write_dataset
from voxloop.config import find_config
from voxloop.data.evaluation_sets import load_evaluation_set, write_record
from voxloop.errors import ConfigError, InputError, IntegrityError, RefusedError
from voxloop.evaluation.answers import CHALLENGER, answers_of, read_answers
from voxloop.evaluation.report import Evaluation, read_json_record
from voxloop.evaluation.slices import cut_slices
from voxloop.jobs import evaluate as evaluate_job
from voxloop.jobs.evalset import cut
from voxloop.jobs.evaluate import evaluate
from voxloop.jobs.ingest import ingest
from voxloop.ledger.book import open_ledger
from voxloop.ledger.looks import is_own_test_split
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


def test_a_dataset_and_a_frozen_set_from_before_a_column_are_scored_as_if_it_were_null(
    tmp_path: Path, dataset: Path, sets: Path
) -> None:
    model = write_model(tmp_path / "model")
    champion = write_champion(tmp_path / "champion", model)
    evaluate(model, dataset, champion, tmp_path / "new", sets=sets)
    frozen = load_evaluation_set(sets / "emotion" / "home-2026-11-20")
    make_older(dataset)
    record = frozen.describe(make_older(frozen.folder))
    (frozen.folder / "evaluation_set.json").unlink()
    write_record(record, frozen.folder)
    evaluate(model, dataset, champion, tmp_path / "old", sets=sets)
    answers = [(tmp_path / name / "answers.parquet").read_bytes() for name in ("new", "old")]
    assert answers[0] == answers[1]


def test_what_lhotse_says_of_a_device_is_a_slice(tmp_path: Path) -> None:
    folder = write_tiny_lhotse(tmp_path / "lhotse")
    said = {"device": "Pixel 8", "emotion": "angry"}
    write_lines(
        folder / "supervisions.jsonl",
        supervision("one-1", "one", 0.0, 1.0, speaker="x", custom=said),
        supervision("call-a", "call", 0.5, 0.5, speaker="y", custom={"emotion": "angry"}),
    )
    tested = ("split.table={x: test, y: test}",)
    corpus = ingest(folder, out=tmp_path / "corpus", corpus="lhotse", overrides=tested)
    model = write_model(tmp_path / "model")
    out = evaluate(model, corpus, write_champion(tmp_path / "champion", ever=False), tmp_path / "out")
    answers = answers_of(read_answers(out / "answers.parquet"), "test", CHALLENGER)
    slices = {name: answers.utterance_ids[rows].tolist() for name, rows in cut_slices(answers.columns, ["device"])}
    assert slices == {"device=Pixel 8": ["one-1"], "device=not known": ["call-a"]}


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
        ("test", True, 17),
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
    looks = [entry for entry in entries if entry.kind == "look" and not is_own_test_split(entry.subject)]
    assert [(entries[0].kind, entries[0].subject)] == [("fresh_set", "home-2026-11-20")]
    assert [entry.subject for entry in looks] == ["home-2026-11-20"] * 2
    assert looks[0].content["challenger"] == digest_tree(tmp_path / "model-one")


def test_the_platforms_own_sets_are_scored_unasked(tmp_path: Path, dataset: Path, sets: Path) -> None:
    assert sets.is_dir()
    out = evaluate(write_model(tmp_path / "model"), dataset, write_champion(tmp_path / "champion"), tmp_path / "out")
    found = read_json_record(Evaluation, out / "evaluation.json")
    assert [one.name for one in found.sets] == ["test", "home-2026-11-20"]


@pytest.fixture
def champion(tmp_path: Path) -> Path:
    return write_champion(tmp_path / "champion", ever=False)


def list_looks(settings: Settings) -> list[tuple[str, str]]:
    """Return set and challenger of every look in the ledger."""
    looks = [entry for entry in open_ledger(settings).verify() if entry.kind == "look"]
    return [(entry.subject, entry.content["challenger"]) for entry in looks]


def make_other(folder: Path) -> Path:
    """Write a model that answers something else, and so has another digest."""
    return write_model(folder, heard=LABELS[1:] + LABELS[:1])


def test_a_look_at_the_test_split_is_counted_once_a_model(
    tmp_path: Path, dataset: Path, champion: Path, settings: Settings
) -> None:
    model, other = write_model(tmp_path / "model"), make_other(tmp_path / "other")
    for number, one in enumerate((model, model, other)):
        evaluate(one, dataset, champion, tmp_path / f"out-{number}")
    looks = list_looks(settings)
    assert [challenger for _, challenger in looks] == [digest_tree(model), digest_tree(other)]
    assert len({name for name, _ in looks}) == 1
    assert is_own_test_split(looks[0][0])


def test_the_same_test_rows_are_the_same_set_in_another_dataset(
    tmp_path: Path, dataset: Path, champion: Path, settings: Settings
) -> None:
    """More of training, another order and a corrected label make no fresh test split; another row does."""
    rows = make_level_rows({label: level_of(label) for label in LABELS}, ["s1", "s2"], repeats=3)
    rows[0]["split"] = "train"
    (more,) = make_level_rows({"anger": level_of("anger")}, ["s3"], repeats=1)
    relabelled = [{**row, "emotion": "anger"} if row is rows[5] else row for row in rows]
    same = write_dataset(tmp_path / "same", [{**more, "split": "train"}, *reversed(relabelled)])
    grown = write_dataset(tmp_path / "grown", [more, *rows])
    for number, data in enumerate((dataset, same, grown)):
        model = write_model(tmp_path / f"model-{number}", heard=LABELS[number:] + LABELS[:number])
        evaluate(model, data, champion, tmp_path / f"out-{number}")
    names = [name for name, _ in list_looks(settings)]
    assert names[0] == names[1] != names[2]


def test_a_test_split_without_rows_is_no_look(
    tmp_path: Path, dataset: Path, champion: Path, settings: Settings
) -> None:
    rows = make_level_rows({"anger": level_of("anger")}, ["s1"], repeats=2)
    empty = write_dataset(tmp_path / "empty", [{**row, "split": "train"} for row in rows])
    out = evaluate(write_model(tmp_path / "model"), empty, champion, tmp_path / "out")
    assert not read_json_record(Evaluation, out / "evaluation.json").find_set("test").counted
    assert not settings.ledger.exists()


def test_a_model_that_is_not_there_looks_at_nothing(
    tmp_path: Path, dataset: Path, champion: Path, settings: Settings
) -> None:
    with pytest.raises(InputError, match="nowhere"):
        evaluate(tmp_path / "nowhere", dataset, champion, tmp_path / "out")
    assert not settings.ledger.exists()


def write_budget(folder: Path, monkeypatch: pytest.MonkeyPatch, **changed: float) -> None:
    """Have the job read a configs/ledger.yaml with other numbers."""
    numbers = {"looks_per_set": 100, "looks_per_test_split": 100, "warn_from_share": 0.8, **changed}
    path = folder / "ledger.yaml"
    path.write_text("".join(f"{name}: {value}\n" for name, value in numbers.items()))
    monkeypatch.setattr(
        evaluate_job, "find_config", lambda *names: path if names == ("ledger",) else find_config(*names)
    )


def test_a_worn_test_split_shows_no_more_figures_but_to_whom_it_showed_them(
    tmp_path: Path,
    dataset: Path,
    champion: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    write_budget(tmp_path, monkeypatch, looks_per_test_split=1)
    model = write_model(tmp_path / "model")
    evaluate(model, dataset, champion, tmp_path / "one")
    assert "has 0 of 1 looks left" in capsys.readouterr().out
    with pytest.raises(RefusedError, match=r"0 of 1 looks left: .*split\.salt=.*voxloop evalset cut"):
        evaluate(make_other(tmp_path / "other"), dataset, champion, tmp_path / "two")
    assert not (tmp_path / "two").exists()
    evaluate(model, dataset, champion, tmp_path / "again")


def test_a_worn_set_shows_no_more_figures(
    tmp_path: Path, dataset: Path, sets: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_budget(tmp_path, monkeypatch, looks_per_set=1)
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
