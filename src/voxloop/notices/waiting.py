"""Versions that wait for an approver, by the rows of the ledger alone."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from voxloop.ledger.entry import APPROVAL, PROMOTION, REGISTRATION, VOID, Entry
from voxloop.notices.notice import Audience, Notice
from voxloop.release.freezes import find_freeze

ANSWERS = (APPROVAL, PROMOTION, VOID)


def list_unanswered(entries: Sequence[Entry]) -> list[Entry]:
    """Return the registration of each family's newest version of which nobody has said anything.

    An older version is not asked for: it was judged beside a champion and data of before; the newer one stands for it.

    Args:
        entries: All of the ledger.
    """
    newest: dict[str, Entry] = {}
    answered: set[tuple[str, int]] = set()
    for entry in entries:
        if entry.kind == REGISTRATION:
            newest[entry.task] = entry
        elif entry.kind in ANSWERS and "version" in entry.content:
            answered.add((entry.task, entry.content["version"]))
    return [entry for entry in newest.values() if (entry.task, entry.content["version"]) not in answered]


def tell_what_waits(entries: Sequence[Entry], *, mlflow_url: str, lasts: timedelta, at: datetime) -> list[Notice]:
    """Return a notice for each version that waits.

    Args:
        entries: All of the ledger.
        mlflow_url: Where versions are looked at.
        lasts: How long an approval stands.
        at: Now, aware.
    """
    return [_tell(entry, entries, mlflow_url, lasts, at) for entry in list_unanswered(entries)]


def _tell(entry: Entry, entries: Sequence[Entry], mlflow_url: str, lasts: timedelta, at: datetime) -> Notice:
    task, version = entry.task, entry.content["version"]
    passed, until = datetime.fromisoformat(entry.at), at + lasts
    address = f"{mlflow_url}/#/models/{task}/versions/{version}"
    lines = [
        f"{task} version {version} passed the gate on {passed:%Y-%m-%d %H:%M} UTC and waits for an approver.",
        f"Read its report and set the tag approval to approved or rejected: {address}",
        f"Approved now, it has until {until:%Y-%m-%d} to go into service; after that the approval is void.",
    ]
    if freeze := find_freeze(entries, task, at):
        lines.append(f"{freeze}; what is approved goes into service after that.")
    title = f"voxloop: {task} version {version} waits for approval"
    return Notice(Audience.APPROVERS, f"approval/{task}/{version}", title, "\n".join(lines))
