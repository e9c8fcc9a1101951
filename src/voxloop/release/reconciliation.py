"""Reconciling: the ledger says what is in force; registry and server are made to follow, or a person is told."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from voxloop.errors import IntegrityError, ServiceUnavailableError, VoxloopError
from voxloop.ledger.entry import ROLLBACK, Entry
from voxloop.release.canary import find_futile, find_overdue
from voxloop.release.champion import find_bearer, require_bearer
from voxloop.release.claims import explain_foreign, find_flip, find_open
from voxloop.release.finding import Finding
from voxloop.release.mirror import find_head_copy, find_leftovers, find_unmirrored
from voxloop.release.promotion import fetch, finish, serve, undo
from voxloop.release.rollback import is_rollback, record_rollback
from voxloop.release.routes import Route, find_route_row, read_route, record_route
from voxloop.release.systems import Platform
from voxloop.release.versions import CHAMPION, FALLBACK, ModelVersion, serving_name
from voxloop.store.digests import digest_json

Stage = Callable[[Platform, str], Iterator[Finding]]


@dataclass(frozen=True)
class Outcome:
    """What became of a finding.

    Args:
        text: What was found.
        is_mended: Whether it is as it should be now.
        problem: Why not; None in a dry run, where nothing was tried.
    """

    text: str
    is_mended: bool
    problem: VoxloopError | None = None


def reconcile(
    platform: Platform, task: str, *, workplace: Path, dry_run: bool = False, take_over: bool = False
) -> Iterator[Outcome]:
    """Yield what ledger, registry and server disagree on, each mended where it can be; afterwards there is nothing.

    Args:
        platform: What is worked on; its model repository's lock is held by the caller.
        task: Family.
        workplace: An empty folder to download into.
        dry_run: Mend nothing.
        take_over: A person says that whoever promotes at another place has ended.

    Raises:
        IntegrityError: The ledger is not whole.
        ServiceUnavailableError: Ledger, registry or server does not answer.
    """
    stages: tuple[Stage, ...] = (
        find_head_copy,
        find_unadopted,
        lambda one, of: find_unfinished(one, of, take_over=take_over),
        find_unrecorded_rollback,
        find_overdue,
        find_futile,
        lambda one, of: find_unserved(one, of, workplace),
        find_unmirrored,
        find_leftovers,
        find_head_copy,
    )
    return run_stages(platform, task, stages, dry_run=dry_run)


def prepare(platform: Platform, task: str) -> Iterator[Outcome]:
    """Yield what has to be in order before a version is chosen, mended: who is champion, by a ledger that is whole.

    A canary that nobody has ended in time goes, and what came of one for nothing is approved no more. A promotion that
    was not flipped stays open: choosing the same version again goes on with it.

    Raises:
        IntegrityError: The ledger is not whole.
        ServiceUnavailableError: Ledger, registry or server does not answer.
    """
    stages = (find_head_copy, find_unadopted, find_flipped, find_overdue, find_futile)
    return run_stages(platform, task, stages, dry_run=False)


def run_stages(platform: Platform, task: str, stages: Sequence[Stage], *, dry_run: bool) -> Iterator[Outcome]:
    """Yield the outcomes of stages one after the other; each finds what the ones before have left."""
    told: set[str] = set()
    for stage in stages:
        for finding in stage(platform, task):
            outcome = mend(finding, dry_run=dry_run)
            if outcome.is_mended or outcome.text not in told:
                yield outcome
            told.add(outcome.text)


def mend(finding: Finding, *, dry_run: bool) -> Outcome:
    """Put one finding right.

    Raises:
        ServiceUnavailableError: A server does not answer: nothing else would be mended either.
    """
    if finding.mend is None or dry_run:
        return Outcome(finding.text, is_mended=False, problem=finding.problem)
    try:
        finding.mend()
    except ServiceUnavailableError:
        raise
    except VoxloopError as problem:
        return Outcome(finding.text, is_mended=False, problem=problem)
    return Outcome(finding.text, is_mended=True)


def find_unadopted(platform: Platform, task: str) -> Iterator[Finding]:
    """Yield that the registry names a champion from before there were routes, which the ledger does not know yet."""
    if find_route_row(platform.ledger.read(), task) is not None:
        return
    champion = platform.registry.find_alias(task, CHAMPION)
    if champion is None:
        return
    text = f"the alias {CHAMPION} is on {champion}, the ledger has no route of {task} yet"
    if champion.model_digest and champion.was_champion:
        yield Finding(text, lambda: adopt(platform, champion))
        return
    unknown = IntegrityError(
        f"{champion} has the alias {CHAMPION} and was never put into service",
        rule="only what passed, was approved and was deployed is a champion",
        remedy="remove the alias in MLflow; approve the version and `voxloop deploy` if it is right",
    )
    yield Finding(text, problem=unknown)


def adopt(platform: Platform, champion: ModelVersion) -> Entry:
    """Write the first route of a family from the aliases of a release that had none."""
    fallback = platform.registry.find_alias(champion.task, FALLBACK)
    kept = fallback.model_digest if fallback and fallback.model_digest != champion.model_digest else None
    route = Route(
        task=champion.task,
        weights={champion.model_digest: 1.0},
        shadow=None,
        is_on=True,
        salt=digest_json(["salt", champion.task, champion.model_digest])[:32],
        fallback=kept or None,
    )
    act = f"route/adopted/{champion.task}/{digest_json(route.as_payload())[:16]}"
    because = f"version {champion.number}, by its alias in MLflow: it was put into service before there were routes"
    return record_route(platform.ledger, route, act=act, at=platform.clock(), because=because, version=champion.number)


def find_unfinished(platform: Platform, task: str, *, take_over: bool = False) -> Iterator[Finding]:
    """Yield a promotion whose process has ended before its end: finished after its flip, undone before."""
    entries = platform.ledger.read()
    claim = find_open(entries, task)
    if claim is None:
        return
    if claim.place != platform.place and not take_over:
        yield Finding(f"{claim} is not done", problem=explain_foreign(claim))
    elif find_flip(entries, claim) is None:
        yield Finding(f"{claim} was not ended, and is undone", lambda: undo(platform, claim))
    else:
        yield Finding(f"{claim} was flipped and not ended, and is finished", lambda: finish(platform, claim))


def find_flipped(platform: Platform, task: str) -> Iterator[Finding]:
    """Yield a promotion of this place whose process has ended between its flip and its end."""
    entries = platform.ledger.read()
    claim = find_open(entries, task)
    if claim is not None and claim.place == platform.place and find_flip(entries, claim) is not None:
        yield from find_unfinished(platform, task)


def find_unrecorded_rollback(platform: Platform, task: str) -> Iterator[Finding]:
    """Yield that a rollback was killed between its route and its own page."""
    entries = platform.ledger.read()
    row = find_route_row(entries, task)
    if row is None or not is_rollback(row):
        return
    if not any(entry.kind == ROLLBACK and entry.content.get("route") == row.sequence for entry in entries):
        text = f"the rollback of ledger entry {row.sequence} has no page of its own"
        yield Finding(text, lambda: record_rollback(platform.ledger, row, at=platform.clock()))


def find_unserved(platform: Platform, task: str, workplace: Path) -> Iterator[Finding]:
    """Yield every model of the route in force that the server does not serve as the one it is named by."""
    entries = platform.ledger.read()
    route = read_route(entries, task)
    if route is None:
        return
    wanted = [*route.models, *(digest for digest in (route.shadow, route.fallback) if digest is not None)]
    for digest in wanted:
        if not is_served(platform, task, digest):
            bearer = find_bearer(platform.registry.list_versions(task), digest, entries)
            text = f"{serving_name(task, digest)} ({bearer or 'no version of the registry'}) is not served"
            place = workplace / digest[:12]
            yield Finding(text, lambda digest=digest, place=place: serve_again(platform, task, digest, place))  # type: ignore[misc]


def is_served(platform: Platform, task: str, digest: str) -> bool:
    """Return whether the server serves a model as the one it is named by."""
    name = serving_name(task, digest)
    return platform.server.is_ready(name) and platform.server.read_digest(name) == digest


def serve_again(platform: Platform, task: str, digest: str, workplace: Path) -> None:
    """Stage and load a model of the route once more, from the registry; one that answers wrongly stays and is told."""
    entries = platform.ledger.read()
    version = require_bearer(platform.registry.list_versions(task), digest, entries, task)
    serve(platform, version, fetch(platform, version, workplace=workplace))
