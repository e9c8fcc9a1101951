"""Ids of requests: they say when (UUID version 7, RFC 9562), so that a row is found without looking at every day."""

from __future__ import annotations

import re
import secrets
from datetime import UTC, datetime

REQUEST_ID = re.compile(r"[0-9a-f]{12}7[0-9a-f]{3}[89ab][0-9a-f]{15}")
_RANDOM_BITS = 62


def make_request_id(at: datetime) -> str:
    """Return a new id, 32 hexadecimal digits: milliseconds since 1970, and 74 random bits."""
    moment = int(at.timestamp() * 1_000) & (2**48 - 1)
    head = (moment << 16) | 0x7000 | secrets.randbits(12)
    return f"{(head << 64) | (0b10 << _RANDOM_BITS) | secrets.randbits(_RANDOM_BITS):032x}"


def moment_of(request_id: str) -> datetime | None:
    """Return when a request arrived, by its id; None for an id of another kind."""
    if not REQUEST_ID.fullmatch(request_id):
        return None
    try:
        return datetime.fromtimestamp(int(request_id[:12], 16) / 1e3, UTC)
    except (ValueError, OverflowError, OSError):  # a year that no calendar has
        return None
