"""Results on disk, read-only, each under the digest of everything it was made from."""

from __future__ import annotations

import secrets
import shutil
from pathlib import Path

from voxloop.errors import IntegrityError
from voxloop.store.atomic import make_beside, remove_tree, sync_folder, sync_tree
from voxloop.store.step_record import StepRecord, verify_result


class JobStore:
    """Results on disk as `<root>/<step>/<key>/`, read-only.

    Args:
        root: Folder of the store.
        secret: The runner's key; a record sealed by another key is not believed.
    """

    def __init__(self, root: Path, secret: bytes) -> None:
        self.root = root
        self.secret = secret

    def find(self, step: str, key: str) -> Path | None:
        """Return the folder of a whole, unchanged result; a spoilt one is put aside and said so."""
        folder = self.root / step / key
        if not folder.is_dir():
            return None
        try:
            verify_result(folder, step, key, self.secret)
        except IntegrityError as spoilt:
            aside = self._put_aside(folder)
            print(f"step {step}: {spoilt}; put aside as {aside.name}", flush=True)
            return None
        return folder

    def keep(self, record: StepRecord, folder: Path) -> None:
        """Copy a finished result in. Of two that finish at once the first stays: they are the same."""
        place = self.root / record.step / record.key
        beside = make_beside(place)
        try:
            copy_contents(folder, beside)
            sync_tree(beside)
            _set_writable(beside, writable=False)
            beside.chmod(0o755)  # a folder must be writable by its owner to be renamed
            if not place.exists():
                beside.rename(place)
                place.chmod(0o555)
                sync_folder(place.parent)
        finally:
            if beside.exists():
                remove_tree(beside)

    def _put_aside(self, folder: Path) -> Path:
        folder.chmod(0o755)
        return folder.rename(folder.with_name(f".spoilt-{folder.name}-{secrets.token_hex(4)}"))


def copy_contents(source: Path, target: Path) -> None:
    """Copy what a folder holds into another; the copies may be written."""
    shutil.copytree(source, target, dirs_exist_ok=True, copy_function=shutil.copyfile)
    _set_writable(target, writable=True)


def _set_writable(folder: Path, *, writable: bool) -> None:
    for path in [folder, *folder.rglob("*")]:
        if path.is_dir():
            path.chmod(0o755 if writable else 0o555)
        else:
            path.chmod(0o644 if writable else 0o444)
