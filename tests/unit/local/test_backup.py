"""Backups and what is refused; the swap of a restore stopped at each of its renames."""

from __future__ import annotations

import json
import shutil
import socket
import sqlite3
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from pydantic import SecretStr

from tests.conftest import set_home
from tests.unit.ledger.books import KEY, another_tool, make_draft
from tests.unit.local.homes import ARTIFACT, make_home, read_mirrored, write_both
from voxloop.errors import InputError, IntegrityError, RefusedError, VoxloopError
from voxloop.ledger.book import open_ledger
from voxloop.ledger.entry import RESTORED
from voxloop.local.backup import backup
from voxloop.local.restore import restore
from voxloop.settings import Settings


class Killed(BaseException):
    """A kill: nothing of ours may catch it."""


def test_what_was_backed_up_comes_back_and_the_ledger_says_so(settings: Settings, made: Path) -> None:
    restore(source=made, because="the disk died")
    entries = open_ledger(settings).verify()
    assert [entry.kind for entry in entries] == ["judgement"] * 5 + [RESTORED]
    assert (entries[-1].content["because"], entries[-1].content["after"]) == ("the disk died", 5)
    assert read_mirrored(settings.home) == 5
    assert (settings.home / "mlflow" / ARTIFACT).read_text() == '{"artifact": 1}'
    assert (settings.home / "mlflow" / "artifacts" / "0" / "run" / "public.key").is_file()
    assert sorted(path.name for path in settings.home.iterdir()) == ["ledger", "mlflow", "run", "runner.key", "triton"]
    assert open_ledger(settings).append(make_draft(9)).sequence == 7


def test_a_backup_is_its_owners_alone_and_holds_no_key(made: Path) -> None:
    assert {oct(path.stat().st_mode & 0o077) for path in [made, *made.rglob("*")]} == {"0o0"}
    contents = b"".join(path.read_bytes() for path in made.rglob("*") if path.is_file())
    assert KEY not in contents
    assert b"hush" not in contents


@pytest.mark.parametrize(
    ("spoil", "error", "message"),
    [
        (lambda folder: (folder / "mlflow" / ARTIFACT).write_text("{}"), IntegrityError, "_record.json of the backup was changed"),
        (lambda folder: (folder / "mlflow" / ARTIFACT).unlink(), IntegrityError, "_record.json of the backup is missing"),
        (lambda folder: (folder / "mlflow" / "more").write_text(""), IntegrityError, "mlflow/more of the backup was added"),
        (lambda folder: (folder / "more").symlink_to("/"), IntegrityError, "more of the backup was added"),
        (lambda folder: (folder / "ledger" / "head.json").unlink(), IntegrityError, "head.json of the backup is missing"),
        (lambda folder: change_manifest(folder, sequence=4), IntegrityError, "backup.json was changed"),
        (lambda folder: change_manifest(folder, seal="é"), IntegrityError, "backup.json was changed"),
        (lambda folder: change_manifest(folder, sealer="0" * 16), IntegrityError, "sealed with another key"),
        (lambda folder: change_manifest(folder, schema_version=2), InputError, "is no backup"),
        (lambda folder: (folder / "backup.json").unlink(), InputError, "is no backup"),
    ],
)  # fmt: skip
def test_a_changed_backup_is_refused_and_nothing_is_touched(
    settings: Settings, made: Path, spoil: Callable[[Path], object], error: type[VoxloopError], message: str
) -> None:
    spoil(made)
    with pytest.raises(error, match=message):
        restore(source=made)
    assert not (settings.home / "ledger").exists()
    assert not (settings.home / "mlflow").exists()
    assert not (settings.home / "restoring.json").exists()


def change_manifest(folder: Path, **changes: object) -> None:
    path = folder / "backup.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def test_the_key_of_the_platform_is_needed(settings: Settings, made: Path) -> None:
    (settings.home / "runner.key").unlink()
    with pytest.raises(InputError, match=r"no .*runner\.key.*put that platform's"):
        restore(source=made)
    assert not (settings.home / "runner.key").exists(), "a new one would read nothing"
    (settings.home / "runner.key").write_bytes(bytes(32))
    with pytest.raises(IntegrityError, match="sealed with another key"):
        restore(source=made)


def test_what_is_there_is_replaced_only_when_told_and_kept_beside(settings: Settings, tmp_path: Path) -> None:
    ledger = make_home(settings)
    backup(to=tmp_path / "backup")
    write_both(settings, ledger, 6)
    with pytest.raises(RefusedError, match=r"mlflow holds something.*--replace"):
        restore(source=tmp_path / "backup")
    assert len(open_ledger(settings).read()) == 6
    restore(source=tmp_path / "backup", replace=True)
    assert [entry.kind for entry in open_ledger(settings).verify()][5:] == [RESTORED]
    (aside,) = settings.home.glob("replaced-*")
    assert read_mirrored(aside) == 6


def test_a_platform_that_runs_is_not_restored_under(settings: Settings, made: Path) -> None:
    with socket.socket() as server:
        server.bind((settings.host, settings.ports.mlflow))
        server.listen()
        with pytest.raises(RefusedError, match=r"in use.*voxloop down"):
            restore(source=made)


def test_a_ledger_in_postgresql_is_for_its_own_tools(
    settings: Settings, made: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    there = settings.model_copy(update={"ledger_url": SecretStr("postgresql://a:b@c/d")})
    monkeypatch.setattr("voxloop.local.backup.get_settings", lambda: there)
    monkeypatch.setattr("voxloop.local.restore.get_settings", lambda: there)
    with pytest.raises(RefusedError, match="pg_dump"):
        backup(to=tmp_path / "other")
    with pytest.raises(RefusedError, match="pg_dump"):
        restore(source=made)


def test_what_is_broken_is_not_backed_up(settings: Settings, tmp_path: Path) -> None:
    make_home(settings)
    with another_tool(settings.ledger) as file:
        file.execute("DELETE FROM ledger_entry WHERE sequence = 5")
    with pytest.raises(IntegrityError, match="its tail is cut"):
        backup(to=tmp_path / "backup")
    assert not (tmp_path / "backup").exists()


def test_a_broken_registry_and_a_taken_folder_are_refused(settings: Settings, tmp_path: Path) -> None:
    make_home(settings)
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken" / "file").touch()
    with pytest.raises(InputError, match="already holds something"):
        backup(to=tmp_path / "taken")
    with pytest.raises(InputError, match="a backup outlives its home"):
        backup(to=settings.home / "mlflow" / "backup")
    (settings.home / "mlflow" / "accounts.db").write_bytes(b"no database at all")
    with pytest.raises(IntegrityError, match=r"accounts\.db cannot be copied"):
        backup(to=tmp_path / "backup")
    shutil.rmtree(settings.home / "mlflow")
    with pytest.raises(RefusedError, match="has no MLflow"):
        backup(to=tmp_path / "backup")


def test_taken_while_both_are_written_the_registry_is_never_ahead(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What order the copies are taken in: a registry that knows more than the ledger would show a cut tail."""
    ledger = make_home(settings)
    stop = threading.Event()

    def write() -> None:
        number = 6
        while not stop.is_set():
            write_both(settings, ledger, number)
            number += 1

    writer = threading.Thread(target=write)
    writer.start()
    try:
        for round_ in range(settings.trial_count(1000)):
            backup(to=tmp_path / f"{round_}")
    finally:
        stop.set()
        writer.join()
    sequences = []
    for round_ in range(settings.trial_count(1000)):
        there = set_home(monkeypatch, tmp_path / f"home-{round_}")
        there.home.mkdir()
        (there.home / "runner.key").write_bytes(KEY)
        restore(source=tmp_path / f"{round_}")
        entries = open_ledger(there).verify()
        assert read_mirrored(there.home) <= len(entries) - 1
        sequences.append(len(entries))
    assert len(set(sequences)) > 1, "nothing was written meanwhile"


@pytest.mark.parametrize("stop_at", range(4))
def test_stopped_at_any_rename_nobody_takes_half_of_it_and_the_same_command_goes_on(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stop_at: int
) -> None:
    ledger = make_home(settings)
    backup(to=tmp_path / "backup")
    write_both(settings, ledger, 6)
    backup(to=tmp_path / "another")
    rename, count = Path.rename, 0

    def stopped(path: Path, target: Path) -> Path:
        nonlocal count
        if path.name in ("ledger", "mlflow"):
            if count == stop_at:
                raise Killed
            count += 1
        return rename(path, target)

    with monkeypatch.context() as patched:
        patched.setattr(Path, "rename", stopped)
        with pytest.raises(Killed):
            restore(source=tmp_path / "backup", replace=True)
    with pytest.raises(RefusedError, match="begun and not ended"):
        open_ledger(settings)
    with pytest.raises(RefusedError, match=r"another backup.*first: voxloop restore --from .*/backup"):
        restore(source=tmp_path / "another", replace=True)
    restore(source=tmp_path / "backup")
    assert [entry.kind for entry in open_ledger(settings).verify()][5:] == [RESTORED]
    assert read_mirrored(settings.home) == 5
    (aside,) = settings.home.glob("replaced-*")
    assert read_mirrored(aside) == 6
    with sqlite3.connect(aside / "ledger" / "ledger.sqlite") as kept:
        assert kept.execute("SELECT count(*) FROM ledger_entry").fetchone() == (6,)
    kept.close()
