"""The suites: what passes, what a fault does to verdict and report, and what is compared with what was accepted last."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.unit.jobs.datasets import make_older, make_rows, write_dataset
from voxloop.adapters.expectation_run import ExpectationRun
from voxloop.adapters.great_expectations import judge_dataset, validate_dataset
from voxloop.adapters.validation_previous import read_previous
from voxloop.adapters.validation_report import ValidationReport, read_report, report_crash
from voxloop.adapters.validation_suite import SuiteConfig
from voxloop.config import find_config, load_config
from voxloop.data.manifest import SplitCount, load_manifest, write_manifest
from voxloop.data.profile import read_profile, write_profile
from voxloop.data.schema import TRAITS
from voxloop.store.digests import digest_tree
from voxloop.tasks.emotion import LABELS
from voxloop.verdict import Verdict

CONFIG = load_config(SuiteConfig, find_config("validation", "emotion"))
SPEAKERS = {"train": ["a", "b", "c", "d", "h"], "dev": ["e"], "test": ["f", "g"]}
ROWS = make_rows(SPEAKERS)
SHARD = Path("shards") / "part-00000.parquet"


def check(
    folder: Path, rows: list[dict[str, Any]], config: SuiteConfig = CONFIG, previous: Path | None = None
) -> ValidationReport:
    """Return the report without building its data docs, which takes as long as the checks."""
    dataset = write_dataset(folder / "dataset", rows)
    report, _ = judge_dataset(dataset, config, ExpectationRun("emotion", config.failing_rows), read_previous(previous))
    return report


def objections(report: ValidationReport) -> list[tuple[str, str | None, str]]:
    return [(one.check, one.column, str(one.verdict)) for one in report.expectations if one.verdict is not Verdict.PASS]


def changed(index: int, **values: Any) -> list[dict[str, Any]]:
    return [{**row, **values} if place == index else row for place, row in enumerate(ROWS)]


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a validation that passed."""
    folder = tmp_path_factory.mktemp("sound")
    (folder / "out").mkdir()
    dataset = write_dataset(folder / "dataset", ROWS)
    assert objections(validate_dataset(dataset, CONFIG, "emotion", folder / "out")) == []
    return folder


def test_labels_are_those_of_the_task() -> None:
    assert CONFIG.labels["emotion"] == LABELS


@pytest.mark.parametrize("task", ["asr", "emotion", "personality"])
def test_every_task_has_a_suite(task: str) -> None:
    config = load_config(SuiteConfig, find_config("validation", task))
    assert (config.sound == "optional") == (task == "personality")


def test_the_report_is_written_and_read_back(sound: Path) -> None:
    report = read_report(sound / "out")
    assert (report.verdict, report.row_count) == (Verdict.PASS, len(ROWS))
    assert report.compared_with == "nothing: no dataset was accepted before"
    assert len(report.expectations) > 60
    assert all(one.success for one in report.expectations)
    assert read_profile(sound / "out").utterances == len(ROWS)
    assert report.lines()[0].startswith("data PASS: ")


def test_the_data_docs_stand_alone(sound: Path) -> None:
    docs = sound / "out" / "data_docs"
    pages = {page.relative_to(docs).parts[0] for page in docs.rglob("*.html")}
    assert pages == {"index.html", "expectations", "validations"}
    assert {page.name for page in docs.glob("expectations/*.html")} == {
        f"emotion-{about}.html" for about in ("shards", "utterances", "dataset")
    }
    assert (docs / "static" / "images" / "logo-long.png").is_file()
    assert not any("logo-long.png?d=" in page.read_text() for page in docs.rglob("*.html"))


def test_the_same_data_gives_the_same_bytes(sound: Path, tmp_path: Path) -> None:
    (tmp_path / "again").mkdir()
    validate_dataset(sound / "dataset", CONFIG, "emotion", tmp_path / "again")
    assert digest_tree(tmp_path / "again") == digest_tree(sound / "out")


@pytest.mark.parametrize(
    ("rows", "said", "column", "named"),
    [
        (lambda: changed(3, emotion="boredom"), "one of the known labels", "emotion", 1),
        (lambda: changed(3, duration_s=0.7), "num_samples / sample_rate", "duration_s", 1),
        (lambda: changed(3, utterance_id=ROWS[4]["utterance_id"]), "no two rows share it", "utterance_id", 2),
        (
            lambda: [{**row, "text": None} if row["speaker_id"] == "f" else row for row in ROWS],
            "5% of the rows are without it",
            "text",
            6,
        ),
        (lambda: changed(3, split="dev"), "most rows of the same speaker_id say", "split", 1),
        (lambda: changed(3, language=None, gender="male", age=30), "", None, 0),
    ],
    ids=["label", "samples", "id twice", "no texts", "speaker leak", "sound"],
)
def test_a_fault_fails_by_its_own_rule(
    tmp_path: Path, rows: Callable[[], list[dict[str, Any]]], said: str, column: str | None, named: int
) -> None:
    report = check(tmp_path, rows())
    found = [one for one in report.expectations if one.verdict is not Verdict.PASS]
    assert bool(found) == bool(named)
    assert report.verdict is (Verdict.FAIL if named else Verdict.PASS)
    for one in found[:1]:
        assert said in one.check
        assert (one.column, one.unexpected, len(one.rows)) == (column, named, named)
        assert one.rows[0] in one.line()


def test_a_row_without_an_id_is_named_by_its_place(tmp_path: Path) -> None:
    dataset = write_dataset(tmp_path / "dataset", ROWS)
    table = pq.read_table(dataset / SHARD)
    ids = table["utterance_id"].to_pylist()
    rows = [{**row, "utterance_id": None if number == 17 else ids[number]} for number, row in enumerate(ROWS)]
    pq.write_table(table.from_pylist(rows, schema=_nullable(table.schema)), dataset / SHARD)
    (tmp_path / "out").mkdir()
    report = validate_dataset(dataset, CONFIG, "emotion", tmp_path / "out")
    found = next(one for one in report.expectations if one.column == "utterance_id" and not one.success)
    assert (found.check, found.rows) == ("no row is without it", (f"row 17 of {SHARD}",))


def test_only_the_first_failing_rows_are_named_and_all_are_counted(tmp_path: Path) -> None:
    config = load_config(SuiteConfig, find_config("validation", "emotion"), ("failing_rows=3", "duration_s.minimum=1"))
    report = check(tmp_path, ROWS, config)
    (found,) = [one for one in report.expectations if one.verdict is not Verdict.PASS]
    assert (found.unexpected, len(found.rows)) == (len(ROWS), 3)
    assert found.line().endswith(", …")


def test_a_few_missing_labels_are_borne(tmp_path: Path) -> None:
    assert check(tmp_path, changed(3, emotion=None, text=None)).verdict is Verdict.PASS


def test_an_empty_dataset_cannot_tell(tmp_path: Path) -> None:
    report = check(tmp_path, [])
    assert (report.verdict, report.row_count) == (Verdict.CANNOT_TELL, 0)


@pytest.mark.parametrize("split", ["train", "dev", "test"])
def test_an_empty_split_cannot_tell(tmp_path: Path, split: str) -> None:
    report = check(tmp_path, [row for row in make_rows(SPEAKERS, repeats=2) if row["split"] != split])
    assert objections(report) == [(f"there are enough rows of {split}", "split", "CANNOT_TELL")]


def test_a_column_that_is_not_there_is_named_and_nothing_else_is_asked_of_it(tmp_path: Path) -> None:
    dataset = write_dataset(tmp_path / "dataset", ROWS)
    pq.write_table(pq.read_table(dataset / SHARD).drop_columns(["text"]), dataset / SHARD)
    (tmp_path / "out").mkdir()
    report = validate_dataset(dataset, CONFIG, "emotion", tmp_path / "out")
    assert report.verdict is Verdict.FAIL
    assert objections(report) == [
        ("every shard is the file the manifest has the digest of", None, "FAIL"),
        ("every shard has it with the promised type", "text", "FAIL"),
        ("what else is asked of it", "text", "CANNOT_TELL"),
    ]
    typed = next(one for one in report.expectations if one.column == "text" and one.success is False)
    assert typed.rows == (str(SHARD),)


@pytest.mark.parametrize("shards", ["all", "some"])
def test_a_dataset_from_before_a_column_passes_beside_a_profile_of_any_age(
    sound: Path, tmp_path: Path, shards: str
) -> None:
    new = [row for row in ROWS if shards == "some" and row["speaker_id"] == "a"]
    dataset = make_older(write_dataset(tmp_path / "dataset", [row for row in ROWS if row not in new]))
    if new:
        add_shard(dataset, write_dataset(tmp_path / "more", [{**row, "device": "phone"} for row in new]))
    missing = read_profile(sound / "out").missing
    accept(sound, tmp_path / "before", missing={name: share for name, share in missing.items() if name != "device"})
    for previous in (sound / "out", tmp_path / "before"):
        run = ExpectationRun("emotion", CONFIG.failing_rows)
        report, profile = judge_dataset(dataset, CONFIG, run, read_previous(previous))
        assert objections(report) == []
        assert profile.missing["device"] == (1 - len(new) / len(ROWS))


def add_shard(dataset: Path, more: Path) -> None:
    """Move the shard of one dataset, of `write_dataset` as the other is, behind those of another."""
    whole, extra = load_manifest(dataset), load_manifest(more)
    (entry,) = extra.shards
    (more / entry.path).rename(dataset / "shards" / "more.parquet")
    splits = {
        name: SplitCount(
            utterances=count.utterances + extra.splits[name].utterances,
            speakers=count.speakers + extra.splits[name].speakers,
        )
        for name, count in whole.splits.items()
    }
    added = {
        "shards": (*whole.shards, entry.model_copy(update={"path": "shards/more.parquet"})),
        "utterances": whole.utterances + extra.utterances,
        "speakers": whole.speakers + extra.speakers,
        "hours": whole.hours + extra.hours,
        "splits": splits,
    }
    write_manifest(whole.model_copy(update=added), dataset)


def test_a_device_of_another_type_fails(tmp_path: Path) -> None:
    dataset = write_dataset(tmp_path / "dataset", ROWS)
    table = pq.read_table(dataset / SHARD)
    numbers = pa.array(range(table.num_rows))
    pq.write_table(table.set_column(table.column_names.index("device"), "device", numbers), dataset / SHARD)
    report, _ = judge_dataset(dataset, CONFIG, ExpectationRun("emotion", CONFIG.failing_rows), read_previous(None))
    assert objections(report)[1:] == [
        ("no shard has it with another type", "device", "FAIL"),
        ("what else is asked of it", "device", "CANNOT_TELL"),
    ]


def test_words_alone_are_for_personality(tmp_path: Path) -> None:
    silent = dict.fromkeys(("audio", "sample_rate", "num_samples", "duration_s", "loudness_dbfs"))
    rows = make_word_rows(silent)
    dataset = write_words(tmp_path / "dataset", rows)
    verdicts = {}
    for task in ("personality", "emotion"):
        (tmp_path / task).mkdir()
        config = load_config(SuiteConfig, find_config("validation", task))
        verdicts[task] = validate_dataset(dataset, config, task, tmp_path / task)
    assert objections(verdicts["personality"]) == []
    assert {column for _, column, _ in objections(verdicts["emotion"])} >= {"audio", "duration_s", "sample_rate"}


def make_word_rows(silent: dict[str, Any]) -> list[dict[str, Any]]:
    from voxloop.store.digests import digest_bytes

    texts = [f"an essay of row {number}" for number in range(len(ROWS))]
    traits = dict.fromkeys(TRAITS, 0.5)
    return [
        {**row, **silent, **traits, "text": text, "sha256": digest_bytes(text.encode())}
        for row, text in zip(ROWS, texts, strict=True)
    ]


def write_words(folder: Path, rows: list[dict[str, Any]]) -> Path:
    """Write rows of words alone, where the hand-made writer wants seconds to add up."""
    from tests.faults.corruption import Planted, write_corrupted

    source = write_dataset(folder.with_name("source"), ROWS)
    return write_corrupted(Planted(rows), source, folder)


# --- Beside the dataset accepted last -------------------------------------------------------------------------------


def test_the_same_again_passes_beside_itself(sound: Path, tmp_path: Path) -> None:
    report = check(tmp_path, ROWS, previous=sound / "out")
    assert objections(report) == []
    assert report.compared_with.startswith(f"the {len(ROWS)} rows accepted before, profile ")


def test_what_differs_is_told_with_what_was_seen_and_what_is_allowed(sound: Path, tmp_path: Path) -> None:
    profile = read_profile(sound / "out")
    softer = tuple(level - 20.0 for level in profile.quantiles["loudness_dbfs"])
    accept(sound, tmp_path / "before", quantiles={**profile.quantiles, "loudness_dbfs": softer})
    report = check(tmp_path, ROWS, previous=tmp_path / "before")
    (found,) = [one for one in report.expectations if one.verdict is not Verdict.PASS]
    assert (found.check, found.column, found.verdict) == (
        "its quantiles are like those before",
        "loudness_dbfs",
        Verdict.FAIL,
    )
    assert ", seen -20.0006 " in found.line()
    assert ", allowed -48.0006..-32.0006 " in found.line()


def test_a_dataset_that_has_shrunk_fails(sound: Path, tmp_path: Path) -> None:
    accept(sound, tmp_path / "before", utterances=1000)
    report = check(tmp_path, ROWS, previous=tmp_path / "before")
    assert objections(report) == [("at least 50% of the 1000 rows before", None, "FAIL")]


def test_new_speakers_may_all_be_of_one_split(sound: Path, tmp_path: Path) -> None:
    labels = read_profile(sound / "out").labels
    accept(sound, tmp_path / "before", labels={**labels, "split": {"train": 2, "dev": 20, "test": 26}})
    assert objections(check(tmp_path, ROWS, previous=tmp_path / "before")) == []


def accept(sound: Path, folder: Path, **changes: Any) -> None:
    """Write the report of a dataset that was accepted, with a profile that differs in some way."""
    read_report(sound / "out").write(folder)
    write_profile(read_profile(sound / "out").model_copy(update=changes), folder)


@pytest.mark.parametrize("where", ["report", "data_report", "champion"])
def test_previous_is_a_report_or_what_the_champion_brought(sound: Path, tmp_path: Path, where: str) -> None:
    folder = tmp_path / "previous"
    accept(sound, folder if where == "report" else folder / "data_report")
    if where == "champion":
        (folder / "champion.json").write_text('{"version": 3, "model_digest": "0f", "ever": true}')
    assert objections(check(tmp_path, ROWS, previous=folder)) == []


def test_without_any_champion_ever_the_dataset_is_the_first(tmp_path: Path) -> None:
    (tmp_path / "champion.json").write_text('{"version": null, "model_digest": null, "ever": false}')
    report = check(tmp_path, ROWS, previous=tmp_path)
    assert (report.verdict, report.compared_with) == (Verdict.PASS, "nothing: no dataset was accepted before")


def _nothing(_sound: Path, _folder: Path) -> None:
    pass


def _lost_champion(_sound: Path, folder: Path) -> None:
    (folder / "champion.json").write_text('{"version": null, "ever": true}')


def _champion_without_profile(sound: Path, folder: Path) -> None:
    (folder / "champion.json").write_text('{"version": 3, "ever": true}')
    read_report(sound / "out").write(folder / "data_report")


def _broken_champion(_sound: Path, folder: Path) -> None:
    (folder / "champion.json").write_text('["version"]')


def _rejected(sound: Path, folder: Path) -> None:
    accept(sound, folder)
    report = json.loads((folder / "report.json").read_text())
    (folder / "report.json").write_text(json.dumps({**report, "verdict": "FAIL"}))


def _torn(sound: Path, folder: Path) -> None:
    accept(sound, folder)
    (folder / "profile.json").write_bytes((folder / "profile.json").read_bytes()[:100])


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (_nothing, "no report"),
        (_lost_champion, "there was a champion once"),
        (_champion_without_profile, "profile.json"),
        (_broken_champion, "champion.json"),
        (_rejected, "says FAIL"),
        (_torn, "profile.json"),
    ],
    ids=lambda one: getattr(one, "__name__", None),
)
def test_a_previous_that_cannot_be_compared_with_cannot_tell(
    sound: Path, tmp_path: Path, spoil: Callable[[Path, Path], None], told: str
) -> None:
    (tmp_path / "previous").mkdir()
    spoil(sound, tmp_path / "previous")
    report = check(tmp_path, ROWS, previous=tmp_path / "previous")
    assert report.verdict is Verdict.CANNOT_TELL
    (found,) = [one for one in report.expectations if one.verdict is not Verdict.PASS]
    assert told in str(found.observed)
    assert str(tmp_path) not in report.model_dump_json()  # a report is a function of what it was given, not of where


def test_a_crash_cannot_tell() -> None:
    report = report_crash(ZeroDivisionError("by\nzero"))
    assert (report.verdict, report.row_count) == (Verdict.CANNOT_TELL, None)
    assert "ZeroDivisionError: by zero" in report.lines()[-1]


def _nullable(schema: Any) -> Any:
    import pyarrow as pa

    return pa.schema([field.with_nullable(nullable=True) for field in schema])
