"""The emotion suite: what passes, and what each fault in a dataset does to the verdict."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.unit.jobs.datasets import make_rows, write_dataset
from voxloop.adapters.great_expectations import validate_dataset
from voxloop.adapters.validation_suite import SuiteConfig, ValidationReport, read_report
from voxloop.config import find_config, load_config
from voxloop.store.digests import digest_tree
from voxloop.tasks.emotion import LABELS
from voxloop.verdict import Verdict

CONFIG = load_config(SuiteConfig, find_config("validation", "emotion"))
SPEAKERS = {"train": ["a", "b", "c", "d", "h"], "dev": ["e"], "test": ["f", "g"]}
ROWS = make_rows(SPEAKERS)


def check(folder: Path, rows: list[dict[str, Any]], config: SuiteConfig = CONFIG) -> ValidationReport:
    dataset = write_dataset(folder / "dataset", rows)
    (folder / "out").mkdir()
    return validate_dataset(dataset, config, "emotion", folder / "out")


def objections(report: ValidationReport) -> list[tuple[str, str | None, str]]:
    return [(one.name, one.column, str(one.verdict)) for one in report.expectations if one.verdict is not Verdict.PASS]


def changed(index: int, **values: Any) -> list[dict[str, Any]]:
    return [{**row, **values} if place == index else row for place, row in enumerate(ROWS)]


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a validation that passed."""
    folder = tmp_path_factory.mktemp("sound")
    assert check(folder, ROWS).verdict is Verdict.PASS
    return folder


def test_labels_are_those_of_the_task() -> None:
    assert CONFIG.labels == LABELS


def test_the_report_is_written_and_read_back(sound: Path) -> None:
    report = read_report(sound / "out")
    assert (report.verdict, report.row_count) == (Verdict.PASS, len(ROWS))
    assert len(report.expectations) > 20
    assert all(one.success for one in report.expectations)


def test_the_data_docs_stand_alone(sound: Path) -> None:
    docs = sound / "out" / "data_docs"
    pages = {page.relative_to(docs).parts[0] for page in docs.rglob("*.html")}
    assert pages == {"index.html", "expectations", "validations"}
    assert (docs / "static" / "images" / "logo-long.png").is_file()
    assert not any("logo-long.png?d=" in page.read_text() for page in docs.rglob("*.html"))


def test_the_same_data_gives_the_same_bytes(sound: Path, tmp_path: Path) -> None:
    (tmp_path / "again").mkdir()
    validate_dataset(sound / "dataset", CONFIG, "emotion", tmp_path / "again")
    assert digest_tree(tmp_path / "again") == digest_tree(sound / "out")


def _resample(row: dict[str, Any]) -> dict[str, Any]:
    return {**row, "sample_rate": 8_000, "num_samples": row["num_samples"] // 2}


BETWEEN, IN_SET, NOT_NULL, UNIQUE = (
    f"expect_column_values_to_{rule}" for rule in ("be_between", "be_in_set", "not_be_null", "be_unique")
)


@pytest.mark.parametrize(
    ("rows", "rule", "column"),
    [
        (lambda: changed(3, emotion="boredom"), IN_SET, "emotion"),
        (lambda: changed(3, duration_s=31.0, num_samples=496_000), BETWEEN, "duration_s"),
        (lambda: changed(3, duration_s=0.7), BETWEEN, "duration_error_s"),
        (lambda: [_resample(ROWS[0]), *ROWS[1:]], IN_SET, "sample_rate"),
        (lambda: changed(3, utterance_id=ROWS[4]["utterance_id"]), UNIQUE, "utterance_id"),
        (lambda: changed(3, sha256=ROWS[-1]["sha256"]), UNIQUE, "sha256"),
        (lambda: changed(3, split="dev"), BETWEEN, "splits_of_speaker"),
        (lambda: [{**row, "emotion": None} if row["speaker_id"] == "a" else row for row in ROWS], NOT_NULL, "emotion"),
        (lambda: [{**row, "text": None} if row["speaker_id"] == "f" else row for row in ROWS], NOT_NULL, "text"),
    ],
    ids=["label", "duration", "samples", "rate", "id twice", "audio twice", "speaker leak", "no labels", "no texts"],
)
def test_a_fault_fails_by_its_own_rule(
    tmp_path: Path, rows: Callable[[], list[dict[str, Any]]], rule: str, column: str
) -> None:
    report = check(tmp_path, rows())
    assert report.verdict is Verdict.FAIL
    assert objections(report) == [(rule, column, "FAIL")]
    found = next(one for one in report.expectations if one.verdict is Verdict.FAIL)
    assert found.unexpected
    assert rule in "\n".join(report.lines())


def test_a_few_missing_labels_are_borne(tmp_path: Path) -> None:
    assert check(tmp_path, changed(3, emotion=None, text=None)).verdict is Verdict.PASS


def test_an_empty_dataset_cannot_tell(tmp_path: Path) -> None:
    report = check(tmp_path, [])
    assert (report.verdict, report.row_count) == (Verdict.CANNOT_TELL, 0)


@pytest.mark.parametrize("split", ["train", "dev", "test"])
def test_an_empty_split_cannot_tell(tmp_path: Path, split: str) -> None:
    report = check(tmp_path, [row for row in make_rows(SPEAKERS, repeats=2) if row["split"] != split])
    assert report.verdict is Verdict.CANNOT_TELL
    assert [
        (found.observed, found.name.endswith(f"split is {split}")) for found in report.expectations if not found.success
    ] == [("0", True)]


def test_a_column_that_is_not_there_fails(tmp_path: Path) -> None:
    import pyarrow.parquet as pq

    dataset = write_dataset(tmp_path / "dataset", ROWS)
    shard = dataset / "shards" / "part-00000.parquet"
    pq.write_table(pq.read_table(shard).drop_columns(["text"]), shard)
    (tmp_path / "out").mkdir()
    report = validate_dataset(dataset, CONFIG, "emotion", tmp_path / "out")
    assert report.verdict is Verdict.FAIL
    assert objections(report) == [
        ("expect_table_columns_to_match_set", None, "FAIL"),
        ("expect_column_values_to_not_be_null", "text", "CANNOT_TELL"),
    ]


def test_fewer_rows_than_the_manifest_promises_fail(tmp_path: Path) -> None:
    import pyarrow.parquet as pq

    dataset = write_dataset(tmp_path / "dataset", make_rows(SPEAKERS, repeats=2))
    shard = dataset / "shards" / "part-00000.parquet"
    pq.write_table(pq.read_table(shard).slice(1), shard)
    (tmp_path / "out").mkdir()
    report = validate_dataset(dataset, CONFIG, "emotion", tmp_path / "out")
    assert objections(report) == [("expect_table_row_count_to_equal", None, "FAIL")]
