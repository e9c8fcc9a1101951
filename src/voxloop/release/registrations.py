"""What a version was when it was registered, and whose work it is, in the ledger: where nobody changes it later."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime

from voxloop.errors import IntegrityError
from voxloop.ledger.book import Ledger
from voxloop.ledger.entry import REGISTRATION, Draft, Entry
from voxloop.release.versions import (
    CARD_DIGEST,
    DATA_DIGEST,
    EVALUATION_DIGEST,
    MODEL_DIGEST,
    POLICY,
    RETRAIN_ID,
    VERDICT,
    ModelVersion,
)
from voxloop.store.digests import digest_json

_EVIDENCE = {
    "model": MODEL_DIGEST,
    "evaluation": EVALUATION_DIGEST,
    "data": DATA_DIGEST,
    "policy": POLICY,
    "verdict": VERDICT,
    "card": CARD_DIGEST,
}


def read_evidence_parts(version: ModelVersion) -> dict[str, str]:
    """Return what a version says of itself: model, evaluation, data, policy, verdict and card."""
    return {name: version.tags.get(tag, "") for name, tag in _EVIDENCE.items()}


def digest_evidence(version: ModelVersion) -> str:
    """Return the digest of what an approver approves: model, evaluation, data, policy, verdict and card."""
    return digest_json(read_evidence_parts(version))


def record_registration(ledger: Ledger, version: ModelVersion, *, trained_by: Iterable[str], at: datetime) -> Entry:
    """Write what a version was registered with, unless there is a row of it.

    Args:
        ledger: The book.
        version: With the tags it was given, not those the registry has by now.
        trained_by: Names and mails of whose work it is; none when that is unknown, and then nobody may approve it.
        at: Aware.

    Raises:
        IntegrityError: The version was registered with other evidence, or the ledger is not whole.
        ServiceUnavailableError: It does not answer.
    """
    parts, evidence = read_evidence_parts(version), digest_evidence(version)
    named = sorted({name.casefold() for name in trained_by})
    # A page of before, and of what was made without a reason, has no such key.
    made_for = {"retrain_id": retrain_id} if (retrain_id := version.tags.get(RETRAIN_ID)) else {}
    payload = {
        "version": version.number,
        "run": version.run_id,
        "evidence": evidence,
        "trained_by": named,
        **made_for,
        **parts,
    }
    act = f"{REGISTRATION}/{version.task}/{version.number}"
    draft = Draft(kind=REGISTRATION, task=version.task, subject=version.model_digest, act=act, payload=payload, at=at)
    row = ledger.append_decided(lambda entries: find_registration(entries, version) or draft)
    if row.content["evidence"] != evidence:
        raise IntegrityError(
            f"{version} was registered with other evidence (ledger entry {row.sequence})",
            rule="a version is registered once",
            remedy="train and register again",
        )
    return row


def find_registration(entries: Sequence[Entry], version: ModelVersion) -> Entry | None:
    """Return the row of a version's registration.

    Args:
        entries: All of the ledger.
        version: By its task and number.
    """
    rows = (entry for entry in entries if entry.kind == REGISTRATION and entry.task == version.task)
    return next((row for row in rows if row.content["version"] == version.number), None)


def list_changes(registration: Entry, version: ModelVersion) -> list[str]:
    """Return which parts of its evidence a version says otherwise than when it was registered."""
    return [name for name, said in read_evidence_parts(version).items() if registration.content[name] != said]
