"""The evalset commands: cut, list, verify."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.data.leak_datasets import leak, make_rows, write_rows
from voxloop.cli import run_command
from voxloop.settings import Settings

DAY = "2026-11-20"


@pytest.fixture
def dataset(tmp_path: Path, settings: Settings) -> Path:
    return write_rows(tmp_path / "dataset", make_rows())


def cut(dataset: Path, *more: str) -> int:
    return run_command(["evalset", "cut", "--from", str(dataset), "--domain", "home", "--date", DAY, *more])


def test_a_set_is_cut_and_said(dataset: Path, settings: Settings, capsys: pytest.CaptureFixture[str]) -> None:
    assert cut(dataset, "--task", "emotion", "--by", "speaker", "--split", "test") == 0
    assert "evaluation set emotion/home-2026-11-20: 4 utterances of 2 speakers" in capsys.readouterr().out
    assert (settings.evaluation_sets / "emotion" / "home-2026-11-20" / "evaluation_set.json").is_file()
    assert cut(dataset) == 0


def test_a_development_set_says_that_its_looks_are_free(dataset: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cut(dataset, "--split", "dev") == 0
    assert "home-2026-11-20-dev: 2 utterances of 1 speakers from by hand, looks free" in capsys.readouterr().out


def test_a_speaker_known_to_training_is_refused_with_exit_code_3(
    tmp_path: Path, settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    dataset = write_rows(tmp_path / "dataset", [*make_rows(), leak(speaker_id="e1")])
    assert cut(dataset) == 3
    error = capsys.readouterr().err
    assert len(error.strip().splitlines()) == 1
    assert "speaker 'e1'" in error
    assert not (settings.evaluation_sets / "emotion").exists()


def test_data_trained_on_before_are_asked_too(
    tmp_path: Path, dataset: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = write_rows(tmp_path / "before", [leak(speaker_id="e2")])
    assert cut(dataset, "--trained", str(before)) == 3
    assert "speaker 'e2'" in capsys.readouterr().err


def test_other_content_of_that_name_is_refused_with_exit_code_3(tmp_path: Path, dataset: Path) -> None:
    assert cut(dataset) == 0
    assert cut(write_rows(tmp_path / "other", make_rows({"train": ("t1",), "test": ("e1",)}))) == 3


def test_the_sets_are_listed(dataset: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command(["evalset", "list"]) == 0
    assert "there is no evaluation set" in capsys.readouterr().out
    cut(dataset)
    cut(dataset, "--split", "dev")
    capsys.readouterr()
    assert run_command(["evalset", "list", "--task", "emotion"]) == 0
    first, second = capsys.readouterr().out.splitlines()
    assert first.startswith("emotion/home-2026-11-20: 4 utterances of 2 speakers")
    assert second.startswith("emotion/home-2026-11-20-dev: 2 utterances of 1 speakers")
    assert run_command(["evalset", "list", "--task", "asr"]) == 0


def test_verify_tells_the_changed_set_from_the_whole_one_with_exit_code_4(
    dataset: Path, settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_command(["evalset", "verify"]) == 0
    cut(dataset)
    cut(dataset, "--split", "dev")
    assert run_command(["evalset", "verify"]) == 0
    assert "2 evaluation sets, all as they were frozen" in capsys.readouterr().out
    shard = settings.evaluation_sets / "emotion" / "home-2026-11-20" / "shards" / "part-00000.parquet"
    content = bytearray(shard.read_bytes())
    content[len(content) // 2] ^= 1
    shard.chmod(0o644)
    shard.write_bytes(content)
    assert run_command(["evalset", "verify"]) == 4
    said = capsys.readouterr()
    assert "changed  emotion/home-2026-11-20\n" in said.out
    assert "whole    emotion/home-2026-11-20-dev" in said.out
    assert "shards/part-00000.parquet" in said.err


def test_an_unknown_task_names_the_choices(settings: Settings, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command(["evalset", "list", "--task", "emotions"]) == 2
    assert "asr, emotion, personality" in capsys.readouterr().err
