"""Approvals in the ledger: what was approved, by whom, and whether that still is what the version says."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from voxloop.ledger.book import Ledger
from voxloop.ledger.entry import APPROVAL, Draft, Entry
from voxloop.release.claims import find_failure, list_used
from voxloop.release.versions import (
    CARD_DIGEST,
    DATA_DIGEST,
    EVALUATION_DIGEST,
    MODEL_DIGEST,
    POLICY,
    VERDICT,
    ModelVersion,
)
from voxloop.store.digests import digest_json

UNVERIFIED = "unverified (MLflow tag)"
"""Who approved, where MLflow has no sign-in: whoever reached its port."""
_EVIDENCE = {
    "model": MODEL_DIGEST,
    "evaluation": EVALUATION_DIGEST,
    "data": DATA_DIGEST,
    "policy": POLICY,
    "verdict": VERDICT,
    "card": CARD_DIGEST,
}


def digest_evidence(version: ModelVersion) -> str:
    """Return the digest of what an approver approves: model, evaluation, data, policy, verdict and card."""
    return digest_json({name: version.tags.get(tag, "") for name, tag in _EVIDENCE.items()})


def record_approval(ledger: Ledger, version: ModelVersion, *, by: str, at: datetime) -> Entry:
    """Write that a version was approved, unless there is a row of it with the same evidence.

    Args:
        ledger: The book.
        version: As it was approved.
        by: Who approved.
        at: Aware.

    Raises:
        IntegrityError: The ledger is not whole.
        ServiceUnavailableError: It does not answer.
    """
    evidence = digest_evidence(version)
    parts = {name: version.tags.get(tag, "") for name, tag in _EVIDENCE.items()}
    payload = {"version": version.number, "by": by, "evidence": evidence, **parts}
    act = f"{APPROVAL}/{version.task}/{version.number}/{digest_json(payload)[:16]}"
    subject = version.model_digest
    draft = Draft(kind=APPROVAL, task=version.task, subject=subject, act=act, payload=payload, at=at)

    def decide(entries: list[Entry]) -> Draft | Entry:
        rows = list_approvals(entries, version)
        return next((row for row in rows if row.content["evidence"] == evidence), draft)

    return ledger.append_decided(decide)


def list_approvals(entries: Sequence[Entry], version: ModelVersion) -> list[Entry]:
    """Return the approvals of a version, by sequence; of the model it had when it was approved."""
    return [
        entry
        for entry in entries
        if entry.kind == APPROVAL and entry.task == version.task and entry.content.get("version") == version.number
    ]


def find_recorded_objection(entries: Sequence[Entry], version: ModelVersion, *, by_name: bool) -> str:
    """Return why the ledger lets an approved version not into service, or nothing when it does.

    Args:
        entries: All of the ledger.
        version: Approved, as the registry says.
        by_name: A person asked for this very version, and may try again what has failed.
    """
    if version.number in list_used(entries, version.task):
        return "its approval is used up, it was in service before"
    rows = list_approvals(entries, version)
    if rows and all(row.content["evidence"] != digest_evidence(version) for row in rows):
        return "what it says of itself has changed since it was approved"
    if not by_name and (failure := find_failure(entries, version.task, version.number)):
        return f"its promotion failed ({failure}); `voxloop deploy --version {version.number}` tries again"
    return ""
