"""API keys: 256 random bits each, of which only a hash is kept.

A hash without salt or stretching is enough for what nobody chose: 2^256 cannot be tried.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from datetime import datetime
from pathlib import Path

from pydantic import AwareDatetime, Field, ValidationError

from voxloop.config import StrictModel
from voxloop.errors import InputError, IntegrityError
from voxloop.store.atomic import write_file
from voxloop.store.lock import hold_lock
from voxloop.tasks import FAMILIES

READ_METRICS = "metrics"
ACTIONS = (*FAMILIES, READ_METRICS)
"""What a key may be for: a family to ask, or the metrics to read."""
_KEY = re.compile(r"vxl_([0-9a-f]{16})_([A-Za-z0-9_-]{43})")
_NOBODY = hashlib.sha256(b"").hexdigest()


class ApiKey(StrictModel):
    """A key as it is kept.

    Args:
        key_id: Its public half, by which people name it; also who asks, for a sticky route.
        tenant: Whose it is.
        actions: Of `ACTIONS`.
        digest: SHA-256 of the whole key, hex.
        made_at: When.
    """

    key_id: str = Field(pattern=r"^[0-9a-f]{16}$")
    tenant: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")
    actions: tuple[str, ...] = Field(min_length=1)
    digest: str = Field(pattern=r"^[0-9a-f]{64}$")
    made_at: AwareDatetime


class _KeyFile(StrictModel):
    keys: tuple[ApiKey, ...] = ()


class KeyBook:
    """The file of keys, readable by its owner alone, written beside and renamed.

    Args:
        path: The file; without it there are no keys.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._seen: tuple[int, int, int] | None = None
        self._keys: dict[str, ApiKey] = {}

    def list_keys(self) -> list[ApiKey]:
        """Return all keys.

        Raises:
            IntegrityError: The file is malformed, or others may read or write it.
        """
        self._refresh()
        return list(self._keys.values())

    def add(self, tenant: str, actions: tuple[str, ...], at: datetime) -> str:
        """Make a key and return it: it is nowhere else.

        Raises:
            InputError: The tenant has no fit name, or there is no such action.
        """
        if unknown := sorted(set(actions) - set(ACTIONS)):
            raise InputError(
                f"a key cannot be for {unknown[0]!r}",
                rule=f"actions are {', '.join(ACTIONS)}",
                remedy="name some of them",
            )
        key_id = secrets.token_hex(8)
        key = f"vxl_{key_id}_{secrets.token_urlsafe(32)}"
        try:
            kept = ApiKey(key_id=key_id, tenant=tenant, actions=actions, digest=_digest(key), made_at=at)
        except ValidationError as unfit:
            first = unfit.errors(include_url=False)[0]
            raise InputError(
                f"{first['loc'][0]} = {str(first['input'])[:80]!r} of a key", rule=first["msg"], remedy="give another"
            ) from None
        with hold_lock(self._lock):
            self._write([*self.list_keys(), kept])
        return key

    def revoke(self, key_id: str) -> ApiKey:
        """Take a key away; whoever reads the file refuses it from then on.

        Raises:
            InputError: There is no such key.
        """
        with hold_lock(self._lock):
            keys = self.list_keys()
            gone = next((key for key in keys if key.key_id == key_id), None)
            if gone is None:
                raise InputError(f"no key {key_id[:80]!r}", remedy="see `voxloop keys list`")
            self._write([key for key in keys if key is not gone])
        return gone

    def find(self, presented: str) -> ApiKey | None:
        """Return the key that was presented, None where there is no such key; in the same time for every wrong one.

        Raises:
            IntegrityError: As `list_keys`.
        """
        self._refresh()
        matched = _KEY.fullmatch(presented)
        kept = self._keys.get(matched[1]) if matched else None
        is_same = hmac.compare_digest(_digest(presented), kept.digest if kept else _NOBODY)
        return kept if kept and is_same else None

    @property
    def _lock(self) -> Path:
        return self._path.with_suffix(".lock")

    def _write(self, keys: list[ApiKey]) -> None:
        write_file(self._path, _KeyFile(keys=tuple(keys)).model_dump_json(indent=2) + "\n", mode=0o600)

    def _refresh(self) -> None:
        """Read the file anew when it is another one, for every write is a rename, or was touched."""
        try:
            status = self._path.stat()
        except FileNotFoundError:
            self._seen, self._keys = None, {}
            return
        seen = (status.st_ino, status.st_ctime_ns, status.st_size)
        if seen == self._seen:
            return
        if status.st_mode & 0o077:
            raise IntegrityError(
                f"{self._path} may be used by others (mode {status.st_mode & 0o777:o})",
                rule="keys are their owner's alone",
                remedy=f"find out who had them, then chmod 600 {self._path}",
            )
        try:
            keys = _KeyFile.model_validate_json(self._path.read_bytes()).keys
        except ValidationError:
            raise IntegrityError(
                f"{self._path} is malformed", rule="`voxloop keys` alone writes it", remedy="restore it from a backup"
            ) from None
        self._seen, self._keys = seen, {key.key_id: key for key in keys}


def _digest(key: str) -> str:
    return hashlib.sha256(key.encode(errors="surrogateescape")).hexdigest()
