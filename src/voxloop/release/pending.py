"""What is approved and not served yet, by the rows of the ledger alone.

An approval stands until its version was put into service, failed for good, or a later approval of the family was
served: then it is overtaken, and a row says so. What came to nothing for a passing reason may be tried again, so it
stands on.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from voxloop.ledger.book import Ledger
from voxloop.ledger.entry import APPROVAL, PROMOTION, VOID, Draft, Entry
from voxloop.release.claims import CLAIMED, DONE
from voxloop.release.freezes import find_freeze
from voxloop.store.digests import digest_json


@dataclass(frozen=True)
class Overtaken:
    """An approval that a later one of its family has left behind.

    Args:
        approval: Its row.
        by: Number of the version that was served instead.
    """

    approval: Entry
    by: int


def list_pending(entries: Sequence[Entry]) -> list[Entry]:
    """Return the approvals that stand and are not served, of all families, in the order they were given.

    Args:
        entries: All of the ledger. Rows of one family say nothing about another.
    """
    standing: dict[tuple[str, int], Entry] = {}
    served: set[tuple[str, int]] = set()
    for entry, version in _follow(entries):
        key = entry.task, version
        if entry.kind == APPROVAL and key not in served:  # served once, an approval is used up
            standing[key] = entry
        elif entry.kind != APPROVAL:
            standing.pop(key, None)
            served |= {key} if entry.kind == PROMOTION else set()
    return sorted(standing.values(), key=lambda entry: entry.sequence)


def list_waiting(entries: Sequence[Entry], at: datetime) -> list[Entry]:
    """Return the pending approvals that may be served at a moment: those of families that are not frozen."""
    return [entry for entry in list_pending(entries) if find_freeze(entries, entry.task, at) is None]


def find_rank(entries: Sequence[Entry], task: str, version: int) -> float:
    """Return how late a version was approved: the sequence of its last approval; infinite where no row says it yet."""
    rows = (entry.sequence for entry in reversed(entries) if _approves(entry, task, version))
    return float(next(rows, float("inf")))


def find_overtaken(entries: Sequence[Entry], task: str) -> list[Overtaken]:
    """Return the pending approvals of a family that were given before one that was served since."""
    approved: dict[int, int] = {}
    latest, by = 0, 0
    for entry, version in _follow(entries):
        if entry.task != task:
            continue
        if entry.kind == APPROVAL:
            approved[version] = entry.sequence
        elif entry.kind == PROMOTION and approved.get(version, 0) > latest:
            latest, by = approved[version], version
    return [Overtaken(row, by) for row in list_pending(entries) if row.task == task and row.sequence < latest]


def record_overtaken(ledger: Ledger, task: str, *, at: datetime) -> list[str]:
    """Void every approval that was overtaken; return what was written, in words. Safe to run twice.

    Raises:
        IntegrityError: The ledger is not whole.
        ServiceUnavailableError: It does not answer.
    """
    told = []
    while found := find_overtaken(ledger.read(), task):
        ledger.append(_draft_void(found[0], at))
        told.append(
            f"the approval of {task} version {_number(found[0].approval)} was overtaken by version {found[0].by}"
        )
    return told


def _follow(entries: Sequence[Entry]) -> Iterator[tuple[Entry, int]]:
    """Yield the rows that begin or end a standing approval, each with the version it is about."""
    claims: dict[str, int] = {}
    for entry in entries:
        content = entry.content
        if entry.kind == APPROVAL:
            yield entry, _number(entry)
        elif entry.kind == PROMOTION and content.get("step") == CLAIMED:
            claims[entry.act] = _number(entry)
        elif (entry.kind == PROMOTION and content.get("step") == DONE) or (entry.kind == VOID and "version" in content):
            yield entry, _number(entry)
        elif entry.kind == VOID and content["is_final"] and content.get("claim") in claims:
            yield entry, claims[content["claim"]]


def _draft_void(overtaken: Overtaken, at: datetime) -> Draft:
    row = overtaken.approval
    payload = {
        "approval": row.act,
        "version": _number(row),
        "because": f"overtaken by version {overtaken.by}",
        "is_final": True,
    }
    act = f"{VOID}/{row.act}/{digest_json([payload, row.sequence])[:16]}"
    return Draft(kind=VOID, task=row.task, subject=row.subject, act=act, payload=payload, at=at)


def _approves(entry: Entry, task: str, version: int) -> bool:
    return entry.kind == APPROVAL and entry.task == task and entry.content.get("version") == version


def _number(entry: Entry) -> int:
    return int(entry.content["version"])
