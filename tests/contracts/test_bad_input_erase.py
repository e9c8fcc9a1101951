"""Bad input to `erase` and `gc`: one line that names the thing and the remedy, exit code 2, nothing changed."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.contracts.one_line import assert_one_line, run_voxloop


@pytest.mark.parametrize(
    ("command", "named"),
    [
        (["erase"], "--speaker"),
        (["erase", "--speaker", ""], "--speaker ''"),
        (["erase", "--speaker", "nobody"], "no data of a speaker 'nobody'"),
        (["erase", "--speaker", "ann", "--dataset", "NOWHERE"], "NOWHERE"),
        (["erase", "--speaker", "ann", "--dataset", "TEXT.txt"], "TEXT.txt"),
        (["erase", "--speaker", "ann", "--dataset", "EMPTY"], "holds no dataset"),
        (["erase", "--speaker", "ann", "--reason", "ann wrote to us"], "does not name them"),
        (["erase", "--speeker", "ann"], "--speeker"),
        (["gc", "--at", "tomorrow"], "'tomorrow' is no moment"),
        (["gc", "--at", "2999-01-01"], "lies in the future"),
        (["gc", "--set", "night=3"], "did you mean 'nights'"),
        (["gc", "--set", "nights=0"], "nights = 0"),
        (["gc", "--set", "grace_hours=0"], "grace_hours = 0"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_a_command_that_is_wrong(tmp_path: Path, command: list[str], named: str) -> None:
    (tmp_path / "TEXT.txt").write_text("no folder", encoding="utf-8")
    (tmp_path / "EMPTY").mkdir()
    words = [str(tmp_path / word) if word in ("NOWHERE", "TEXT.txt", "EMPTY") else word for word in command]
    assert_one_line(run_voxloop(tmp_path, *words), named)
    home = tmp_path / "home"
    assert not home.exists() or all(path.name.endswith(".lock") for path in home.rglob("*") if path.is_file())
