"""Who speaks, under another name: a keyed hash that says which key made it.

Without the key nobody can tell a speaker from a pseudonym, also not by trying every name there is; with it the rows of
one speaker can be found, to be erased. A new key cuts what is logged from then on off from what was logged before.
"""

from __future__ import annotations

import hmac
import secrets
from pathlib import Path

from pydantic import Field, ValidationError

from voxloop.config import StrictModel
from voxloop.errors import IntegrityError
from voxloop.store.atomic import write_file
from voxloop.store.lock import hold_lock
from voxloop.store.private_files import require_private

KEY_BYTES = 32


class _KeyFile(StrictModel):
    """Keys by version, hex; the highest is in use."""

    keys: dict[int, str] = Field(min_length=1)


class Pseudonyms:
    """The keys of pseudonyms, in a file that its owner alone may read.

    Args:
        path: The file; made with a first key when there is none.

    Raises:
        IntegrityError: It is malformed, or others may use it.
    """

    def __init__(self, path: Path) -> None:
        with hold_lock(path.with_suffix(".lock")):
            if not path.exists():
                _write(path, {1: secrets.token_hex(KEY_BYTES)})
        self._keys = _read(path)

    @property
    def version(self) -> str:
        """Version of the key in use, as rows name it."""
        return f"v{max(self._keys)}"

    def name(self, tenant: str, speaker_id: str) -> tuple[str, str]:
        """Return a speaker's pseudonym, hex, and the version of its key. Two tenants share no speaker."""
        return self._name(max(self._keys), tenant, speaker_id), self.version

    def all_names(self, tenant: str, speaker_id: str) -> dict[str, str]:
        """Return the pseudonym of a speaker under every key there was, by version."""
        return {f"v{version}": self._name(version, tenant, speaker_id) for version in sorted(self._keys)}

    def _name(self, version: int, tenant: str, speaker_id: str) -> str:
        # A tenant has no NUL, so no two pairs are one text.
        text = f"{tenant}\0{speaker_id}".encode(errors="surrogatepass")
        return hmac.digest(bytes.fromhex(self._keys[version]), text, "sha256").hex()


def add_key(path: Path) -> str:
    """Make a new key and return its version; whoever logs takes it up when it starts.

    Raises:
        IntegrityError: As `Pseudonyms`.
    """
    Pseudonyms(path)
    with hold_lock(path.with_suffix(".lock")):
        keys = _read(path)
        newest = max(keys) + 1
        _write(path, {**keys, newest: secrets.token_hex(KEY_BYTES)})
    return f"v{newest}"


def _write(path: Path, keys: dict[int, str]) -> None:
    write_file(path, _KeyFile(keys=keys).model_dump_json(indent=2) + "\n", mode=0o600)


def _read(path: Path) -> dict[int, str]:
    require_private(path, rule="who has it can tell speakers from their pseudonyms")
    try:
        keys = _KeyFile.model_validate_json(path.read_bytes()).keys
    except ValidationError:
        keys = {}
    if not keys or any(len(key) != 2 * KEY_BYTES or not _is_hex(key) for key in keys.values()):
        raise IntegrityError(
            f"{path} is malformed",
            rule="without its keys no speaker of the log can be found again",
            remedy="restore it from a backup",
        )
    return keys


def _is_hex(text: str) -> bool:
    try:
        bytes.fromhex(text)
    except ValueError:
        return False
    return True
