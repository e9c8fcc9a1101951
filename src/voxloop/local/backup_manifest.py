"""`backup.json`: every file of a backup by digest, and the ledger's end, sealed with the runner's key."""

from __future__ import annotations

import hmac
import json
from pathlib import Path
from typing import Literal

from pydantic import ValidationError

from voxloop.config import StrictModel
from voxloop.errors import InputError, IntegrityError
from voxloop.ledger.entry import Sealer
from voxloop.store.atomic import write_file
from voxloop.store.digests import digest_file, digest_json

MANIFEST_NAME = "backup.json"
RULE = "a backup is restored as it was made, or not at all"
REMEDY = "take another backup, and find out who changed this one"


class Manifest(StrictModel):
    """The content of `backup.json`.

    Args:
        at: When it was begun, ISO 8601 in UTC.
        sequence: Of the ledger's last entry; 0 for an empty one.
        digest: Of that entry.
        files: SHA-256 by relative POSIX path.
        sealer: Short name of the key that sealed it.
        seal: Over all of the above.
    """

    schema_version: Literal[1] = 1
    at: str
    sequence: int
    digest: str
    files: dict[str, str]
    sealer: str = ""
    seal: str = ""

    @property
    def name(self) -> str:
        """Digest of all it says: which backup it is."""
        return digest_json(self.model_dump(mode="json"))

    def sealed(self, sealer: Sealer) -> Manifest:
        """Return it with the seal of this runner."""
        named = self.model_copy(update={"sealer": sealer.name, "seal": ""})
        return named.model_copy(update={"seal": sealer.seal("backup", named.model_dump(mode="json"))})

    def write(self, folder: Path) -> None:
        """Write it into a backup."""
        write_file(folder / MANIFEST_NAME, self.model_dump_json(indent=2) + "\n", mode=0o600)


def read_manifest(folder: Path, sealer: Sealer) -> Manifest:
    """Return the manifest of a backup, its seal verified; the files are not looked at yet.

    Raises:
        InputError: The folder is no backup, or of another version of voxloop.
        IntegrityError: The manifest was changed, or sealed with another key.
    """
    try:
        manifest = Manifest.model_validate(json.loads((folder / MANIFEST_NAME).read_bytes()))
    except (OSError, ValueError, ValidationError) as unreadable:
        raise InputError(
            f"{folder} is no backup ({type(unreadable).__name__})",
            rule=f"a whole one has a {MANIFEST_NAME} that this version of voxloop reads",
            remedy="name the folder that `voxloop backup --to` wrote",
        ) from None
    if manifest.sealer != sealer.name:
        raise IntegrityError(
            f"{folder} is sealed with another key ({manifest.sealer[:16]!r}, ours is {sealer.name!r})",
            rule=RULE,
            remedy="put the runner.key of the platform it was taken of into the home",
        )
    if not hmac.compare_digest(manifest.sealed(sealer).seal.encode(), manifest.seal.encode(errors="replace")):
        raise IntegrityError(f"{folder / MANIFEST_NAME} was changed", rule=RULE, remedy=REMEDY)
    return manifest


def digest_files(folder: Path) -> dict[str, str]:
    """Return the SHA-256 of every file below a folder but the manifest, by relative POSIX path."""
    return {name: digest_file(folder / name) for name in sorted(list_names(folder))}


def list_names(folder: Path) -> set[str]:
    """Return the files below a folder but the manifest, as relative POSIX paths; a link is a file here."""
    paths = (path for path in folder.rglob("*") if path.is_symlink() or not path.is_dir())
    return {path.relative_to(folder).as_posix() for path in paths} - {MANIFEST_NAME}


def require_names(folder: Path, manifest: Manifest) -> None:
    """Raise `IntegrityError` unless a folder has the files that a manifest names, no more and no less."""
    if strange := sorted(list_names(folder) ^ manifest.files.keys()):
        how = "is missing" if strange[0] in manifest.files else "was added"
        raise IntegrityError(f"{strange[0]} of the backup {how}", rule=RULE, remedy=REMEDY)


def require_files(folder: Path, manifest: Manifest) -> None:
    """Raise `IntegrityError` unless a folder holds what a manifest says, no file more and none less."""
    require_names(folder, manifest)
    for name, digest in digest_files(folder).items():
        if digest != manifest.files[name]:
            raise IntegrityError(f"{name} of the backup was changed", rule=RULE, remedy=REMEDY)
