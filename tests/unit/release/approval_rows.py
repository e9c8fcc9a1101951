"""Approvals as rows of the ledger, written by nobody's rules: for who only reads what waits."""

from __future__ import annotations

from datetime import datetime

from voxloop.ledger.book import Ledger
from voxloop.ledger.entry import APPROVAL, Draft, Entry


def append_approval(ledger: Ledger, task: str, version: int, at: datetime) -> Entry:
    """Write that a version was approved."""
    draft = Draft(
        kind=APPROVAL,
        task=task,
        subject=f"{version:064d}",
        act=f"{APPROVAL}/{task}/{version}/{at.isoformat()}",
        payload={"version": version, "by": "ada", "evidence": "e" * 64},
        at=at,
    )
    return ledger.append(draft)
