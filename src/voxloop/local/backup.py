"""`voxloop backup`: ledger and MLflow as one, taken while they run.

**The order is the point.** A registry whose copy of the ledger's head is newer than the ledger would look like a ledger
with a cut tail, so MLflow's databases are copied first and the ledger after them. A ledger that knows a champion which
the registry lacks could not be served, so no promotion comes in between: its lock is held. Artifacts come last:
they are written before what names them, so all that the databases know is there; what is there beside it harms nobody.
"""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path

from voxloop.errors import InputError, IntegrityError, RefusedError
from voxloop.ledger.book import Ledger, open_ledger
from voxloop.ledger.database import FILE_NAME, open_database
from voxloop.ledger.entry import Entry, Sealer
from voxloop.ledger.head import START, Head, write_head
from voxloop.local.backup_manifest import Manifest, digest_files
from voxloop.settings import Settings, get_settings, now
from voxloop.store.atomic import build_folder
from voxloop.store.lock import hold_lock
from voxloop.store.runner_key import read_runner_key

LEDGER, MLFLOW = "ledger", "mlflow"
"""Folders of a backup, named as in the home."""
SECRETS = (".password", ".key")
"""Endings of what stays where it is: whoever has a backup and the keys could write the ledger again."""
OF_A_MOMENT = ("-wal", "-shm", "-journal")
BUSY_SECONDS = 60.0


def backup(*, to: Path) -> None:
    """Copy ledger and MLflow (databases, accounts, artifacts) to a new folder, whole or not at all.

    The platform may run; a promotion waits meanwhile. Keys are not in it: keep `runner.key` and `signing.key` of the
    home elsewhere. What Triton serves is made again from the registry by `voxloop reconcile`. Killed, it leaves no
    folder of that name, and is run again.

    Args:
        to: A folder that does not exist yet, or is empty.

    Raises:
        InputError: It holds something, or lies in the home.
        IntegrityError: The ledger is not whole: what is broken is not backed up as if it were not.
        RefusedError: The ledger lies in PostgreSQL, or there is no MLflow to be backed up.
    """
    settings = get_settings()
    require_files_alone(settings)
    if not (settings.home / MLFLOW).is_dir():
        raise RefusedError(
            f"{settings.home} has no MLflow", rule="both are backed up as one", remedy="see VOXLOOP_HOME"
        )
    if to.absolute().is_relative_to(settings.home):
        raise InputError(f"{to} lies in {settings.home}", rule="a backup outlives its home", remedy="another disk")
    manifest = make_backup(settings, to.absolute())
    print(
        f"{to}: {len(manifest.files)} files, the ledger up to entry {manifest.sequence}, of {manifest.at}", flush=True
    )
    print("runner.key and signing.key are not in it: keep them elsewhere, it is of no use without them", flush=True)


def require_files_alone(settings: Settings) -> None:
    """Raise `RefusedError` where the ledger is not a file of this machine."""
    if settings.ledger_url is not None:
        raise RefusedError(
            "the ledger lies in PostgreSQL",
            rule="a server's database is backed up by the server's own tools",
            remedy="pg_dump and pg_restore, and MLflow's folder beside it: docs/runbooks/restore.md",
        )


def make_backup(settings: Settings, out: Path) -> Manifest:
    """Write a backup; see `backup`."""
    moment, sealer = now(), Sealer(read_runner_key(settings.runner_key_file))
    with build_folder(out) as folder:
        with hold_lock(settings.home / "triton" / "deploy.lock"):
            copy_databases(settings.home / MLFLOW, folder / MLFLOW)
            entries = copy_ledger(settings, folder / LEDGER, sealer)
        copy_files(settings.home / MLFLOW, folder / MLFLOW)
        tip = tip_of(entries)
        at = moment.isoformat(timespec="seconds")
        manifest = Manifest(at=at, sequence=tip.sequence, digest=tip.digest, files=digest_files(folder)).sealed(sealer)
        manifest.write(folder)
        close_tree(folder)
    return manifest


def close_tree(folder: Path) -> None:
    """Let nobody but the owner read a folder and what is below it."""
    for path in [folder, *folder.rglob("*")]:
        path.chmod(0o700 if path.is_dir() else 0o600)


def copy_ledger(settings: Settings, folder: Path, sealer: Sealer) -> list[Entry]:
    """Copy the ledger as it is at one moment, with a head of its own, and return its entries.

    Raises:
        IntegrityError: It is not whole.
    """
    before = tip_of(open_ledger(settings).read())  # held against the head that was kept: a cut tail is seen here
    folder.mkdir(mode=0o700)
    if before == START:
        return []
    copy_database(settings.ledger / FILE_NAME, folder / FILE_NAME)
    write_head(folder / "head.json", before, sealer)
    entries = open_copy(folder, sealer).verify()
    (folder / "lock").unlink(missing_ok=True)
    if tip_of(entries).sequence < before.sequence:
        raise IntegrityError("the ledger became shorter while it was copied", rule="it only grows")
    return entries


def open_copy(folder: Path, sealer: Sealer) -> Ledger:
    """Return the ledger that lies in a folder of a backup."""
    return Ledger(open_database(folder, None), folder / "head.json", sealer)


def tip_of(entries: list[Entry]) -> Head:
    """Return the end of a ledger."""
    return Head(entries[-1].sequence, entries[-1].digest) if entries else START


def copy_databases(source: Path, out: Path) -> None:
    """Copy the SQLite databases at the top of a folder, each as it is at one moment."""
    out.mkdir(mode=0o700)
    for path in sorted(source.glob("*.db")):
        copy_database(path, out / path.name)


def copy_database(source: Path, out: Path) -> None:
    """Copy one SQLite database while others write to it (SQLite's online backup).

    Raises:
        IntegrityError: It is no database, or broken.
    """
    out.touch(mode=0o600)
    try:
        with (
            closing(sqlite3.connect(f"file:{source}?mode=ro", uri=True, timeout=BUSY_SECONDS)) as reader,
            closing(sqlite3.connect(out, timeout=BUSY_SECONDS)) as writer,
        ):
            reader.backup(writer)
            writer.execute("PRAGMA journal_mode=DELETE")  # one file, whatever the original keeps beside it
            said = writer.execute("PRAGMA integrity_check").fetchone()[0]
    except sqlite3.DatabaseError as broken:
        said = str(broken)
    if said != "ok":
        raise IntegrityError(f"{source} cannot be copied ({said})", rule="a backup is of sound databases")


def copy_files(source: Path, out: Path) -> None:
    """Copy everything else below a folder: neither databases, nor secrets, nor what is of a moment.

    Raises:
        IntegrityError: There is a link: it may lead anywhere, and would be another thing elsewhere.
    """
    for path in find_files(source):
        with suppress(FileNotFoundError):  # written beside and renamed, or erased, meanwhile
            copy_file(path, out / path.relative_to(source))


def copy_file(source: Path, out: Path) -> None:
    """Copy one file for its owner alone; its folder is made when missing."""
    out.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    shutil.copyfile(source, out)
    out.chmod(0o600)


def find_files(source: Path) -> Iterator[Path]:
    """Yield the files that `copy_files` copies."""
    for path in sorted(source.rglob("*")):
        if path.is_symlink():
            raise IntegrityError(f"{path} is a link", rule="artifacts are files", remedy="find out who made it")
        left_out = path.suffix == ".db" or path.name.endswith((*OF_A_MOMENT, *SECRETS))
        if path.is_file() and not (path.parent == source and left_out):
            yield path
