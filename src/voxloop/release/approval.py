"""Which version may go into service: rules over the tags of versions, and nothing else."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from voxloop.errors import InputError, RefusedError
from voxloop.release.versions import (
    APPROVAL,
    APPROVED,
    JUDGED_AGAINST,
    NO_CHAMPION,
    VERDICT,
    ModelVersion,
)

REJECTED = "rejected"


@dataclass(frozen=True)
class Choice:
    """The version to put into service next, and what a person should know about the others."""

    version: ModelVersion | None
    notices: tuple[str, ...]


Approved = Callable[[ModelVersion], bool]
"""Whether the ledger holds an approval of a version that was not taken back: the tag is its picture, nothing more."""
Objected = Callable[[ModelVersion], str]
"""Why the ledger does not let an approved version into service; empty when it does."""


Rank = Callable[[ModelVersion], float]
"""How late a version was approved."""


def choose_next(
    versions: Iterable[ModelVersion],
    champion: ModelVersion | None,
    approved: Approved,
    objected: Objected = lambda _: "",
    rank: Rank = lambda version: version.number,
) -> Choice:
    """Return the version approved last that is newer than the champion and may replace it.

    An approved version that may not is passed over and named in a notice, as is a tag that reads like an approval and
    is none.
    """
    newer = [version for version in versions if champion is None or version.number > champion.number]
    newer.sort(key=lambda version: (rank(version), version.number), reverse=True)
    notices = [notice for version in newer for notice in find_slips(version, is_approved=approved(version))]
    for version in newer:
        if not approved(version):
            continue
        if problem := find_objection(version, champion) or objected(version):
            notices.append(f"{version} is approved, but {problem}: not deployed")
        else:
            return Choice(version, tuple(notices))
    return Choice(None, tuple(notices))


def require_deployable(
    number: int,
    versions: Sequence[ModelVersion],
    champion: ModelVersion | None,
    approved: Approved,
    objected: Objected = lambda _: "",
    *,
    task: str,
) -> ModelVersion:
    """Return version `number`, asked for by name.

    Raises:
        InputError: There is no such version.
        RefusedError: It is not approved, or may not replace the champion.
    """
    found = next((version for version in versions if version.number == number), None)
    if found is None:
        known = ", ".join(str(version.number) for version in versions) or "none"
        raise InputError(f"{task} has no version {number}", rule=f"registered are {known}", remedy="name one of them")
    if champion is not None and found.number == champion.number:
        return found
    if not approved(found):
        raise RefusedError(
            f"{found} is not approved ({APPROVAL} = {found.tags.get(APPROVAL)!r}, none stands in the ledger)",
            rule="a person approves a version before it is served",
            remedy=f"sign in to the MLflow UI as an approver and set the tag {APPROVAL}={APPROVED} on it",
        )
    if problem := find_objection(found, champion) or objected(found):
        raise RefusedError(f"{found} may not be deployed: {problem}", remedy="run the training pipeline again")
    return found


def find_objection(version: ModelVersion, champion: ModelVersion | None) -> str:
    """Return why an approved version may not replace `champion`, or nothing when it may.

    A verdict is a comparison: it says nothing about a champion that came later.
    """
    in_service = champion.model_digest if champion else NO_CHAMPION
    if not version.model_digest:
        return "it carries no model digest"
    if version.was_champion:
        return "its approval is used up, it was in service before"
    if not version.is_pass:
        return f"its verdict is {version.tags.get(VERDICT, 'missing')}, not PASS"
    if champion is not None and version.number < champion.number:
        return f"it is older than the champion, version {champion.number}"
    if (judged := version.tags.get(JUDGED_AGAINST, "nothing")) != in_service:
        return f"it was judged against {judged[:12]} and {in_service[:12]} is in service"
    return ""


def find_slips(version: ModelVersion, *, is_approved: bool) -> list[str]:
    """Return a notice for each tag of `version` that reads like an approval and is none."""
    notices = []
    value = version.tags.get(APPROVAL)
    if value == APPROVED and not is_approved:
        notices.append(f"{version} has {APPROVAL} = {value!r}, and the ledger no approval of it: not deployed")
    elif value not in (None, APPROVED, REJECTED):
        notices.append(
            f"{version} has {APPROVAL} = {value!r}, which is neither {APPROVED!r} nor {REJECTED!r}: not deployed"
        )
    meant = [tag for tag in version.tags if tag.partition(".")[0] != APPROVAL and _resembles(tag, APPROVAL)]
    return [*notices, *(f"{version} has a tag {tag!r}: was {APPROVAL!r} meant?" for tag in meant)]


def _resembles(word: str, meant: str) -> bool:
    return difflib.SequenceMatcher(None, word.strip().lower(), meant).ratio() > 0.8
