"""The leakage job: what it writes, prints, keeps and refuses."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.data.leak_datasets import leak, make_rows, write_rows
from voxloop.data.leakage_report import read_report
from voxloop.errors import ConfigError, InputError
from voxloop.jobs.evalset import cut
from voxloop.jobs.leakage import leakage
from voxloop.settings import Settings
from voxloop.store.digests import digest_tree
from voxloop.verdict import Verdict

pytestmark = pytest.mark.usefixtures("home")


@pytest.fixture
def dataset(tmp_path: Path) -> Path:
    return write_rows(tmp_path / "dataset", make_rows())


def freeze(dataset: Path, domain: str = "home") -> Path:
    return cut(dataset=dataset, domain=domain, date="2026-11-20")


def test_a_clean_dataset_passes_and_is_not_searched_twice(
    tmp_path: Path, dataset: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert leakage(dataset, tmp_path / "one") == "PASS"
    assert "leakage PASS: 4 training utterances against dev (2), test (4)" in capsys.readouterr().out
    assert leakage(dataset, tmp_path / "two") == "PASS"
    assert "reused" in capsys.readouterr().out
    assert digest_tree(tmp_path / "one") == digest_tree(tmp_path / "two")
    assert sorted(path.name for path in (tmp_path / "one").iterdir()) == [
        "_record.json",
        "leakage.html",
        "leakage.json",
    ]


def test_a_new_evaluation_set_makes_it_search_again(
    tmp_path: Path, dataset: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert leakage(dataset, tmp_path / "one") == "PASS"
    freeze(dataset)
    assert leakage(dataset, tmp_path / "two") == "PASS"
    assert "computed" in capsys.readouterr().out
    assert [side.name for side in read_report(tmp_path / "two").sides] == ["dev", "test", "emotion/home-2026-11-20"]


def test_a_leak_fails_and_names_both_utterances(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    dataset = write_rows(tmp_path / "dataset", [*make_rows(), leak(speaker_id="e1")])
    assert leakage(dataset, tmp_path / "out") == "FAIL"
    lines = capsys.readouterr().out
    assert "blocks    speaker in test: 1 training and 2 evaluation utterances, such as t3-0 and e1-0" in lines


def test_a_frozen_set_of_another_task_is_not_asked(tmp_path: Path, dataset: Path) -> None:
    cut(dataset=dataset, domain="home", date="2026-11-20", task="asr")
    assert leakage(dataset, tmp_path / "out") == "PASS"
    assert len(read_report(tmp_path / "out").sides) == 2


def test_recognition_blocks_a_sentence_where_emotion_reports_it(tmp_path: Path) -> None:
    dataset = write_rows(tmp_path / "dataset", [*make_rows(), leak(text="sentence number 0 of e1")])
    assert leakage(dataset, tmp_path / "emotion") == "PASS"
    assert leakage(dataset, tmp_path / "asr", task="asr") == "FAIL"
    assert leakage(dataset, tmp_path / "personality", task="personality") == "PASS"


def test_a_changed_set_cannot_tell_and_is_not_kept(tmp_path: Path, dataset: Path) -> None:
    shard = freeze(dataset) / "shards" / "part-00000.parquet"
    shard.chmod(0o644)
    shard.write_bytes(shard.read_bytes() + b" ")
    assert leakage(dataset, tmp_path / "out") == "CANNOT_TELL"
    report = read_report(tmp_path / "out")
    assert report.verdict is Verdict.CANNOT_TELL
    assert "was changed in shards/part-00000.parquet" in report.doubts[0]
    assert not list((tmp_path / "home" / "store").rglob("leakage.json"))


def test_a_crash_cannot_tell_and_is_not_kept(tmp_path: Path, dataset: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from voxloop.data import leak_rows

    def crash(_waveform: object) -> None:
        raise MemoryError("no room")

    monkeypatch.setattr(leak_rows, "measure_fingerprint", crash)
    assert leakage(dataset, tmp_path / "out") == "CANNOT_TELL"
    assert "MemoryError: no room" in read_report(tmp_path / "out").doubts[0]
    assert "CANNOT_TELL" in (tmp_path / "out" / "leakage.html").read_text(encoding="utf-8")
    assert not list((tmp_path / "home" / "store").rglob("leakage.json"))
    monkeypatch.undo()
    assert leakage(dataset, tmp_path / "again") == "PASS"


def test_a_dataset_cut_in_half_cannot_tell(tmp_path: Path, dataset: Path) -> None:
    shard = dataset / "shards" / "part-00000.parquet"
    shard.write_bytes(shard.read_bytes()[: shard.stat().st_size // 2])
    assert leakage(dataset, tmp_path / "out") == "CANNOT_TELL"


def test_an_empty_training_split_cannot_tell(tmp_path: Path) -> None:
    dataset = write_rows(tmp_path / "dataset", make_rows({"dev": ("d",), "test": ("e",)}))
    assert leakage(dataset, tmp_path / "out") == "CANNOT_TELL"


def test_sets_may_lie_elsewhere(tmp_path: Path, dataset: Path, settings: Settings) -> None:
    freeze(dataset)
    elsewhere = tmp_path / "elsewhere"
    settings.evaluation_sets.rename(elsewhere)
    assert leakage(dataset, tmp_path / "out", sets=elsewhere) == "PASS"
    assert len(read_report(tmp_path / "out").sides) == 3
    assert leakage(dataset, tmp_path / "without", sets=settings.evaluation_sets) == "PASS"
    assert len(read_report(tmp_path / "without").sides) == 2


def test_sets_that_are_named_must_be_there(tmp_path: Path, dataset: Path) -> None:
    with pytest.raises(InputError, match="no folder of evaluation sets"):
        leakage(dataset, tmp_path / "out", sets=tmp_path / "nowhere")
    assert not (tmp_path / "out").exists()


def test_a_folder_that_is_no_dataset_is_refused(tmp_path: Path) -> None:
    (tmp_path / "dataset").mkdir()
    with pytest.raises(InputError, match="is not a dataset"):
        leakage(tmp_path / "dataset", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_an_occupied_folder_is_refused(tmp_path: Path, dataset: Path) -> None:
    with pytest.raises(InputError, match="already holds something"):
        leakage(dataset, dataset)


def test_an_unknown_task_names_the_choices(tmp_path: Path, dataset: Path) -> None:
    with pytest.raises(ConfigError, match="asr, emotion, personality"):
        leakage(dataset, tmp_path / "out", task="emotions")
