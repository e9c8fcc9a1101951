"""The upgrade drill: a backup of an older voxloop is restored, upgraded and whole; one of a newer voxloop is refused."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from tests.unit.ledger.books import KEY, make_draft
from tests.unit.ledger.revisions import MADE_TOMORROW, TO_YESTERDAY, TOMORROW, become_tomorrow
from tests.unit.local.homes import read_mirrored
from voxloop.cli import run_command
from voxloop.ledger.book import open_ledger
from voxloop.ledger.database import FILE_NAME
from voxloop.ledger.entry import RESTORED, Sealer
from voxloop.local.backup_manifest import digest_files, read_manifest
from voxloop.settings import Settings


def change_ledger(made: Path, statement: str) -> None:
    """Change the tables of a backup and seal it again, as the voxloop would have that made them so."""
    with closing(sqlite3.connect(made / "ledger" / FILE_NAME)) as connection, connection:
        connection.execute(statement)
    sealer = Sealer(KEY)
    manifest = read_manifest(made, sealer)
    manifest.model_copy(update={"files": digest_files(made)}).sealed(sealer).write(made)


def test_a_backup_of_the_migration_before_is_upgraded_and_whole(
    settings: Settings, made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    change_ledger(made, TO_YESTERDAY)
    become_tomorrow(monkeypatch, tmp_path / "migrations")
    assert run_command(["restore", "--from", str(made), "--because", "a drill"]) == 0
    capsys.readouterr()
    assert run_command(["ledger", "verify"]) == 0
    assert "ledger whole: 6 entries" in capsys.readouterr().out
    with closing(sqlite3.connect(settings.ledger / FILE_NAME)) as connection:
        assert connection.execute("SELECT version_num FROM ledger_version").fetchall() == [(TOMORROW,)]
    ledger = open_ledger(settings)
    assert [entry.kind for entry in ledger.read()] == ["judgement"] * 5 + [RESTORED]
    assert ledger.append(make_draft(9)).sequence == 7
    assert read_mirrored(settings.home) == 5


@pytest.mark.parametrize("readable", [True, False])
def test_a_backup_of_a_newer_voxloop_is_refused_and_nothing_is_touched(
    settings: Settings, made: Path, capsys: pytest.CaptureFixture[str], readable: bool
) -> None:
    change_ledger(made, MADE_TOMORROW)
    if not readable:
        change_ledger(made, TO_YESTERDAY)
    assert run_command(["restore", "--from", str(made)]) == 1
    told = capsys.readouterr().err
    assert f"newer version of voxloop (revision {TOMORROW})" in told
    assert "use the newer version" in told
    assert not list(settings.home.glob("*restor*"))
    assert not (settings.home / "ledger").exists()
    assert not (settings.home / "mlflow").exists()
