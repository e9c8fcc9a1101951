"""The head: what was written last, kept beside the ledger, so that a cut tail is seen."""

from __future__ import annotations

import hmac
import json
from dataclasses import asdict, dataclass
from pathlib import Path

from voxloop.errors import IntegrityError
from voxloop.ledger.entry import NOTHING, Sealer
from voxloop.store.atomic import write_file

RUNBOOK = "docs/runbooks/ledger.md says what to do"


@dataclass(frozen=True)
class Head:
    """Sequence and digest of an entry behind which nothing is known yet."""

    sequence: int = 0
    digest: str = NOTHING


START = Head()
"""Before the first entry."""


def read_head(path: Path, sealer: Sealer) -> Head | None:
    """Return the head kept at `path`; None when there is none.

    Raises:
        IntegrityError: It cannot be read, or its seal is not this runner's.
    """
    try:
        return load_head(path.read_bytes(), sealer)
    except FileNotFoundError:
        return None
    except _UnsealedError as wrong:
        raise IntegrityError(
            f"{path} {wrong}", rule="the head is sealed with the runner's key", remedy=RUNBOOK
        ) from None


def write_head(path: Path, head: Head, sealer: Sealer) -> None:
    """Replace the head kept at `path` in one step."""
    write_file(path, dump_head(head, sealer) + "\n")


def dump_head(head: Head, sealer: Sealer) -> str:
    """Return a head with its seal as one line of JSON."""
    return json.dumps({**asdict(head), "sealer": sealer.name, "seal": _seal(head, sealer)}, sort_keys=True)


def load_head(text: str | bytes, sealer: Sealer) -> Head:
    """Return the head that `dump_head` gave.

    Raises:
        ValueError: The text is another, or its seal is not this runner's; says which.
    """
    try:
        found = json.loads(text)
        head = Head(found["sequence"], found["digest"])
        kept, by, true = str(found["seal"]), found["sealer"], _seal(head, sealer)
    except (ValueError, TypeError, KeyError):
        raise _UnsealedError("is malformed") from None
    if not hmac.compare_digest(kept.encode(errors="replace"), true.encode()):
        raise _UnsealedError("was changed" if by == sealer.name else "is sealed with another key")
    return head


class _UnsealedError(ValueError):
    pass


def _seal(head: Head, sealer: Sealer) -> str:
    return sealer.seal("head", asdict(head))
