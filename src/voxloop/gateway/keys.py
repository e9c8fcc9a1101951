"""API keys: 256 random bits each, of which only a hash is kept."""

from __future__ import annotations

import re
import secrets
from datetime import datetime
from pathlib import Path

from pydantic import AwareDatetime, Field, ValidationError

from voxloop.config import StrictModel
from voxloop.errors import InputError
from voxloop.store.lock import hold_lock
from voxloop.store.private_files import PrivateFile
from voxloop.store.secret_hashes import hash_secret, is_secret
from voxloop.tasks import FAMILIES

ANALYZE, READ_METRICS, LABEL = "analyze", "metrics", "label"
ACTIONS = (*FAMILIES, ANALYZE, READ_METRICS, LABEL)
"""What a key may be for: a family to ask, all of them about a speaker, the metrics, answers to other keys to label."""
_KEY = re.compile(r"vxl_([0-9a-f]{16})_([A-Za-z0-9_-]{43})")


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


PLATFORM = "voxloop-service"
"""Tenant of the platform's own key: what it asks is a test of the platform, and no prediction."""


class KeyBook:
    """The file of keys, readable by its owner alone, written beside and renamed.

    Args:
        path: The file; without it there are no keys.
    """

    def __init__(self, path: Path) -> None:
        self._file = PrivateFile(path, _KeyFile, writer="`voxloop keys`")
        self._content: _KeyFile | None = None
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
            kept = ApiKey(key_id=key_id, tenant=tenant, actions=actions, digest=hash_secret(key), made_at=at)
        except ValidationError as unfit:
            first = unfit.errors(include_url=False)[0]
            raise InputError(
                f"{first['loc'][0]} = {str(first['input'])[:80]!r} of a key", rule=first["msg"], remedy="give another"
            ) from None
        with hold_lock(self._file.lock):
            self._write([*self.list_keys(), kept])
        return key

    def revoke(self, key_id: str) -> ApiKey:
        """Take a key away; whoever reads the file refuses it from then on.

        Raises:
            InputError: There is no such key.
        """
        with hold_lock(self._file.lock):
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
        return kept if is_secret(presented, kept.digest if kept else None) else None

    def _write(self, keys: list[ApiKey]) -> None:
        self._file.write(_KeyFile(keys=tuple(keys)))

    def _refresh(self) -> None:
        content = self._file.read()
        if content is not self._content:
            self._content, self._keys = content, {key.key_id: key for key in content.keys} if content else {}
