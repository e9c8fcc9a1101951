"""Claiming a retraining, beginning an attempt, ending it, trying again: each a compare-and-set on the ledger.

Each may be done twice, by anybody, at any time, also by who was killed in the middle: it is written once.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from voxloop.errors import InputError, RefusedError
from voxloop.ledger.acts import require_reason
from voxloop.ledger.book import Ledger
from voxloop.ledger.entry import ATTEMPT, ATTEMPT_ENDED, RETRAINING, RETRAINING_JOINED, Draft, Entry
from voxloop.monitoring.retraining import FAILED, JUDGED, Attempt, Reason, Retraining, find_open, find_retraining


class Claimed(NamedTuple):
    """The retraining that serves a reason, and whether the reason joined one that was open for another."""

    retraining: Retraining
    has_joined: bool


def claim(
    ledger: Ledger,
    reason: Reason,
    *,
    bound: Mapping[str, Any],
    because: str,
    at: datetime,
    asked_by: Collection[str] = (),
) -> Claimed:
    """Claim the retraining of a reason, or join the one its family has open.

    Args:
        ledger: The book.
        reason: Why. A reason that was given before changes nothing: what it bound then stands.
        bound: `arguments` of the pipeline and `data`, JSON.
        because: In words, for people.
        at: Aware.
        asked_by: Names of who gives the reason: they do not approve what comes of it.

    Raises:
        InputError: What is bound is no JSON or too long.
        IntegrityError: The ledger is not whole.
        ServiceUnavailableError: It does not answer.
    """
    said = {"kind": reason.kind, "episode": reason.episode}

    def decide(entries: list[Entry]) -> Draft | Entry:
        if (known := find_retraining(entries, reason.retrain_id)) is not None:
            return known.claim
        asked = {"reason": said, "because": because, **_name_askers(asked_by)}
        kind, payload = RETRAINING, {**asked, "bound": dict(bound)}
        if (busy := find_open(entries, reason.task)) is not None:
            kind, payload = RETRAINING_JOINED, {**asked, "joins": busy.retrain_id}
        act = f"{kind}/{reason.retrain_id}"
        return Draft(kind=kind, task=reason.task, subject=reason.retrain_id, act=act, payload=payload, at=at)

    ledger.append_decided(decide)
    found = require_retraining(ledger.read(), reason.retrain_id)
    return Claimed(found, found.retrain_id != reason.retrain_id)


def begin_attempt(ledger: Ledger, retrain_id: str, *, code: str, at: datetime) -> Attempt:
    """Begin the first attempt, or go on with the one that is under way.

    Args:
        ledger: The book.
        retrain_id: Of a retraining that is open.
        code: Digest of the code that is to run.
        at: Aware.

    Raises:
        RefusedError: The retraining has ended, or its attempt was begun by other code.
        InputError: There is no such retraining.
        IntegrityError: The ledger is not whole.
        ServiceUnavailableError: It does not answer.
    """

    def decide(entries: list[Entry]) -> Draft | Entry:
        found = require_retraining(entries, retrain_id)
        _require_open(found)
        return found.attempts[-1].began if found.attempts else _draft_attempt(found, 1, code, "", at)

    began = ledger.append_decided(decide)
    if began.content["code"] != code:
        raise RefusedError(
            f"attempt {began.content['attempt']} of {retrain_id} was begun by code {began.content['code'][:12]}, "
            f"this is {code[:12]}",
            rule="code and configuration are bound when an attempt begins",
            remedy=f"voxloop retry {retrain_id} --because '…' ends it and begins another",
        )
    return Attempt(began, None)


def end_attempt(ledger: Ledger, began: Attempt, outcome: Mapping[str, Any], *, at: datetime) -> Entry:
    """Write how an attempt ended, unless it has ended before.

    Args:
        ledger: The book.
        began: The attempt.
        outcome: `error` with the problem in words where nothing was judged; else what was.
        at: Aware.

    Raises:
        InputError: The outcome is no JSON or too long.
        IntegrityError: The ledger is not whole.
        ServiceUnavailableError: It does not answer.
    """
    entry, number = began.began, began.number

    def decide(entries: list[Entry]) -> Draft | Entry:
        for known in require_retraining(entries, entry.subject).attempts:
            if known.number == number and known.ended is not None:
                return known.ended
        return Draft(
            kind=ATTEMPT_ENDED,
            task=entry.task,
            subject=entry.subject,
            act=f"{ATTEMPT_ENDED}/{entry.subject}/{number}",
            payload={"attempt": number, **outcome},
            at=at,
        )

    return ledger.append_decided(decide)


def begin_retry(
    ledger: Ledger, retrain_id: str, *, code: str, because: str, at: datetime, asked_by: Collection[str] = ()
) -> Attempt:
    """Begin another attempt at a retraining that has failed, under the same id.

    One that is under way is gone on with. Who asks for it, by the names `asked_by`, does not approve what comes of it.

    Raises:
        InputError: There is no such retraining, or no reason.
        RefusedError: It was judged, nothing of it was tried yet, or the family has another one open.
        IntegrityError: The ledger is not whole.
        ServiceUnavailableError: It does not answer.
    """
    why = require_reason(because)

    def decide(entries: list[Entry]) -> Draft | Entry:
        found = require_retraining(entries, retrain_id)
        last = _last_attempt(found)
        if last.ended is None:
            return last.began
        if found.state != FAILED:
            raise RefusedError(
                f"{retrain_id} is {found.state}", rule="only what failed is tried again", remedy="give a new reason"
            )
        if (busy := find_open(entries, found.claim.task)) is not None:
            raise RefusedError(
                f"{found.claim.task} has {busy.retrain_id} open",
                rule="a family has one open retraining",
                remedy="wait for its end",
            )
        return _draft_attempt(found, last.number + 1, code, why, at, asked_by)

    return Attempt(ledger.append_decided(decide), None)


def require_retraining(entries: Sequence[Entry], retrain_id: str) -> Retraining:
    """Return the retraining that serves the reason of this id.

    Raises:
        InputError: There is none.
    """
    found = find_retraining(entries, retrain_id)
    if found is None:
        raise InputError(
            f"no retraining {retrain_id!r} in the ledger",
            rule="its first entry is of kind retraining",
            remedy="voxloop ledger show --kind retraining lists them",
        )
    return found


def _last_attempt(found: Retraining) -> Attempt:
    if not found.attempts:
        raise RefusedError(
            f"{found.retrain_id} was not tried yet",
            rule="only what failed is tried again",
            remedy="start what has claimed it again",
        )
    return found.attempts[-1]


def _require_open(found: Retraining) -> None:
    if found.state == JUDGED:
        raise RefusedError(f"{found.retrain_id} was judged", rule="a reason is served once", remedy="give a new reason")
    if found.state == FAILED:
        problem = found.attempts[-1].outcome["error"]
        raise RefusedError(
            f"attempt {found.attempts[-1].number} of {found.retrain_id} failed: {problem}",
            rule="what failed for good is tried again by a person",
            remedy=f"mend it, then voxloop retry {found.retrain_id} --because '…'",
        )


def _draft_attempt(
    found: Retraining, number: int, code: str, because: str, at: datetime, asked_by: Collection[str] = ()
) -> Draft:
    return Draft(
        kind=ATTEMPT,
        task=found.claim.task,
        subject=found.retrain_id,
        act=f"{ATTEMPT}/{found.retrain_id}/{number}",
        payload={"attempt": number, "code": code, "because": because, **_name_askers(asked_by)},
        at=at,
    )


def _name_askers(asked_by: Collection[str]) -> dict[str, list[str]]:
    """Return what a page says of who asked; one of before, and one that nobody asked for, has no such key."""
    names = sorted({name.casefold() for name in asked_by})
    return {"asked_by": names} if names else {}
