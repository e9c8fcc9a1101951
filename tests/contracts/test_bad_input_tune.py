"""Bad input to tune: one line that names the thing and the remedy, exit code 2, nothing trained or half-written."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.contracts.one_line import assert_one_line, run_voxloop
from tests.unit.training.tones import tone_rows, write_tones


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
def test_it_is_one_line(tmp_path: Path, options: tuple[str, ...], named: tuple[str, ...]) -> None:
    dataset = write_tones(tmp_path / "dataset", tone_rows({"train": 1, "dev": 1}))
    done = run_voxloop(tmp_path, "tune", str(dataset), str(tmp_path / "out"), "--config", "smoke", *options)
    assert_one_line(done, *named)
    assert "hush" not in done.stderr
    assert not (tmp_path / "out").exists()
    assert not (tmp_path / "home" / "studies").exists()


def test_no_dataset(tmp_path: Path) -> None:
    done = run_voxloop(tmp_path, "tune", str(tmp_path / "nowhere"), str(tmp_path / "out"))
    assert_one_line(done, "nowhere does not exist")


@pytest.mark.parametrize(
    "address", ["sqlite:///hush.db", "postgresql://u:hush@h", "hush hush", "postgresql://u:hush@h:port/d"]
)
def test_no_address_of_a_database_and_its_password_is_not_told(
    tmp_path: Path, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VOXLOOP_STUDY_DATABASE", address)
    dataset = write_tones(tmp_path / "dataset", tone_rows({"train": 1, "dev": 1}))
    done = run_voxloop(tmp_path, "tune", str(dataset), str(tmp_path / "out"), "--config", "smoke")
    assert_one_line(done, "VOXLOOP_STUDY_DATABASE is no address", "postgresql://user:password@host")
    assert "hush" not in done.stderr + done.stdout
