"""Putting an approved version into service, as a transaction of which one row of the ledger is the moment.

Claim, verify, stage, load, probe; then the route row, **which is the flip**; then confirm, mirror, retire, done. Killed
before the row, the old champion is in force; after it, the new one; each step may be repeated, and whoever comes next
(`voxloop deploy`, `voxloop reconcile`) finishes or undoes. Aliases and tags of the registry follow the ledger.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from voxloop.errors import ConfigError, IntegrityError, RefusedError, ServiceUnavailableError, VoxloopError
from voxloop.ledger.entry import Entry
from voxloop.release.approvals import require_approval
from voxloop.release.champion import find_champion
from voxloop.release.claims import (
    Claim,
    close_claim,
    find_flip,
    flip,
    take_claim,
    void_claim,
    write_back,
)
from voxloop.release.examination import Examination, examine
from voxloop.release.finding import Finding
from voxloop.release.mirror import (
    find_head_copy,
    find_leftovers,
    find_unmirrored,
    names_in_service,
    take_down,
)
from voxloop.release.past_claims import count_written_back
from voxloop.release.probe import probe, read_golden
from voxloop.release.routes import find_route_row, route_of
from voxloop.release.systems import Front, Platform, Server
from voxloop.release.versions import ModelVersion, serving_name

LONGEST_REASON = 400
MOST_WRITTEN_BACK = 3
"""How often an approved version may be written back before a person has to ask for it: each time callers meet it for up
to ten seconds, and what is said to be passing may be the model's own, such as an answer that is not finite."""
TAKEN_UP_SECONDS = 10.0
"""How long the gateway may take: it looks every half second, and first reads what Triton says of a new model."""


@dataclass(frozen=True)
class Promotion:
    """What was put into service."""

    version: ModelVersion
    replaced: ModelVersion | None
    difference: float
    """Largest difference between a golden answer at export and on the server."""
    shown: Examination
    """What it showed beside evaluation and the champion."""


def promote(platform: Platform, version: ModelVersion, *, workplace: Path, canary: int | None = None) -> Promotion:
    """Put `version` into service in place of the champion, which stays loaded as the fallback.

    Args:
        platform: What is worked on; its model repository's lock is held by the caller.
        version: An approved version that may replace the champion.
        workplace: An empty folder to download into.
        canary: Sequence of the canary's row that this promotion is the end of.

    Raises:
        IntegrityError: The downloaded model has another digest or no good signature, what was staged was changed, or
            the server answers otherwise than export or evaluation. The old champion stays in service, the new model
            is taken off the server.
        VoxloopError: The new model is over a budget of time or memory, or what it takes cannot be told; as above.
        RefusedError: Another place promotes, a canary goes on, the family is frozen, the route was changed meanwhile,
            or there is no approval of the version in the ledger.
        ServiceUnavailableError: Registry, server or ledger does not answer; the same command goes on.
    """
    champion = find_champion(platform.registry, platform.ledger, version.task)
    claim = take_claim(
        platform.ledger,
        version,
        replaces=champion.model_digest if champion else None,
        place=platform.place,
        at=platform.clock(),
        canary=canary,
    )
    try:
        require_approval(platform.ledger.read(), version)
        difference, shown = try_out(platform, version, champion, workplace=workplace)
        approval = require_approval(platform.ledger.read(), version)  # it may have been taken back meanwhile
        because = f"version {version.number}, approved by {approval.content['by']}"
        flip(platform.ledger, claim, at=platform.clock(), because=because)
    except VoxloopError as problem:
        abandon(platform, claim, problem)
        raise
    if not finish(platform, claim):
        raise RefusedError(
            f"{claim} was flipped, and another route was written before it was done",
            rule="the newest route is in force, and a rollback waits for nobody",
            remedy=f"see voxloop ledger show {version.task}",
        )
    return Promotion(version, replaced=champion, difference=difference, shown=shown)


def try_out(
    platform: Platform, version: ModelVersion, champion: ModelVersion | None, *, workplace: Path
) -> tuple[float, Examination]:
    """Verify, stage, load, probe and examine a version, which then is ready to answer callers.

    Returns:
        The largest difference of its golden answers from those at export, and what else it showed.

    Raises:
        VoxloopError: As `promote`.
    """
    model = fetch(platform, version, workplace=workplace)
    difference = serve(platform, version, model)
    in_service = champion.serving_name if champion and champion.model_digest != version.model_digest else None
    return difference, examine(platform, version.serving_name, model, champion=in_service)


def fetch(platform: Platform, version: ModelVersion, *, workplace: Path) -> Path:
    """Download the model folder of a version and verify its signature."""
    model = platform.registry.download_model(version, workplace / "model")
    platform.signatures.verify(model, platform.registry.download_signature(version, workplace))
    return model


def serve(platform: Platform, version: ModelVersion, model: Path) -> float:
    """Stage, load and probe a verified folder; return the largest difference of its answers from those at export."""
    golden = read_golden(model)
    server, name = platform.server, version.serving_name
    server.stage(name, model, version.model_digest)
    server.load(name)  # always: killed between the two, what is loaded may not be what is staged
    return probe(name, golden, lambda request: server.answer(name, request))


def finish(platform: Platform, claim: Claim) -> bool:
    """Confirm what was flipped to, or write the old route back; then let everything else follow, and say done.

    Returns:
        False when another route has been written since the flip, which then stays.

    Raises:
        VoxloopError: What was flipped to is not served: the old route is in force again.
    """
    entries = platform.ledger.read()
    row = find_route_row(entries, claim.task)
    if row is None or row != find_flip(entries, claim):
        void_claim(
            platform.ledger,
            claim,
            because="another route was written before it was done",
            at=platform.clock(),
            is_final=True,
        )
        return False
    try:
        confirm(platform.server, row)
        confirm_to_callers(platform.front, row)
    except VoxloopError as problem:
        go_back(platform, claim, problem)
        raise
    settle(platform, claim)
    return True


def confirm(server: Server, row: Entry) -> None:
    """Return when every model of a route is served as the one it is named by.

    Raises:
        ServiceUnavailableError: One is not served.
        IntegrityError: Another one is served under its name.
    """
    route = route_of(row)
    for digest in route.models:
        name = serving_name(route.task, digest)
        if (served := server.read_digest(name)) != digest:
            raise IntegrityError(
                f"{name} serves the model {served[:12]}, the route says {digest[:12]}",
                rule="a name never changes its meaning",
                remedy=f"voxloop reconcile --task {route.task}",
            )


def confirm_to_callers(front: Front, row: Entry) -> None:
    """Return when a caller is answered by the one model of a route, or nobody can be asked.

    Args:
        front: Where callers ask; a route is taken up there within a second.
        row: The route in force.

    Raises:
        ServiceUnavailableError: No caller is answered, or by another model.
    """
    route = route_of(row)
    if not route.is_on or route.sole_model is None:
        return
    end = time.monotonic() + TAKEN_UP_SECONDS
    while problem := _find_silence(front, route.task, route.sole_model):
        if time.monotonic() > end:
            raise problem
        time.sleep(0.1)


def _find_silence(front: Front, task: str, digest: str) -> ServiceUnavailableError | None:
    try:
        answering = front.read_answering(task)
    except ServiceUnavailableError as silent:
        return silent
    if answering in (None, digest):
        return None
    return ServiceUnavailableError(
        f"callers of {task} are answered by {str(answering)[:12]}, the route says {digest[:12]}",
        rule="a route is taken up within a second",
        remedy="see the gateway's log and /readyz",
    )


def settle(platform: Platform, claim: Claim) -> None:
    """Let aliases, tags and what is loaded follow the route in force, then write that the promotion is done."""
    before = None
    while (row := find_route_row(platform.ledger.read(), claim.task)) != before:  # a rollback may come in between
        before = row
        require_mended(find_unmirrored(platform, claim.task))
        require_mended(find_leftovers(platform, claim.task))
    close_claim(platform.ledger, claim, at=platform.clock())
    require_mended(find_head_copy(platform, claim.task))


def require_mended(findings: Iterable[Finding]) -> None:
    """Put everything right, or raise why it is for a person to do."""
    for finding in findings:
        if finding.problem is not None:
            raise finding.problem
        if finding.mend is not None:
            finding.mend()


def go_back(platform: Platform, claim: Claim, problem: VoxloopError) -> None:
    """Write the route before a flip back; its model stays loaded while requests may still be on their way to it.

    Tried again by itself it is only after a passing failure, and not for ever.
    """
    because = _shorten(problem)
    write_back(platform.ledger, claim, at=platform.clock(), because=because)
    times = count_written_back(platform.ledger.read(), claim)
    is_final = not problem.transient or times >= MOST_WRITTEN_BACK
    if problem.transient and is_final:
        because = f"written back {times} times: {because}"[:LONGEST_REASON]
    void_claim(platform.ledger, claim, because=because, at=platform.clock(), is_final=is_final)


def abandon(platform: Platform, claim: Claim, problem: VoxloopError) -> None:
    """Give up a promotion before its flip: take its model off the server, unless it is in service.

    After a failure that is not the model's the claim stays open and the model where it is: the next run goes on there.
    """
    if problem.transient or isinstance(problem, ConfigError):
        return
    # Refused for what has happened meanwhile it may come up again; a model that failed does not, by itself.
    is_final = not isinstance(problem, RefusedError)
    void_claim(platform.ledger, claim, because=_shorten(problem), at=platform.clock(), is_final=is_final)
    with suppress(VoxloopError):  # a leftover is retired by whoever comes next; what failed first is what is told
        _take_down_unless_needed(platform, claim)


def undo(platform: Platform, claim: Claim) -> None:
    """Take back a promotion whose process has ended before the flip."""
    void_claim(
        platform.ledger,
        claim,
        because="its process ended before the flip",
        at=platform.clock(),
        is_final=False,
    )
    _take_down_unless_needed(platform, claim)


def _take_down_unless_needed(platform: Platform, claim: Claim) -> None:
    name = serving_name(claim.task, claim.model)
    if name not in names_in_service(platform.ledger.read(), claim.task, platform.clock()):
        take_down(platform, name)


def _shorten(problem: VoxloopError) -> str:
    return str(problem)[:LONGEST_REASON]
