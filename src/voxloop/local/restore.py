"""`voxloop restore`: ledger and MLflow out of a backup, verified, put beside, then swapped in as one.

The swap is four renames, which no file system does at once. A mark that names the backup is written before the first
and removed after the last; while it is there no ledger is opened and no platform started, and the same command goes on
where it was killed.
"""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from voxloop.errors import InputError, IntegrityError, RefusedError
from voxloop.ledger.entry import RESTORED, Draft, Sealer
from voxloop.ledger.restoring import MARK_NAME
from voxloop.local.backup import LEDGER, MLFLOW, close_tree, copy_file, open_copy, require_files_alone, tip_of
from voxloop.local.backup_manifest import Manifest, read_manifest, require_files, require_names
from voxloop.local.ports import is_free
from voxloop.local.supervisor import Supervisor
from voxloop.local.up import one_at_a_time
from voxloop.settings import Settings, get_settings, now
from voxloop.store.atomic import build_folder, remove_tree, sync_folder, write_file
from voxloop.store.lock import hold_lock
from voxloop.store.runner_key import read_runner_key

STAGED = "restore-staged"
FOLDERS = (MLFLOW, LEDGER)


def restore(
    *, source: Annotated[Path, Parameter(name="--from")], replace: bool = False, because: str = "restored by hand"
) -> None:
    """Put ledger and MLflow back from a backup, into a home where neither is, or in place of what is there.

    The platform is down meanwhile. The home must have the `runner.key` of the platform the backup was taken of: by it
    the backup's seal is verified, then every file, then the ledger. What was there is kept beside, in
    `replaced-<time>`. The ledger keeps for good that it was restored, to which entry, and why. Afterwards:
    `voxloop up`, `voxloop ledger verify`, `voxloop reconcile`, which lets Triton serve what the ledger says. Killed
    anywhere, the same command goes on.

    Args:
        source: A folder that `voxloop backup` wrote.
        replace: Put it in the place of a ledger or an MLflow that is there.
        because: Why, kept in the ledger.

    Raises:
        InputError: The folder is no backup, or the home has no `runner.key`.
        IntegrityError: The backup was changed, or is of another platform. Nothing was touched.
        RefusedError: The platform runs; or there is something in the home and `replace` is not given; or another
            restore was not ended; or the ledger lies in PostgreSQL.
        VoxloopError: The backup is of a newer version of voxloop. Nothing was touched.
    """
    settings, moment = get_settings(), now()
    require_files_alone(settings)
    with one_at_a_time(settings.home):
        require_down(settings)
        sealer = Sealer(read_given_key(settings.runner_key_file))
        manifest = read_manifest(source, sealer)
        with hold_lock(settings.home / "triton" / "deploy.lock"):  # a command that promotes ends first
            if (begun := read_mark(settings.home)) is None:
                require_empty(settings.home, replace=replace)
                stage(settings.home, source, manifest, sealer, because=because, at=moment)
                begun = write_mark(settings.home, source, manifest, moment)
            require_same(begun, manifest)
            swap(settings.home, aside=settings.home / str(begun["aside"]))
    print(f"restored the ledger up to entry {manifest.sequence}, and MLflow, of {manifest.at}", flush=True)
    print("now: voxloop up; voxloop ledger verify; voxloop reconcile", flush=True)


def require_down(settings: Settings) -> None:
    """Raise `RefusedError` while a program of the platform runs, or listens where one would."""
    ports = (settings.ports.mlflow, settings.ports.triton_http, settings.ports.gateway, settings.ports.airflow)
    if Supervisor(settings.home).is_alive() or not all(is_free(settings.host, port) for port in ports):
        raise RefusedError(
            f"{settings.home} is in use: a program of the platform runs, or listens on one of its ports",
            rule="what is put back is swapped under nobody's hands",
            remedy="voxloop down",
        )


def read_given_key(path: Path) -> bytes:
    """Return the runner's key that is there; a new one could not read an old ledger.

    Raises:
        InputError: There is none.
    """
    if not path.exists():
        raise InputError(
            f"there is no {path}",
            rule="a backup is verified with the key of the platform it was taken of, which is not in it",
            remedy="put that platform's runner.key there first, and its signing.key beside it",
        )
    return read_runner_key(path)


def require_empty(home: Path, *, replace: bool) -> None:
    """Raise `RefusedError` when a ledger or an MLflow is there and may not be replaced."""
    for name in FOLDERS:
        place = home / name
        if place.exists() and any(place.iterdir()) and not replace:
            raise RefusedError(
                f"{place} holds something",
                rule="a restore replaces nothing that it is not told to",
                remedy="--replace keeps it beside, or set VOXLOOP_HOME to another folder",
            )


def stage(home: Path, source: Path, manifest: Manifest, sealer: Sealer, *, because: str, at: datetime) -> None:
    """Copy a backup into the home, beside what is there, and verify the copy: files by digest, the ledger by its seals.

    Raises:
        IntegrityError: It is not what was backed up.
        VoxloopError: It is of a newer version of voxloop.
    """
    staged = home / STAGED
    if staged.exists():  # of a restore that was killed before its swap
        remove_tree(staged)
    with build_folder(staged) as folder:
        for name in FOLDERS:
            (folder / name).mkdir(mode=0o700)
        require_names(source, manifest)
        for file in manifest.files:
            copy_file(source / file, folder / file)
        require_files(folder, manifest)
        close_tree(folder)
        ledger = open_copy(folder / LEDGER, sealer)
        ledger.migrate()  # a backup may be of an older voxloop, whose tables this one need not be able to read
        if (tip := tip_of(ledger.verify())).digest != manifest.digest:
            raise IntegrityError(f"its ledger ends with entry {tip.sequence}, not {manifest.sequence}")
        payload = {"because": because, "after": manifest.sequence, "taken": manifest.at, "backup": manifest.name}
        act = f"{RESTORED}/{manifest.name[:16]}/{at.isoformat()}"
        ledger.append(Draft(kind=RESTORED, task="all", subject="ledger", act=act, payload=payload, at=at))


def read_mark(home: Path) -> dict[str, object] | None:
    """Return what a restore that was not ended has written; None where there is none."""
    path = home / MARK_NAME
    return dict(json.loads(path.read_bytes())) if path.exists() else None


def require_same(begun: dict[str, object], manifest: Manifest) -> None:
    """Raise `RefusedError` when it is the restore of another backup that was not ended."""
    if begun["backup"] != manifest.name:
        raise RefusedError(
            "the restore of another backup was begun and not ended",
            rule="one after the other",
            remedy=f"first: voxloop restore --from {begun['from']}",
        )


def write_mark(home: Path, source: Path, manifest: Manifest, at: datetime) -> dict[str, object]:
    """Write down that the swap begins: what is staged is whole."""
    aside = f"replaced-{at:%Y%m%dT%H%M%S%f}"
    mark: dict[str, object] = {"backup": manifest.name, "from": str(source), "aside": aside}
    write_file(home / MARK_NAME, json.dumps(mark))
    return mark


def swap(home: Path, *, aside: Path) -> None:
    """Put what was there aside and what is staged in its place; done again, it goes on where it was."""
    aside.mkdir(mode=0o700, exist_ok=True)
    for name in FOLDERS:
        staged, place = home / STAGED / name, home / name
        if not staged.exists():
            continue  # swapped before
        if place.exists():
            place.rename(aside / name)
        staged.rename(place)
        sync_folder(home)
    (home / MARK_NAME).unlink()
    remove_tree(home / STAGED)
    if not any(aside.iterdir()):
        aside.rmdir()
    sync_folder(home)
