"""What became of the claims before: who was put into service, who was written back, and who failed for good."""

from __future__ import annotations

from collections.abc import Sequence

from voxloop.ledger.entry import APPROVAL, PROMOTION, ROUTE, VOID, Entry
from voxloop.release.claims import DONE, Claim, list_claims
from voxloop.release.routes import list_route_rows, route_of


def list_used(entries: Sequence[Entry], task: str) -> set[int]:
    """Return the versions that were put into service once: their approval is used up, by their flip."""
    flips = {entry.act for entry in entries if entry.task == task}
    return {
        claim.version
        for claim in list_claims(entries, task)
        # A flip that was written back has used nothing up: the approved version never was confirmed in service.
        if f"route/{claim.act}" in flips and f"route/{claim.act}/back" not in flips
    }


def has_had_champion(entries: Sequence[Entry], task: str) -> bool:
    """Return whether any model of a family was ever put into service, by the ledger.

    A promotion that was written back is none: nobody confirmed it in service, and the first may still be appointed.

    Args:
        entries: All of the ledger.
        task: Family.

    Raises:
        IntegrityError: A route row cannot be read.
    """
    rows = list_route_rows(entries, task)
    acts = {row.act for row in rows}
    kept = [row for row in rows if f"{row.act}/back" not in acts]
    done = any(one.kind == PROMOTION and one.task == task and one.content.get("step") == DONE for one in entries)
    return done or any(route_of(row).models for row in kept)


def count_written_back(entries: Sequence[Entry], claim: Claim) -> int:
    """Return how often the version of a claim was put into service and written back, since it was approved last."""
    since = _find_approved(entries, claim.task, claim.version)
    backs = {entry.act for entry in entries if entry.kind == ROUTE and entry.task == claim.task}
    return sum(
        one.version == claim.version and one.entry.sequence > since and f"route/{one.act}/back" in backs
        for one in list_claims(entries, claim.task)
    )


def find_failure(entries: Sequence[Entry], task: str, version: int) -> str:
    """Return why the last promotion of a version failed for good; empty when it did not, or is approved since."""
    claims = [claim for claim in list_claims(entries, task) if claim.version == version]
    acts = {claim.act for claim in claims}
    voids = [entry for entry in entries if entry.kind == VOID and entry.content.get("claim") in acts]
    if not voids or voids[-1].sequence < claims[-1].entry.sequence or not voids[-1].content["is_final"]:
        return ""
    if _find_approved(entries, task, version) > voids[-1].sequence:
        return ""
    return str(voids[-1].content["because"])


def _find_approved(entries: Sequence[Entry], task: str, version: int) -> int:
    """Return the sequence of the last approval of a version, 0 for none."""
    rows = (entry for entry in reversed(entries) if entry.kind == APPROVAL and entry.task == task)
    return next((entry.sequence for entry in rows if entry.content.get("version") == version), 0)
