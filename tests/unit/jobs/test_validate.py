"""The validate job: what it writes, prints, keeps and refuses."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.jobs.datasets import make_rows, write_dataset
from voxloop.adapters.validation_suite import read_report
from voxloop.errors import ConfigError, InputError
from voxloop.jobs.validate import validate
from voxloop.store.digests import digest_tree
from voxloop.verdict import Verdict

pytestmark = pytest.mark.usefixtures("home")


@pytest.fixture
def dataset(tmp_path: Path) -> Path:
    return write_dataset(
        tmp_path / "dataset", make_rows({"train": ["a", "b", "c", "d"], "dev": ["e"], "test": ["f", "g"]})
    )


def test_a_sound_dataset_passes_and_is_not_checked_twice(
    tmp_path: Path, dataset: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert validate(dataset, tmp_path / "one") == "PASS"
    assert "data PASS: " in capsys.readouterr().out
    assert validate(dataset, tmp_path / "two") == "PASS"
    assert "reused" in capsys.readouterr().out
    assert digest_tree(tmp_path / "one") == digest_tree(tmp_path / "two")


def test_changed_numbers_change_the_verdict(tmp_path: Path, dataset: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert validate(dataset, tmp_path / "out", overrides=("duration_s.minimum=1.0",)) == "FAIL"
    assert "expect_column_values_to_be_between of duration_s" in capsys.readouterr().out


def test_a_crash_cannot_tell_and_is_not_kept(tmp_path: Path, dataset: Path) -> None:
    shard = dataset / "shards" / "part-00000.parquet"
    whole = shard.read_bytes()
    shard.write_bytes(whole[: len(whole) // 2])
    assert validate(dataset, tmp_path / "out") == "CANNOT_TELL"
    report = read_report(tmp_path / "out")
    assert report.verdict is Verdict.CANNOT_TELL
    assert "ArrowInvalid" in str(report.expectations[0].observed)
    assert not list((tmp_path / "home" / "store").rglob("report.json"))


def test_a_folder_that_is_no_dataset_is_refused(tmp_path: Path) -> None:
    (tmp_path / "dataset").mkdir()
    with pytest.raises(InputError, match="is not a dataset"):
        validate(tmp_path / "dataset", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_an_unknown_task_names_the_choices(tmp_path: Path, dataset: Path) -> None:
    with pytest.raises(ConfigError, match="emotion"):
        validate(dataset, tmp_path / "out", task="emotions")
