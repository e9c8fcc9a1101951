"""What the gate writes: judgements, the first champion, fresh sets. Each act that runs twice is written once.

And what every act of a person needs: a reason.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import TYPE_CHECKING

from voxloop.errors import InputError
from voxloop.ledger.book import Ledger
from voxloop.ledger.entry import BOOTSTRAP, FRESH_SET, JUDGEMENT, REFROZEN_SET, Draft, Entry
from voxloop.store.digests import digest_json
from voxloop.verdict import Verdict

if TYPE_CHECKING:
    from voxloop.ledger.looks import FrozenSet


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


def record_bootstrap(ledger: Ledger, *, task: str, model: str, because: str, by: str, user: str, at: datetime) -> Entry:
    """Write that an approver lets a model through without a champion to hold it against.

    That it is the first is for the gate to see: a model let through may still be turned down by who reads its
    evidence, and then the next one is no second champion.

    Args:
        ledger: The book.
        task: Family.
        model: Digest of the model.
        because: Why it may be the first.
        by: The account of who says so.
        user: The system's account of the process, which no variable of an environment changes.
        at: Aware.

    Raises:
        IntegrityError: The end of the ledger is not as it was left.
        ServiceUnavailableError: The ledger does not answer.
    """
    payload = {"because": because, "by": by, "user": user}  # entries of before have the reason alone
    act = f"{BOOTSTRAP}/{digest_json([task, model, payload])}"
    return ledger.append(Draft(kind=BOOTSTRAP, task=task, subject=model, act=act, payload=payload, at=at))


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


def record_refrozen_set(ledger: Ledger, evaluation_set: FrozenSet, *, supersedes: str, at: datetime) -> Entry:
    """Write that an erasure took rows out of an evaluation set, which has another digest now.

    Args:
        ledger: The book.
        evaluation_set: As it is frozen now.
        supersedes: Its digest before.
        at: Aware.

    Raises:
        IntegrityError: The end of the ledger is not as it was left.
        ServiceUnavailableError: The ledger does not answer.
    """
    payload = {
        "evaluation_set": evaluation_set.digest,
        "looks": evaluation_set.looks,
        "supersedes": supersedes,
    }
    act = f"{REFROZEN_SET}/{supersedes}/{evaluation_set.digest}"
    task, subject = evaluation_set.task, evaluation_set.name
    return ledger.append(Draft(kind=REFROZEN_SET, task=task, subject=subject, act=act, payload=payload, at=at))


def list_counted_sets(entries: Iterable[Entry], task: str) -> dict[str, str]:
    """Return the digest of every frozen set of a family whose looks count, by name, as it was frozen last.

    Args:
        entries: All of the ledger.
        task: Family.
    """
    frozen = {
        entry.subject: entry.content
        for entry in entries
        if entry.kind in (FRESH_SET, REFROZEN_SET) and entry.task == task
    }
    return {name: str(said["evaluation_set"]) for name, said in frozen.items() if said["looks"] == "counted"}


def require_reason(because: str) -> str:
    """Return a reason without the space around it.

    Raises:
        InputError: Nothing is left.
    """
    if not because.strip():
        raise InputError("--because is empty", rule="the reason is kept for good", remedy="say why")
    return because.strip()
