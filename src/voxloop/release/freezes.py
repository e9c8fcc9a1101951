"""A freeze: nothing new goes into service until a day. Going back is allowed all the time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from voxloop.errors import InputError, RefusedError
from voxloop.ledger.acts import require_reason
from voxloop.ledger.book import Ledger
from voxloop.ledger.entry import FREEZE, UNFREEZE, Draft, Entry
from voxloop.store.digests import digest_json


@dataclass(frozen=True)
class Freeze:
    """Nothing new goes into service for `task` before `until`."""

    task: str
    until: datetime
    because: str

    def __str__(self) -> str:
        return f"{self.task} is frozen until {self.until:%Y-%m-%d %H:%M} UTC: {self.because}"


def freeze_family(ledger: Ledger, task: str, *, until: datetime, because: str, at: datetime) -> Freeze:
    """Freeze a family, or freeze it until another moment.

    Raises:
        InputError: The moment is not in the future, or there is no reason.
        IntegrityError: The ledger is not whole.
        ServiceUnavailableError: It does not answer.
    """
    if until <= at:
        raise InputError(
            f"--until {until.isoformat()} is over", rule="a freeze ends in the future", remedy="give a later day"
        )
    payload = {"until": until.astimezone(UTC).isoformat(timespec="seconds"), "because": require_reason(because)}
    _append_once(ledger, FREEZE, task, payload, at)
    return Freeze(task, until, payload["because"])


def unfreeze_family(ledger: Ledger, task: str, *, because: str, at: datetime) -> bool:
    """End a freeze before its day; return False when the family was not frozen.

    Raises:
        InputError: There is no reason.
        IntegrityError: The ledger is not whole.
        ServiceUnavailableError: It does not answer.
    """
    payload = {"because": require_reason(because)}
    if find_freeze(ledger.read(), task, at) is None:
        return False
    _append_once(ledger, UNFREEZE, task, payload, at)
    return True


def find_freeze(entries: Sequence[Entry], task: str, at: datetime) -> Freeze | None:
    """Return the freeze that a family is under at a moment.

    Args:
        entries: All of the ledger.
        task: Family.
        at: Aware.
    """
    row = _newest(entries, task)
    if row is None or row.kind == UNFREEZE:
        return None
    until = datetime.fromisoformat(row.content["until"])
    return Freeze(task, until, row.content["because"]) if at < until else None


def require_thawed(entries: Sequence[Entry], task: str, at: datetime) -> None:
    """Raise `RefusedError` while a family is frozen."""
    if freeze := find_freeze(entries, task, at):
        raise RefusedError(
            str(freeze),
            rule="nothing new goes into service during a freeze; a rollback does",
            remedy=f"wait, or voxloop unfreeze {task} --because '…'",
        )


def _append_once(ledger: Ledger, kind: str, task: str, payload: dict[str, str], at: datetime) -> None:
    """Write a row unless the newest says the same: an act that runs twice writes once."""

    def decide(entries: list[Entry]) -> Draft | Entry:
        row = _newest(entries, task)
        if row is not None and (row.kind, row.content) == (kind, payload):
            return row
        act = f"{kind}/{task}/{digest_json([row.sequence if row else 0, payload])[:16]}"
        return Draft(kind=kind, task=task, subject=task, act=act, payload=payload, at=at)

    ledger.append_decided(decide)


def _newest(entries: Sequence[Entry], task: str) -> Entry | None:
    rows = (entry for entry in reversed(entries) if entry.kind in (FREEZE, UNFREEZE) and entry.task == task)
    return next(rows, None)
