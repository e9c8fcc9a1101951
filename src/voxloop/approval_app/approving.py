"""The approval: a tag set in the MLflow UI is a request. When it holds, the ledger's row is written, then the tag."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from voxloop.approval_app import routes
from voxloop.approval_app.bodies import read_text
from voxloop.approval_app.report import require_report
from voxloop.approval_app.rules import COMMENT, Fields, Writing, judge_write
from voxloop.errors import InputError
from voxloop.ledger.book import Ledger
from voxloop.ledger.entry import Entry
from voxloop.release.approval import REJECTED
from voxloop.release.approvals import record_approval, require_approvable, void_approval
from voxloop.release.freezes import find_freeze
from voxloop.release.roles import Role
from voxloop.release.versions import APPROVAL, APPROVED, ModelVersion

BY, AT, EVIDENCE, NOTICE = (f"{APPROVAL}.{part}" for part in ("by", "at", "evidence", "notice"))
"""Tags that picture the row. Setting them by hand says nothing, and nobody may."""


@dataclass(frozen=True)
class Approvals:
    """Judges what is written, and takes approvals down.

    Args:
        ledger: The book that is believed.
        lasts: How long an approval stands.
        clock: Gives the moment to record.
    """

    ledger: Ledger
    lasts: timedelta
    clock: Callable[[], datetime]

    def judge(self, writing: Writing) -> Fields:
        """Return what is handed inwards of a request to write; an approval is in the ledger by then.

        Raises:
            RefusedError: The role may not, or the version may not be approved by this account.
            InputError: A value that is no answer.
            IntegrityError: The ledger is not whole.
            ServiceUnavailableError: It does not answer.
        """
        fields = judge_write(writing)
        is_answer = writing.account.role is Role.APPROVER and writing.fields.get("key") == APPROVAL
        if not is_answer:
            return fields
        version = writing.tracked.find_version(read_text(fields, "name"), read_text(fields, "version"))
        if writing.asked == routes.UNTAG_VERSION:
            self._void(writing, version, "taken back")
        elif (word := require_word(fields.get("value"))) == APPROVED:
            self._approve(writing, version)
        else:
            self._void(writing, version, f"{word}: {require_reason(version)}")
        return {**fields, "version": str(version.number)}

    def _approve(self, writing: Writing, version: ModelVersion) -> None:
        account, at = writing.account, self.clock()
        require_approvable(self.ledger.read(), version, account.names)
        require_report(writing.tracked, version)
        row = record_approval(
            self.ledger,
            version,
            by=account.name,
            names=account.names,
            at=at,
            lasts=self.lasts,
            comment=version.tags.get(COMMENT, ""),
        )
        frozen = find_freeze(self.ledger.read(), version.task, at)
        notice = f"approved; {frozen}" if frozen else ""
        draw(writing, version, {BY: row.content["by"], AT: row.at, EVIDENCE: row.content["evidence"], NOTICE: notice})

    def _void(self, writing: Writing, version: ModelVersion, because: str) -> Entry:
        row = void_approval(self.ledger, version, by=writing.account.name, because=because, at=self.clock())
        draw(writing, version, {BY: row.content["by"], AT: row.at, EVIDENCE: "", NOTICE: because})
        return row


def require_word(value: object) -> str:
    """Return what an approver says of a version.

    Raises:
        InputError: It is neither of the two words, be it by a slip of the pen.
    """
    if value not in (APPROVED, REJECTED):
        raise InputError(
            f"{APPROVAL} = {str(value)[:80]!r}",
            rule=f"it is {APPROVED!r} or {REJECTED!r}, spelled so",
            remedy=f"set it again; to say why, set {COMMENT} before",
        )
    return str(value)


def require_reason(version: ModelVersion) -> str:
    """Return why a version is rejected.

    Raises:
        InputError: Nobody has said it.
    """
    if because := version.tags.get(COMMENT, "").strip():
        return because
    raise InputError(
        f"{APPROVAL} = {REJECTED!r} without a reason",
        rule="who trained it, and who looks later, must know why",
        remedy=f"set the tag {COMMENT} first, then {APPROVAL} again",
    )


def draw(writing: Writing, version: ModelVersion, picture: dict[str, str]) -> None:
    """Have the tags of a version show what the ledger says; what is empty is taken away."""
    for key, value in picture.items():
        if value:
            writing.tracked.tag_version(version, key, value)
        elif key in version.tags:
            writing.tracked.untag_version(version, key)
