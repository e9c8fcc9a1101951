"""What is approved and not served yet, by the rows of the ledger alone.

An approval stands until its version was put into service, failed for good, or a later approval of the family was
served: then it is overtaken, and a row says so, as of one that has lapsed or cannot replace the champion of today. What
came to nothing for a passing reason may be tried again, so it stands on.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from voxloop.ledger.book import Ledger
from voxloop.ledger.entry import APPROVAL, PROMOTION, VOID, Draft, Entry
from voxloop.release.approval import find_objection
from voxloop.release.approvals import find_given, find_lapse
from voxloop.release.canary_plan import is_running
from voxloop.release.claims import CLAIMED, DONE
from voxloop.release.freezes import find_freeze
from voxloop.release.versions import ModelVersion
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


def list_waiting(entries: Sequence[Entry], at: datetime, lasts: timedelta) -> list[Entry]:
    """Return the pending approvals that may be served at a moment: not lapsed, of families not frozen nor in a canary.

    Args:
        entries: All of the ledger.
        at: Aware.
        lasts: How long an approval stands.
    """
    pending = [entry for entry in list_pending(entries) if at - datetime.fromisoformat(entry.at) <= lasts]
    held = {
        task
        for task in {entry.task for entry in pending}
        if find_freeze(entries, task, at) is not None or is_running(entries, task, at)
    }
    return [entry for entry in pending if entry.task not in held]


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
        ledger.append(draft_withdrawal(found[0].approval, f"overtaken by version {found[0].by}", at))
        told.append(
            f"the approval of {task} version {_number(found[0].approval)} was overtaken by version {found[0].by}"
        )
    return told


def record_unfit(
    ledger: Ledger,
    versions: Iterable[ModelVersion],
    champion: ModelVersion | None,
    *,
    task: str,
    at: datetime,
    lasts: timedelta,
) -> list[str]:
    """Void every pending approval of a version that cannot replace the champion, or that has lapsed.

    Args:
        ledger: The book.
        versions: Of the family, as they are registered now.
        champion: In service.
        task: Family.
        at: Aware.
        lasts: How long an approval stands.

    Returns:
        What was written, in words. Safe to run twice.

    Raises:
        IntegrityError: The ledger is not whole.
        ServiceUnavailableError: It does not answer.
    """
    told, by_number = [], {version.number: version for version in versions}
    for approval in [entry for entry in list_pending(ledger.read()) if entry.task == task]:
        version = by_number.get(_number(approval))
        if version is None or (champion is not None and version.number == champion.number):
            continue
        if why := find_objection(version, champion) or find_lapse(approval, version, at=at, lasts=lasts):
            withdraw_approval(ledger, approval, because=why, at=at)
            told.append(f"{version} is approved, but {why}: its approval is void")
    return told


def withdraw_approval(ledger: Ledger, approval: Entry, *, because: str, at: datetime) -> None:
    """Void an approval by what has happened, unless a person has said something else meanwhile.

    Raises:
        IntegrityError: The ledger is not whole.
        ServiceUnavailableError: It does not answer.
    """

    def decide(entries: list[Entry]) -> Draft | Entry:
        is_standing = find_given(entries, approval.task, _number(approval)) == approval
        return draft_withdrawal(approval, because, at) if is_standing else approval

    ledger.append_decided(decide)


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


def draft_withdrawal(approval: Entry, because: str, at: datetime) -> Draft:
    """Return the row that voids an approval by what has happened, where no person says so.

    Args:
        approval: Its row.
        because: Why; another reason makes another act.
        at: Aware.
    """
    payload = {"approval": approval.act, "version": _number(approval), "because": because, "is_final": True}
    act = f"{VOID}/{approval.act}/{digest_json([payload, approval.sequence])[:16]}"
    return Draft(kind=VOID, task=approval.task, subject=approval.subject, act=act, payload=payload, at=at)


def _approves(entry: Entry, task: str, version: int) -> bool:
    return entry.kind == APPROVAL and entry.task == task and entry.content.get("version") == version


def _number(entry: Entry) -> int:
    return int(entry.content["version"])
