"""One entry: what it says, how it is sealed, and how it hangs on the entry before it."""

from __future__ import annotations

import hmac
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from typing import Any

from voxloop.errors import InputError, IntegrityError
from voxloop.store.digests import canonical_json

JUDGEMENT, LOOK, BOOTSTRAP, FRESH_SET, HEAD_RESTORED = "judgement", "look", "bootstrap", "fresh_set", "head_restored"
REFROZEN_SET = "refrozen_set"
"""Kinds of entries about evidence. Any other word of small letters is a kind too."""
ROUTE = "route"
"""Kind of the entry that says who is served what; the newest of a family is in force."""
REGISTRATION, APPROVAL, PROMOTION, ROLLBACK, VOID = "registration", "approval", "promotion", "rollback", "void"
FREEZE, UNFREEZE = "freeze", "unfreeze"
"""Kinds of the entries about release, beside the route."""
RESTORED = "restored"
"""Kind of the entry that says from which backup the ledger goes on."""
RETRAINING, RETRAINING_JOINED = "retraining", "retraining_joined"
ATTEMPT, ATTEMPT_ENDED = "attempt", "attempt_ended"
"""Kinds of the entries about retrainings."""
DECISION = "decision"
"""Kind of the entry that says what was decided about drift, and why."""
NOTHING = "0" * 64
"""What the first entry has for the digest of the one before it."""
LONGEST_NAME, LONGEST_PAYLOAD = 500, 1 << 18
"""Characters: an entry points at evidence by digest, it is no place to keep it."""
_KIND = re.compile(r"[a-z][a-z_]*")


class Sealer:
    """Seals entries and heads with HMAC-SHA256 (RFC 2104), under a key derived from the runner's.

    A seal of the ledger is none of a job record, and the other way round, though both come from one secret.

    Args:
        runner_key: `voxloop.store.runner_key`.
    """

    def __init__(self, runner_key: bytes) -> None:
        self._secret = hmac.digest(runner_key, b"voxloop ledger", "sha256")
        self.name = hmac.new(self._secret, b"name", "sha256").hexdigest()[:16]

    def seal(self, what: str, content: Mapping[str, object]) -> str:
        """Return the seal, as hex, of `content` as a `what`."""
        # What is no UTF-8 in the database arrives as surrogates, and gets the seal of nothing that was ever sealed.
        text = canonical_json({**content, "what": what}).encode(errors="surrogateescape")
        return hmac.digest(self._secret, text, "sha256").hex()


@dataclass(frozen=True, kw_only=True)
class Draft:
    """What is to be written.

    Args:
        kind: A word of small letters and `_`.
        task: Family it is about.
        subject: What it is about, such as a model's digest or an evaluation set.
        act: Name of the act that writes it, unique in the ledger: an act that runs twice writes once.
        payload: What else it says: JSON, digests rather than content, and no name of a speaker.
        at: Aware.

    Raises:
        InputError: A field is empty, too long or not printable, the time is naive or the payload is no JSON.
    """

    kind: str
    task: str
    subject: str
    act: str
    payload: Mapping[str, object]
    at: datetime

    def __post_init__(self) -> None:
        if not _KIND.fullmatch(self.kind):
            raise _unfit("kind", self.kind, "a kind is a word of small letters and _")
        for name in ("task", "subject", "act"):
            if not (text := getattr(self, name)) or len(text) > LONGEST_NAME or not text.isprintable():
                raise _unfit(name, text, f"1 to {LONGEST_NAME} printable characters")
        if self.at.tzinfo is None:
            raise _unfit("at", self.at.isoformat(), "a time says its zone")
        try:
            self.at.astimezone(UTC)
        except OverflowError:
            raise _unfit("at", self.at.isoformat(), "a time is in the years 1 to 9999 in UTC too") from None
        if len(self.text) > LONGEST_PAYLOAD:
            raise _unfit("payload", f"{len(self.text)} characters", f"at most {LONGEST_PAYLOAD}")

    @property
    def text(self) -> str:
        """The payload as canonical JSON."""
        try:
            text = canonical_json(dict(self.payload))
            text.encode()
        except (TypeError, ValueError) as wrong:
            raise _unfit("payload", str(wrong), "JSON without NaN and infinity") from None
        return text


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One line of the ledger.

    Args:
        sequence: 1, 2, 3 … without gaps.
        at: ISO 8601 in UTC.
        kind: As in `Draft`, so are task, subject and act.
        task: Family.
        subject: What it is about.
        act: Unique name of the act.
        payload: Canonical JSON.
        previous: Digest of the entry before it.
        sealer: Short name of the key that sealed it; tells nothing about the key.
        digest: Seal over all of the above.
    """

    sequence: int
    at: str
    kind: str
    task: str
    subject: str
    act: str
    payload: str
    previous: str
    sealer: str
    digest: str

    @property
    def content(self) -> dict[str, Any]:
        """The payload, read."""
        content: dict[str, Any] = json.loads(self.payload)
        return content

    def is_sealed(self, sealer: Sealer, *, sequence: int | None = None) -> bool:
        """Return whether the digest is the seal of the rest.

        Args:
            sealer: Holds the key.
            sequence: Ask as if it stood there.
        """
        rest = {**vars(self), "sequence": sequence or self.sequence}
        del rest["digest"]
        return hmac.compare_digest(self.digest.encode(errors="replace"), sealer.seal("entry", rest).encode())

    def require_same(self, draft: Draft) -> Entry:
        """Return the entry when it says what `draft` says; the time may differ.

        Raises:
            IntegrityError: The same act wrote something else.
        """
        if (self.kind, self.task, self.subject, self.payload) == (draft.kind, draft.task, draft.subject, draft.text):
            return self
        raise IntegrityError(
            f"the act {draft.act!r} is ledger entry {self.sequence}, with other content",
            rule="an act that runs twice says the same twice",
            remedy=f"see voxloop ledger show --subject {self.subject!r}",
        )


FIELDS = tuple(field.name for field in fields(Entry))
"""Columns, in order."""


def seal_entry(draft: Draft, sequence: int, previous: str, sealer: Sealer) -> Entry:
    """Return the entry that `draft` becomes at `sequence`, after the entry with the digest `previous`."""
    at = draft.at.astimezone(UTC).isoformat(timespec="microseconds")
    named = {"kind": draft.kind, "task": draft.task, "subject": draft.subject, "act": draft.act}
    rest = {"sequence": sequence, "at": at, **named, "payload": draft.text, "previous": previous, "sealer": sealer.name}
    return Entry(**rest, digest=sealer.seal("entry", rest))  # type: ignore[arg-type]


def read_entry(row: tuple[object, ...]) -> Entry | None:
    """Return a row of the database as an entry; None when a value has another type than was written."""
    right = type(row[0]) is int and all(type(value) is str for value in row[1:])
    return Entry(**dict(zip(FIELDS, row, strict=True))) if right else None  # type: ignore[arg-type]


def _unfit(name: str, value: object, rule: str) -> InputError:
    return InputError(f"{name} = {str(value)[:80]!r} of a ledger entry", rule=rule, remedy=f"give another {name}")
