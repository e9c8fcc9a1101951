"""What each role may write. A rule returns the fields to hand inwards, or raises why it does not."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from voxloop.approval_app import routes
from voxloop.approval_app.accounts import Account
from voxloop.approval_app.bodies import Tag, read_run, read_tags, read_text
from voxloop.approval_app.tracked import Owned, Tracked
from voxloop.errors import RefusedError
from voxloop.release.artifact_erasure import ERASED
from voxloop.release.mirror import HEAD_COPY
from voxloop.release.retention_needs import FREED
from voxloop.release.reviews import REVIEW, REVIEW_REASON
from voxloop.release.roles import OWNER, SERVICE_ACCOUNT, Role
from voxloop.release.versions import APPROVAL, PROMOTED_AT

Fields = dict[str, Any]
USER = "mlflow.user"
COMMENT = f"{APPROVAL}.comment"
MIRRORED = frozenset({PROMOTED_AT, REVIEW, REVIEW_REASON})
"""Tags of a version that follow the ledger, which the service sets after it was registered."""
MARKS = frozenset({FREED, ERASED})
"""Tags of a run that say what was taken out of it."""


@dataclass(frozen=True)
class Writing:
    """A request to write.

    Args:
        account: Who asks.
        asked: Method and path, of `routes.WRITES`.
        fields: Its body.
        tracked: What the server knows.
        is_account: Whether a name is somebody's account.
    """

    account: Account
    asked: tuple[str, str]
    fields: Mapping[str, Any]
    tracked: Tracked
    is_account: Callable[[str], bool]

    @property
    def tags(self) -> list[Tag]:
        """The tags it wants to set, or the one it wants to delete."""
        return read_tags(self.fields)


def judge_write(writing: Writing) -> Fields:
    """Return what is handed inwards of a request to write.

    Raises:
        RefusedError: The role may not.
        InputError: The request does not say what it is about.
    """
    refuse_forged(writing)
    if writing.account.role is Role.TRAINER:
        return _judge_own(writing)
    if writing.account.role is Role.SERVICE:
        return _judge_service(writing)
    if _is_said_of_version(writing):
        return dict(writing.fields)
    raise refuse_role(writing.account, f"{writing.asked[0]} {writing.asked[1]}")


def _is_said_of_version(writing: Writing) -> bool:
    is_said = {tag.key for tag in writing.tags} <= {APPROVAL, COMMENT}
    return (
        writing.account.role is Role.APPROVER
        and writing.asked in (routes.TAG_VERSION, routes.UNTAG_VERSION)
        and is_said
    )


def judge_artifact(account: Account, method: str, artifact: routes.Artifact, tracked: Tracked) -> None:
    """Return when an artifact may be written or deleted.

    Raises:
        RefusedError: It may not: the role, another's run, one that was registered, or an address that is not its run's.
    """
    if account.role not in (Role.TRAINER, Role.SERVICE):
        raise refuse_role(account, f"{method} of an artifact")
    run = tracked.find_run(artifact.run)
    if run.experiment != artifact.experiment:
        raise RefusedError(
            f"{run.name} is not in experiment {artifact.experiment}",
            rule="an artifact is written where its run lies",
            remedy="write it through a client of MLflow",
        )
    if method == "DELETE" and account.role is Role.SERVICE:
        return  # erasure and retention reach every run; what serves is verified by digest before it is loaded
    require_own(account, run)
    require_unregistered(run)


def refuse_role(account: Account, what: str) -> RefusedError:
    """Return why an account may not do `what`."""
    rules = {
        Role.VIEWER: "a viewer reads",
        Role.APPROVER: f"an approver sets the tags {APPROVAL} and {COMMENT} of a version, nothing else",
        Role.TRAINER: "a trainer writes experiments and runs of its own, no models, versions, aliases or their tags",
        Role.SERVICE: "the service tracks, registers and mirrors the ledger; it approves, renames and deletes nothing",
    }
    return RefusedError(f"{account.name} may not {what}", rule=rules[account.role], remedy="ask its operator")


def require_own(account: Account, what: Owned) -> None:
    """Raise `RefusedError` unless an account made a run or an experiment."""
    owner = what.owner or SERVICE_ACCOUNT  # from before there were accounts: the jobs'
    if owner != account.name:
        raise RefusedError(
            f"{what.name} is {owner}'s, not {account.name}'s",
            rule="whoever made it writes to it",
            remedy="use an experiment of your own",
        )


def require_unregistered(run: Owned) -> None:
    """Raise `RefusedError` when versions were registered from a run: it is their evidence."""
    if run.versions:
        raise RefusedError(
            f"{run.name} is what {', '.join(run.versions)} was judged by",
            rule="evidence is not changed after a version was registered from it",
            remedy="train and register again",
        )


def refuse_forged(writing: Writing) -> None:
    """Raise `RefusedError` when a request names another account as its user, or an owner.

    What is created may name a user of the machine it comes from, which gives way; later nobody is named anew.
    """
    claims = [tag.value for tag in writing.tags if tag.key == USER]
    claims += [str(writing.fields["user_id"])] if writing.fields.get("user_id") else []
    is_new = writing.asked in (routes.CREATE_RUN, routes.CREATE_EXPERIMENT)
    for claim in claims:
        if claim.casefold() != writing.account.name and (not is_new or writing.is_account(claim)):
            raise RefusedError(
                f"the request says it is {claim or 'nobody'}'s and is signed in as {writing.account.name}",
                rule=f"user_id and {USER} are who signed in",
                remedy="sign in as who you are",
            )
    if any(tag.key == OWNER for tag in writing.tags):
        raise RefusedError(f"a tag {OWNER}", rule="the server alone says whose a run is", remedy="leave it out")


def _stamped(writing: Writing) -> Fields:
    """Return the body of what is created, with its owner. A name of the machine gives way to the account's."""
    kept = [{"key": tag.key, "value": tag.value} for tag in writing.tags if tag.key != USER]
    stamps = [{"key": OWNER, "value": writing.account.name}]
    if writing.asked != routes.CREATE_RUN:
        return {**writing.fields, "tags": [*kept, *stamps]}
    stamps.append({"key": USER, "value": writing.account.name})
    return {**writing.fields, "user_id": writing.account.name, "tags": [*kept, *stamps]}


def _judge_own(writing: Writing) -> Fields:
    asked, account = writing.asked, writing.account
    if asked == routes.CREATE_EXPERIMENT:
        if writing.fields.get("artifact_location"):
            raise RefusedError(
                f"artifact_location = {str(writing.fields['artifact_location'])[:80]!r}",
                rule="a run's artifacts lie under its own id",
                remedy="leave it out",
            )
        return _stamped(writing)
    if asked in (routes.EXPERIMENT_WRITES | {routes.CREATE_RUN}):
        require_own(account, writing.tracked.find_experiment(read_text(writing.fields, "experiment_id")))
        return _stamped(writing) if asked == routes.CREATE_RUN else dict(writing.fields)
    if asked in routes.RUN_WRITES:
        run = writing.tracked.find_run(read_run(writing.fields))
        require_own(account, run)
        require_unregistered(run)
        return dict(writing.fields)
    raise refuse_role(account, f"{asked[0]} {asked[1]}")


def _judge_service(writing: Writing) -> Fields:
    asked = writing.asked
    if asked in (routes.CREATE_EXPERIMENT, routes.CREATE_RUN):
        return _judge_own(writing)  # in a person's experiment somebody else writes evidence too
    if asked in routes.RUN_WRITES:
        return _judge_service_run(writing)
    if asked == ("POST", "experiments/restore"):
        return dict(writing.fields)
    return _judge_model(writing)


def _judge_service_run(writing: Writing) -> Fields:
    run = writing.tracked.find_run(read_run(writing.fields))
    marks = writing.asked == ("POST", "runs/set-tag") and {tag.key for tag in writing.tags} <= MARKS
    # A deleted run is restored to be marked, and deleted again.
    around = writing.asked == ("POST", "runs/restore") or (
        writing.asked == ("POST", "runs/delete") and bool(MARKS & run.tags.keys())
    )
    if not (marks or around):
        require_own(writing.account, run)
        require_unregistered(run)
    return dict(writing.fields)


def _judge_model(writing: Writing) -> Fields:
    """Return what the service writes of models and versions: it creates, describes, names, and mirrors the ledger."""
    asked, tags = writing.asked, writing.tags
    allowed: Mapping[tuple[str, str], bool] = {
        routes.CREATE_MODEL: not tags,
        routes.TAG_MODEL: {tag.key for tag in tags} == {HEAD_COPY},
        routes.CREATE_VERSION: not any(is_approval(tag.key) for tag in tags),
        routes.DESCRIBE_VERSION: True,
        routes.TAG_VERSION: {tag.key for tag in tags} <= MIRRORED,
        **dict.fromkeys(routes.ALIAS_WRITES, True),
    }
    if not allowed.get(asked, False):
        named = ", ".join(tag.key for tag in tags)
        raise refuse_role(writing.account, " ".join((*asked, f"({named})" if named else "")).strip())
    return dict(writing.fields)


def is_approval(key: str) -> bool:
    """Return whether a tag is an approval, a part of one, or reads like one."""
    return key.strip().casefold().startswith(APPROVAL)
