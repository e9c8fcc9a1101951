"""What the gate writes: judgements, the first champion, fresh sets. Each act that runs twice is written once."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from voxloop.errors import RefusedError
from voxloop.ledger.book import Ledger
from voxloop.ledger.entry import BOOTSTRAP, FRESH_SET, JUDGEMENT, Draft, Entry
from voxloop.ledger.looks import FrozenSet
from voxloop.store.digests import digest_json
from voxloop.verdict import Verdict


def record_judgement(
    ledger: Ledger, *, task: str, model: str, verdict: Verdict, evidence: Mapping[str, object], at: datetime
) -> Entry:
    """Write what a gate said.

    The same words about the same evidence are one judgement; any other word, figure or digest makes another.

    Args:
        ledger: The book.
        task: Family.
        model: Digest of the model that was judged; of the evaluation where it names no model.
        verdict: What was said.
        evidence: Digests of evaluation, policy and champion, and the reasons; no name of a speaker.
        at: Aware.

    Raises:
        InputError: The evidence is no JSON, or too long.
        IntegrityError: The end of the ledger is not as it was left.
        ServiceUnavailableError: The ledger does not answer.
    """
    payload = {**evidence, "verdict": str(verdict)}
    act = f"{JUDGEMENT}/{digest_json([task, model, payload])}"
    return ledger.append(Draft(kind=JUDGEMENT, task=task, subject=model, act=act, payload=payload, at=at))


def record_bootstrap(ledger: Ledger, *, task: str, model: str, because: str, at: datetime) -> Entry:
    """Write that an approver appoints the first champion of a family.

    Args:
        ledger: The book.
        task: Family.
        model: Digest of the model.
        because: Why it may be the first.
        at: Aware.

    Raises:
        RefusedError: Another one was appointed before.
        IntegrityError: The ledger is not whole.
        ServiceUnavailableError: The ledger does not answer.
    """
    draft = Draft(
        kind=BOOTSTRAP, task=task, subject=model, act=f"{BOOTSTRAP}/{task}", payload={"because": because}, at=at
    )
    while True:
        entries = ledger.read()
        if before := next((entry for entry in entries if entry.act == draft.act), None):
            return _require_first(before, draft)
        if entry := ledger.append_after(draft, len(entries)):
            return entry


def has_bootstrap(ledger: Ledger, task: str) -> bool:
    """Return whether a family ever had a first champion.

    Raises:
        IntegrityError: The ledger is not whole: what was taken out of it is not taken for never there.
        ServiceUnavailableError: The ledger does not answer.
    """
    return any((entry.kind, entry.task) == (BOOTSTRAP, task) for entry in ledger.read())


def record_fresh_set(ledger: Ledger, evaluation_set: FrozenSet, *, at: datetime) -> Entry:
    """Write that an evaluation set was cut.

    Args:
        ledger: The book.
        evaluation_set: As it was frozen.
        at: Aware.

    Raises:
        IntegrityError: The end of the ledger is not as it was left.
        ServiceUnavailableError: The ledger does not answer.
    """
    draft = Draft(
        kind=FRESH_SET,
        task=evaluation_set.task,
        subject=evaluation_set.name,
        act=f"{FRESH_SET}/{evaluation_set.digest}",
        payload={"evaluation_set": evaluation_set.digest, "looks": evaluation_set.looks},
        at=at,
    )
    return ledger.append(draft)


def _require_first(before: Entry, draft: Draft) -> Entry:
    if before.subject == draft.subject:
        return before
    raise RefusedError(
        f"{draft.task} had a first champion already: {before.subject[:12]}, {before.at[:10]}",
        rule="a family is bootstrapped once; every later champion is held against one",
        remedy="evaluate against the champion, and gate without --bootstrap",
    )
