"""Hashes of secrets that nobody chose: 256 random bits each.

Without salt or stretching: 2^256 cannot be tried, and who presents one a hundred times a second does not wait for a
slow hash.
"""

from __future__ import annotations

import hashlib
import hmac

_NOBODY = hashlib.sha256(b"").hexdigest()


def hash_secret(secret: str) -> str:
    """Return the SHA-256 of a secret, hex."""
    return hashlib.sha256(secret.encode(errors="surrogateescape")).hexdigest()


def is_secret(presented: str, kept: str | None) -> bool:
    """Return whether what was presented is the secret of a hash; in the same time where there is none (None)."""
    is_same = hmac.compare_digest(hash_secret(presented), kept or _NOBODY)
    return kept is not None and is_same
