"""Bad input to tune: one line that names the thing and the remedy, exit code 2, nothing trained or half-written."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.contracts.one_line import assert_one_line
from tests.unit.training.tones import tone_rows, write_tones
from voxloop.cli import run_command
from voxloop.settings import get_settings

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def run_voxloop(home: Path, capsys: pytest.CaptureFixture[str]) -> Run:
    """Run the command line in this process, which has imported everything already."""

    def run(*command: str) -> subprocess.CompletedProcess[str]:
        capsys.readouterr()
        code = run_command(command)
        said = capsys.readouterr()
        return subprocess.CompletedProcess(command, code, said.out, said.err)

    return run


@pytest.mark.parametrize(
    ("options", "named"),
    [
        (("--search", "smok"), ("search/emotion/smok", "did you mean 'smoke'")),
        (("--task", "emotoin"), ("no task 'emotoin'",)),
        (("--search", "smoke", "--trials", "0"), ("trials = 0",)),
        (("--search", "smoke", "--study", "../mine"), ("'../mine' is no name of a study", "letters")),
        (("--features", "nowhere.parquet"), ("nowhere.parquet does not exist",)),
        (("--set", "network.hiden=3"), ("'network.hiden'", "did you mean 'network.hidden'")),
        (
            ("--search", "smoke", "--set", "settings.study_database=postgresql://u:hush@h/d"),
            ("study_database is not set this way", "VOXLOOP_STUDY_DATABASE"),
        ),
        (("--search", "small", "--set", "network.time_strides=[1]"), ("channels but",)),
    ],
)
def test_it_is_one_line(tmp_path: Path, run_voxloop: Run, options: tuple[str, ...], named: tuple[str, ...]) -> None:
    dataset = write_tones(tmp_path / "dataset", tone_rows({"train": 1, "dev": 1}))
    done = run_voxloop("tune", str(dataset), str(tmp_path / "out"), "--config", "smoke", *options)
    assert_one_line(done, *named)
    assert "hush" not in done.stderr
    assert not (tmp_path / "out").exists()
    assert not (tmp_path / "home" / "studies").exists()


def test_no_dataset(tmp_path: Path, run_voxloop: Run) -> None:
    done = run_voxloop("tune", str(tmp_path / "nowhere"), str(tmp_path / "out"))
    assert_one_line(done, "nowhere does not exist")


@pytest.mark.parametrize(
    "address", ["sqlite:///hush.db", "postgresql://u:hush@h", "hush hush", "postgresql://u:hush@h:port/d"]
)
def test_no_address_of_a_database_and_its_password_is_not_told(
    tmp_path: Path, run_voxloop: Run, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VOXLOOP_STUDY_DATABASE", address)
    get_settings.cache_clear()
    dataset = write_tones(tmp_path / "dataset", tone_rows({"train": 1, "dev": 1}))
    done = run_voxloop("tune", str(dataset), str(tmp_path / "out"), "--config", "smoke")
    assert_one_line(done, "VOXLOOP_STUDY_DATABASE is no address", "postgresql://user:password@host")
    assert "hush" not in done.stderr + done.stdout
