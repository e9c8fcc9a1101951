"""Approvals in the ledger: what was approved, by whom, and whether that still stands. The row is the approval."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta

from voxloop.errors import RefusedError
from voxloop.ledger.book import Ledger
from voxloop.ledger.entry import APPROVAL, JUDGEMENT, VOID, Draft, Entry
from voxloop.release.canary_plan import find_futile_canary
from voxloop.release.champion import list_promoted, read_champion
from voxloop.release.past_claims import find_failure, list_used
from voxloop.release.registrations import (
    digest_evidence,
    find_registration,
    list_changes,
    read_evidence_parts,
)
from voxloop.release.routes import find_route_row
from voxloop.release.versions import EVALUATION_DIGEST, JUDGED_AGAINST, NO_CHAMPION, VERDICT, ModelVersion
from voxloop.verdict import Verdict


def record_approval(
    ledger: Ledger,
    version: ModelVersion,
    *,
    by: str,
    names: Collection[str],
    at: datetime,
    lasts: timedelta,
    comment: str = "",
) -> Entry:
    """Write that a version is approved, unless it is already.

    Args:
        ledger: The book.
        version: As it is registered now.
        by: The account that signed in.
        names: All that its owner is known by, in small letters: the name, mails.
        at: Aware.
        lasts: How long an approval stands.
        comment: What the approver says.

    Raises:
        RefusedError: It may not be approved, or not by them.
        IntegrityError: The ledger is not whole.
        ServiceUnavailableError: It does not answer.
    """
    evidence = digest_evidence(version)
    said = {"version": version.number, "by": by, "comment": comment, "evidence": evidence}

    def decide(entries: list[Entry]) -> Draft | Entry:
        require_approvable(entries, version, names)
        standing = find_approval(entries, version)
        if standing is not None and not find_lapse(standing, version, at=at, lasts=lasts):
            return standing
        payload = {**said, **read_evidence_parts(version)}
        act = f"{APPROVAL}/{version.task}/{version.number}/{1 + len(list_decisions(entries, version))}"
        subject = version.model_digest
        return Draft(kind=APPROVAL, task=version.task, subject=subject, act=act, payload=payload, at=at)

    return ledger.append_decided(decide)


def void_approval(ledger: Ledger, version: ModelVersion, *, by: str, because: str, at: datetime) -> Entry:
    """Write that a version is not to serve: rejected, or its approval taken back. Said already, nothing is written.

    Raises:
        IntegrityError: The ledger is not whole.
        ServiceUnavailableError: It does not answer.
    """

    def decide(entries: list[Entry]) -> Draft | Entry:
        before = list_decisions(entries, version)
        if before and before[-1].kind == VOID and before[-1].content["because"] == because:
            return before[-1]
        approval = before[-1].act if before and before[-1].kind == APPROVAL else None
        payload = {"version": version.number, "approval": approval, "by": by, "because": because}
        act = f"{VOID}/{APPROVAL}/{version.task}/{version.number}/{1 + len(before)}"
        subject = version.model_digest or str(version)
        return Draft(kind=VOID, task=version.task, subject=subject, act=act, payload=payload, at=at)

    return ledger.append_decided(decide)


def list_decisions(entries: Sequence[Entry], version: ModelVersion) -> list[Entry]:
    """Return what was said of a version, by sequence: `approval` rows, and `void` rows of approvals."""
    return _list_said(entries, version.task, version.number)


def find_approval(entries: Sequence[Entry], version: ModelVersion) -> Entry | None:
    """Return the approval of a version, unless it was taken back or the version rejected since."""
    return find_given(entries, version.task, version.number)


def find_given(entries: Sequence[Entry], task: str, number: int) -> Entry | None:
    """Return the approval of a version that is known by its number alone; otherwise as `find_approval`."""
    said = _list_said(entries, task, number)
    return said[-1] if said and said[-1].kind == APPROVAL else None


def find_lapse(approval: Entry, version: ModelVersion, *, at: datetime, lasts: timedelta) -> str:
    """Return why an approval is void by itself, or nothing when it stands: it is too old, or of other evidence."""
    if approval.content["evidence"] != digest_evidence(version):
        return "what it says of itself has changed since it was approved"
    given = datetime.fromisoformat(approval.at)
    if at - given > lasts:
        return f"it was approved on {given:%Y-%m-%d}, and an approval stands {lasts.days} days"
    return ""


def find_recorded_objection(
    entries: Sequence[Entry], version: ModelVersion, *, by_name: bool, at: datetime, lasts: timedelta
) -> str:
    """Return why the ledger lets an approved version not into service, or nothing when it does.

    Args:
        entries: All of the ledger.
        version: Approved.
        by_name: A person asked for this very version, and may try again what has failed.
        at: Aware.
        lasts: How long an approval stands.
    """
    if version.number in list_used(entries, version.task):
        return "its approval is used up, it was in service before"
    approval = find_approval(entries, version)
    if approval is None:
        return "the ledger has no approval of it"
    if lapse := find_lapse(approval, version, at=at, lasts=lasts):
        return f"{lapse}: its approval is void"
    if futile := find_futile_canary(entries, version.task, version.number, since=approval.sequence):
        return f"its canary, ledger entry {futile.sequence}, ended without a promotion: its approval is void"
    if not by_name and (failure := find_failure(entries, version.task, version.number)):
        return f"its promotion failed ({failure}); `voxloop deploy --version {version.number}` tries again"
    return ""


def require_approval(entries: Sequence[Entry], version: ModelVersion) -> Entry:
    """Return the approval of a version that is about to take over.

    Raises:
        RefusedError: There is none, or it was taken back while the model was loaded.
    """
    approval = find_approval(entries, version)
    if approval is None or approval.content["evidence"] != digest_evidence(version):
        raise RefusedError(
            f"the ledger has no approval of {version} as it is now",
            rule="a person approves a version before it is served",
            remedy="approve it in the MLflow UI",
        )
    return approval


def require_approvable(entries: Sequence[Entry], version: ModelVersion, names: Collection[str]) -> None:
    """Return when a version may be approved, by the owner of these names.

    Args:
        entries: All of the ledger.
        version: As it is registered now.
        names: All that the approver is known by, in small letters.

    Raises:
        RefusedError: Its verdict is not PASS, or none the ledger knows; it is not what was registered; the approver
            trained it, or nobody can tell who did; it was in service before; or it was judged against another than the
            champion, or is older.
    """
    if not version.is_pass:
        raise _refuse(version, f"its verdict is {version.tags.get(VERDICT, 'missing')}", "only a PASS is approved")
    row = find_registration(entries, version)
    if row is None:
        rule = "what is approved was registered by `voxloop register`"
        raise _refuse(version, "the ledger does not know it", rule, "register its run again")
    if changed := list_changes(row, version):
        raise _refuse(version, f"its {', '.join(changed)} changed since it was registered", "evidence stays as it was")
    if not _is_judged(entries, version):
        raise _refuse(
            version, "the ledger holds no PASS of its evaluation", "what a gate said is an entry of the ledger"
        )
    if version.number in list_used(entries, version.task):
        raise _refuse(version, "it was in service before", "an approval is used up by its promotion")
    _require_of_today(entries, version)
    _require_other(row, version, names)


def _list_said(entries: Sequence[Entry], task: str, number: int) -> list[Entry]:
    return [
        entry
        for entry in entries
        if entry.task == task
        and (entry.kind == APPROVAL or (entry.kind == VOID and "approval" in entry.content))
        and entry.content.get("version") == number
    ]


def _require_of_today(entries: Sequence[Entry], version: ModelVersion) -> None:
    """Raise unless a version was judged against the champion, and is newer; before a first route nobody can tell."""
    if find_route_row(entries, version.task) is None:
        return
    champion = read_champion(entries, version.task)
    in_service, judged = champion or NO_CHAMPION, version.tags.get(JUDGED_AGAINST, "nothing")
    if judged != in_service:
        raise _refuse(
            version,
            f"it was judged against {judged[:12]}, and the champion is {in_service[:12]} now",
            "a verdict says nothing of another champion",
        )
    if champion is not None and (numbers := list_promoted(entries, champion)) and version.number < numbers[-1]:
        raise _refuse(
            version, f"it is older than the champion, version {numbers[-1]}", "nobody goes back by an approval"
        )


def _require_other(row: Entry, version: ModelVersion, names: Collection[str]) -> None:
    rule, trained_by = "nobody approves what they trained", set(row.content["trained_by"])
    if not trained_by:
        raise _refuse(
            version,
            "nobody can tell who trained it",
            rule,
            "train in a git checkout, or set VOXLOOP_GIT_AUTHOR in the image",
        )
    if found := sorted(trained_by & set(names)):
        raise _refuse(version, f"it is the work of {found[0]}", rule, "ask somebody else")


def _is_judged(entries: Sequence[Entry], version: ModelVersion) -> bool:
    """Whether the newest judgement of this model and evaluation is a PASS."""
    evaluation = version.tags.get(EVALUATION_DIGEST)
    said = [
        entry.content["verdict"]
        for entry in entries
        if entry.kind == JUDGEMENT
        and (entry.task, entry.subject) == (version.task, version.model_digest)
        and entry.content.get("evaluation") == evaluation
    ]
    return bool(evaluation and said) and said[-1] == Verdict.PASS


def _refuse(version: ModelVersion, why: str, rule: str, remedy: str = "train and register again") -> RefusedError:
    return RefusedError(f"{version} cannot be approved: {why}", rule=rule, remedy=remedy)
