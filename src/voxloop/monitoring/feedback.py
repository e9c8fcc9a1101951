"""Labels that come after the answer. They wait in quarantine, one file each, until the poison checks have seen them.

<place>/quarantine/<family>/<day of the answer>/<request id>-<number>.json
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from voxloop.data.schema import TRAITS
from voxloop.data.text import find_fault
from voxloop.errors import InputError
from voxloop.monitoring.request_lookup import KnownRequest
from voxloop.store.atomic import write_file
from voxloop.store.lock import hold_lock

QUARANTINE = "quarantine"
LONGEST_TEXT = 20_000
MOST = 1_000_000
"""Of a trait, whichever scale it is on."""
FIRST_DAY, LAST_DAY = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)
FIELDS = {"emotion": "emotion", "asr": "text", "personality": "traits"}
"""What a label of each family has."""
PEOPLE = "people"
"""Tenant of labels that people gave to what was chosen for them (`voxloop read-labels`)."""
_PERSON = "person "
_LONGEST_NAME = 64
_NAME = re.compile(r"([0-9a-f]{32})-(\d{6})\.json")


def name_person(name: str) -> str:
    """Return the key of a person's labels; no key of the gateway is like it.

    Raises:
        InputError: The name is none.
    """
    if not name or len(name) > _LONGEST_NAME or not name.isprintable() or name != name.strip():
        raise InputError(
            f"{name[:80]!r} names nobody",
            rule=f"1 to {_LONGEST_NAME} printable characters, no space before or after",
            remedy="name who listened, such as anna or anna@example.org",
        )
    return f"{_PERSON}{name}"


def is_person(key_id: object) -> bool:
    """Return whether a label's key is a person's, who was given what to label."""
    return isinstance(key_id, str) and key_id.startswith(_PERSON)


@dataclass(frozen=True)
class Feedback:
    """A label that somebody gave to an answer.

    Args:
        request_id: Of the request that was answered.
        number: 1 for its first label; a later one corrects the one before, and both are kept.
        at: When it came, ISO 8601.
        answered_at: When the answer left.
        family: Who answered.
        model_digest: Which model.
        tenant: Whose key gave the label.
        key_id: Which key.
        label: As the family's answers are written: `emotion`, `text`, or `traits` by name.
    """

    request_id: str
    number: int
    at: str
    answered_at: str
    family: str
    model_digest: str
    tenant: str
    key_id: str
    label: dict[str, Any]


def order_families(families: Sequence[str], label: Mapping[str, Any]) -> tuple[list[str], list[str]]:
    """Return the families whose answers such a label is of, and the others: one request may have asked several."""
    meant = [family for family in families if FIELDS.get(family) in label]
    return meant, [family for family in families if family not in meant]


def check_label(known: KnownRequest, label: Mapping[str, Any]) -> dict[str, Any]:
    """Return a label that fits the answer it is given to.

    Raises:
        InputError: It does not name what the family answers, or is outside what the model can say.
    """
    check = {"emotion": _check_emotion, "asr": _check_text}.get(known.family, _check_traits)
    field = FIELDS.get(known.family, "traits")
    if label.keys() != {field}:
        raise _unfit(f"a label with {', '.join(sorted(label)) or 'nothing'}", f"of {known.family} it has {field!r}")
    return {field: check(known, label[field])}


def record_feedback(
    place: Path, known: KnownRequest, label: dict[str, Any], *, tenant: str, key_id: str, at: datetime
) -> tuple[Feedback, bool]:
    """Put a label into quarantine; what the newest label of the same key says once more changes nothing.

    Args:
        place: Folder of all feedback.
        known: What was answered.
        label: As `check_label` gave it.
        tenant: Whose key gives it.
        key_id: Which key.
        at: Aware.

    Returns:
        The feedback, and whether it was written now.

    Raises:
        OSError: It cannot be written.
    """
    answered = known.at.astimezone(UTC)
    folder = place / QUARANTINE / known.family / f"{answered:%Y-%m-%d}"
    with hold_lock(place / ".lock"):
        before = sorted(folder.glob(f"{known.request_id}-*.json"))
        own = [one for one in map(_read, before) if one is not None and one.key_id == key_id]
        if own and own[-1].label == label:
            return own[-1], False
        given = Feedback(
            request_id=known.request_id,
            number=len(before) + 1,
            at=at.isoformat(),
            answered_at=answered.isoformat(),
            family=known.family,
            model_digest=known.model_digest,
            tenant=tenant,
            key_id=key_id,
            label=label,
        )
        content = json.dumps(asdict(given), ensure_ascii=False) + "\n"
        write_file(folder / f"{known.request_id}-{given.number:06d}.json", content, mode=0o600)
    return given, True


def read_quarantine(
    place: Path, family: str, *, since: datetime = FIRST_DAY, until: datetime = LAST_DAY
) -> Iterator[tuple[Path, Feedback | None]]:
    """Yield what waits for the poison checks, by day, request and number; None for a file that nobody can read.

    Args:
        place: Folder of all feedback.
        family: Who answered.
        since: Answered on the day of this moment or later.
        until: Answered on the day of this moment or earlier.
    """
    first, last = (moment.astimezone(UTC).date().isoformat() for moment in (since, until))
    for path in sorted((place / QUARANTINE / family).glob("*/*.json")):
        if _NAME.fullmatch(path.name) and first <= path.parent.name <= last:
            yield path, _read(path)


def _read(path: Path) -> Feedback | None:
    try:
        return Feedback(**json.loads(path.read_bytes()))
    except (OSError, ValueError, TypeError):
        return None


def _check_emotion(known: KnownRequest, value: object) -> str:
    labels = sorted(known.answer["probabilities"])
    if not isinstance(value, str) or value not in labels:
        raise _unfit(f"emotion = {str(value)[:80]!r}", f"one of {', '.join(labels)}, which the model can say")
    return value


def _check_text(_: KnownRequest, value: object) -> str:
    if not isinstance(value, str) or len(value) > LONGEST_TEXT:
        raise _unfit(f"text = {str(value)[:80]!r}", f"text of at most {LONGEST_TEXT} characters")
    if (fault := find_fault(value)) is not None:
        raise _unfit(f"the text has {fault[1]}", f"no {fault[0]}")
    return value


def _check_traits(known: KnownRequest, value: object) -> dict[str, float]:
    """Numbers by trait; a model that answers yes or no gives a share from 0 to 1, so does its label."""
    if not isinstance(value, dict) or not value or not value.keys() <= set(TRAITS):
        raise _unfit(f"traits = {str(value)[:80]!r}", f"numbers by name, of {', '.join(TRAITS)}")
    low, high = (0, 1) if "present" in known.answer else (-MOST, MOST)
    for name, number in value.items():
        is_number = isinstance(number, int | float) and not isinstance(number, bool)
        if not is_number or not low <= number <= high:  # NaN is neither
            raise _unfit(f"{name} = {str(number)[:80]!r}", f"a number from {low} to {high}")
    return {name: float(number) for name, number in value.items()}


def _unfit(problem: str, rule: str) -> InputError:
    return InputError(problem, rule=rule, remedy="see /openapi.json, or leave the request without a label")
