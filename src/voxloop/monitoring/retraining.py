"""Retrainings as the ledger tells them: one id a reason, one open retraining a family, attempts numbered under it.

A reason is a family, a kind (a night, an episode of drift, a person who asks) and which one of that kind. However often
it is given, it is one retraining: the first to give it claims it, and arguments and data are bound then. While a family
has an open retraining, any further reason joins that one.

    claimed ──attempt──► under way ──► judged           its verdict stands in the ledger; the reason is served
                             │  ▲
                             ▼  │ voxloop retry
                           failed                       the family is free for the next reason
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from voxloop.errors import InputError
from voxloop.ledger.entry import ATTEMPT, ATTEMPT_ENDED, RETRAINING, RETRAINING_JOINED, Entry
from voxloop.store.digests import digest_json

NIGHT, DRIFT, ASKED = "night", "drift", "asked"
KINDS = (NIGHT, DRIFT, ASKED)
"""Of reasons."""
CLAIMED, UNDER_WAY, JUDGED, FAILED = "claimed", "under way", "judged", "failed"
_PREFIX = "retrain-"
_ID = re.compile(rf"{_PREFIX}[0-9a-f]{{16}}")


@dataclass(frozen=True)
class Reason:
    """Why a family is trained again.

    Args:
        task: Family.
        kind: One of `KINDS`.
        episode: Which one of its kind: a night, an episode of drift, what a person or a scheduler calls it.

    Raises:
        InputError: The kind is another, or the episode is empty.
    """

    task: str
    kind: str
    episode: str

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise InputError(
                f"a reason of kind {self.kind!r}", rule=f"it is one of {', '.join(KINDS)}", remedy="name one"
            )
        if not self.episode.strip():
            raise InputError("a reason without an episode", rule="it says which one of its kind", remedy="name it")

    def __str__(self) -> str:
        return f"{self.task}: {self.kind} {self.episode}"

    @property
    def retrain_id(self) -> str:
        """The name of the retraining this reason asks for: a function of the reason alone."""
        return f"{_PREFIX}{digest_json([self.task, self.kind, self.episode])[:16]}"


@dataclass(frozen=True)
class Attempt:
    """One attempt at a retraining: its first entry, and how it ended; None while it is under way."""

    began: Entry
    ended: Entry | None

    @property
    def number(self) -> int:
        """Counted from 1."""
        return int(self.began.content["attempt"])

    @property
    def outcome(self) -> dict[str, Any]:
        """What its ending says: `error`, or what was judged; empty while it is under way."""
        return {} if self.ended is None else self.ended.content

    @property
    def is_failed(self) -> bool:
        """Whether it ended without anything being judged."""
        return self.ended is not None and "error" in self.outcome

    def __str__(self) -> str:
        outcome = self.outcome
        if self.ended is None:
            return "under way, or left by a process that died"
        if self.is_failed:
            return f"failed: {outcome['error']}"
        said = {"data": outcome["data_verdict"], "gate": outcome["verdict"], "version": outcome["version"]}
        return ", ".join(f"{what} {words}" for what, words in said.items() if words is not None) or "nothing was judged"


@dataclass(frozen=True)
class Retraining:
    """One retraining: who claimed it, which reasons joined it, and its attempts in their order."""

    claim: Entry
    joined: tuple[Entry, ...]
    attempts: tuple[Attempt, ...]

    @property
    def retrain_id(self) -> str:
        """Its name."""
        return self.claim.subject

    @property
    def reason(self) -> Reason:
        """Why it was claimed."""
        return Reason(self.claim.task, **self.claim.content["reason"])

    @property
    def bound(self) -> Mapping[str, Any]:
        """What was bound at the claim: `arguments` of the pipeline, and `data`."""
        bound: Mapping[str, Any] = self.claim.content["bound"]
        return bound

    @property
    def asked_by(self) -> tuple[str, ...]:
        """Who asked for it, joined it or had it tried again, in small letters; pages of before do not say."""
        pages = (self.claim, *self.joined, *(attempt.began for attempt in self.attempts))
        return tuple(sorted({name for page in pages for name in page.content.get("asked_by", ())}))

    @property
    def state(self) -> str:
        """`claimed`, `under way`, `judged` or `failed`."""
        if not self.attempts:
            return CLAIMED
        if self.attempts[-1].ended is None:
            return UNDER_WAY
        return FAILED if self.attempts[-1].is_failed else JUDGED

    @property
    def ending(self) -> str:
        """How its last attempt ended or stands, in words."""
        return str(self.attempts[-1]) if self.attempts else self.state

    @property
    def is_open(self) -> bool:
        """Whether the family has no other until this one has ended."""
        return self.state in (CLAIMED, UNDER_WAY)


def require_retrain_id(text: str) -> str:
    """Return a retraining's name as it is; the empty one too, of what is made without a reason.

    Raises:
        InputError: No reason has that name.
    """
    if text and not _ID.fullmatch(text):
        raise InputError(
            f"retrain_id = {text[:80]!r}",
            rule=f"{_PREFIX} and 16 hexadecimal digits, a function of the reason",
            remedy="leave it to voxloop retrain",
        )
    return text


def list_retrainings(entries: Sequence[Entry], task: str | None = None) -> list[Retraining]:
    """Return the retrainings of a family, or of all, in the order of their claims.

    Args:
        entries: All of the ledger.
        task: Family.
    """
    pages: defaultdict[str, list[Entry]] = defaultdict(list)
    for entry in entries:  # once: a ledger of years has more pages than retrainings
        if entry.kind in (ATTEMPT, ATTEMPT_ENDED):
            pages[entry.subject].append(entry)
        elif entry.kind == RETRAINING_JOINED:
            pages[entry.content["joins"]].append(entry)
    claims = [entry for entry in entries if entry.kind == RETRAINING and task in (None, entry.task)]
    return [_gather(claim, pages[claim.subject]) for claim in claims]


def find_retraining(entries: Sequence[Entry], retrain_id: str) -> Retraining | None:
    """Return the retraining of that id, or the one that the reason of that id has joined; None when there is none."""
    by_id = {found.retrain_id: found for found in list_retrainings(entries)}
    joins = {entry.subject: entry.content["joins"] for entry in entries if entry.kind == RETRAINING_JOINED}
    return by_id.get(joins.get(retrain_id, retrain_id))


def find_open(entries: Sequence[Entry], task: str) -> Retraining | None:
    """Return the open retraining of a family; None when it has none."""
    return next((found for found in list_retrainings(entries, task) if found.is_open), None)


def _gather(claim: Entry, pages: Sequence[Entry]) -> Retraining:
    ended = {entry.content["attempt"]: entry for entry in pages if entry.kind == ATTEMPT_ENDED}
    attempts = [Attempt(entry, ended.get(entry.content["attempt"])) for entry in pages if entry.kind == ATTEMPT]
    joined = [entry for entry in pages if entry.kind == RETRAINING_JOINED]
    return Retraining(claim, tuple(joined), tuple(attempts))
