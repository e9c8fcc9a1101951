"""The validate job: what it writes, prints, keeps and refuses."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.jobs.datasets import make_rows, write_dataset
from voxloop.adapters.validation_report import read_report
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
    said = capsys.readouterr().out
    assert "data PASS: " in said
    assert "compared with nothing: no dataset was accepted before" in said
    assert validate(dataset, tmp_path / "two") == "PASS"
    assert "reused" in capsys.readouterr().out
    assert digest_tree(tmp_path / "one") == digest_tree(tmp_path / "two")
    assert {path.name for path in (tmp_path / "one").iterdir()} == {
        *("report.json", "profile.json", "data_docs", "_record.json"),
    }


def test_it_is_compared_with_the_one_before(tmp_path: Path, dataset: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert validate(dataset, tmp_path / "first") == "PASS"
    assert validate(dataset, tmp_path / "second", previous=tmp_path / "first") == "PASS"
    said = capsys.readouterr().out
    assert "reused" not in said  # another previous is another question
    assert "compared with the 42 rows accepted before" in said


def test_a_previous_that_says_nothing_cannot_tell(tmp_path: Path, dataset: Path) -> None:
    (tmp_path / "previous").mkdir()
    assert validate(dataset, tmp_path / "out", previous=tmp_path / "previous") == "CANNOT_TELL"


def test_a_previous_that_is_not_there_is_refused(tmp_path: Path, dataset: Path) -> None:
    with pytest.raises(InputError, match="nowhere does not exist"):
        validate(dataset, tmp_path / "out", previous=tmp_path / "nowhere")
    assert not (tmp_path / "out").exists()


def test_changed_numbers_change_the_verdict(tmp_path: Path, dataset: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert validate(dataset, tmp_path / "out", overrides=("duration_s.minimum=1.0",)) == "FAIL"
    said = capsys.readouterr().out
    assert "duration_s: it lies within its range, seen such as 0.6, allowed at least 1 and at most 30" in said
    assert "42 rows break it: a-anger-0, " in said


def test_the_clock_is_an_argument(tmp_path: Path, dataset: Path, capsys: pytest.CaptureFixture[str]) -> None:
    at = ("recorded_at.at=2024-06-01T00:00:00Z",)
    assert validate(dataset, tmp_path / "out", overrides=at) == "FAIL"
    assert "recorded_at: it can have been then, seen such as 'after 2024-06-01" in capsys.readouterr().out


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


@pytest.mark.parametrize(
    ("overrides", "named"),
    [
        (("duration_s.minimum=40",), "minimum is above the maximum"),
        (("recorded_at.at=2024-06-01T00:00:00",), "zone"),
        (("learnt=speaker",), "at least two"),
        (("maximum_missing.text=2",), "a share lies in"),
        (("traits={Essays: {minimum: 0, maximum: 1}}",), "bounds for"),
        (("duration.minimum=1",), "duration_s.minimum"),
    ],
    ids=["range", "clock", "learnt", "share", "traits", "key"],
)
def test_numbers_that_make_no_sense_are_refused(
    tmp_path: Path, dataset: Path, overrides: tuple[str, ...], named: str
) -> None:
    with pytest.raises(ConfigError, match=named):
        validate(dataset, tmp_path / "out", overrides=overrides)
    assert not (tmp_path / "out").exists()


def test_an_unknown_task_names_the_choices(tmp_path: Path, dataset: Path) -> None:
    with pytest.raises(ConfigError, match="emotion"):
        validate(dataset, tmp_path / "out", task="emotions")


def test_a_relative_folder_is_as_good_as_an_absolute_one(
    tmp_path: Path, dataset: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert validate(dataset, Path("reports/tonight")) == "PASS"
    assert (tmp_path / "reports" / "tonight" / "data_docs" / "index.html").is_file()


def test_what_accept_turned_down_is_nothing_to_compare_with(tmp_path: Path, dataset: Path) -> None:
    validate(dataset, tmp_path / "accepted" / "data_report")
    for verdict in ("CANNOT_TELL", "FAIL", "PASS"):
        (tmp_path / "accepted" / "acceptance.json").write_text(f'{{"verdict": "{verdict}"}}')
        expected = "PASS" if verdict == "PASS" else "CANNOT_TELL"
        assert validate(dataset, tmp_path / verdict, previous=tmp_path / "accepted") == expected
