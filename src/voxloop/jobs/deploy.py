"""Put what was approved on Triton, by a route row of the ledger."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from voxloop.release.examination import Examination
    from voxloop.release.reconciliation import Outcome
    from voxloop.release.systems import Platform
    from voxloop.release.versions import ModelVersion


def deploy(*, task: str = "emotion", version: int | None = None) -> str:
    """Put the approved version of a task into service; without one, see to it that what is in service is served.

    A version is approved by the tag `approval=approved`, set on it in the MLflow UI by an approver: the server writes
    it into the ledger, and only that row counts. Of several the one approved last is taken, and those before it are
    void, overtaken. The promotion is claimed in the ledger; the version's signature is verified as it comes from the
    registry, and again as it was staged; it is loaded under a name of its own, must answer the golden requests of its
    export, and every kind of sound as evaluation does, in time and memory that `configs/release.yaml` allows. Only then
    one row of the ledger, the route, puts it into service. If it is not served after that, the old route is written
    back. The aliases in MLflow follow; the champion before it stays loaded as the fallback. While a canary goes on it
    alone promotes, and what is approved waits. Safe to run twice, and after a kill anywhere.

    Args:
        task: Family of the model.
        version: The version to deploy; it must be approved. One whose promotion failed is tried again only so.

    Returns:
        The Triton name of the champion; empty when there is none.

    Raises:
        InputError: There is no such version.
        RefusedError: The version is not approved, or may not replace the champion; a canary goes on, or the family
            is frozen.
        IntegrityError: The registry holds other bytes than were registered or signed, what was staged was changed,
            Triton answers otherwise than the export did, or the ledger is not whole. The champion stays in service.
        VoxloopError: The version takes more time or memory than `configs/release.yaml` allows. The champion stays too.
        ServiceUnavailableError: MLflow or Triton does not answer.
    """
    from voxloop.jobs.release_platform import hold_platform
    from voxloop.release.champion import find_champion
    from voxloop.release.promotion import promote
    from voxloop.release.reconciliation import prepare, reconcile
    from voxloop.settings import get_settings
    from voxloop.tasks import require_task

    require_task(task)
    settings = get_settings()
    with (
        hold_platform(settings) as platform,
        tempfile.TemporaryDirectory(prefix="voxloop-deploy-") as place,
    ):
        tell(prepare(platform, task))
        leave_behind(platform, task)
        champion = find_champion(platform.registry, platform.ledger, task)
        chosen = choose(platform, champion, task=task, number=version)
        if chosen is None:
            tell(reconcile(platform, task, workplace=Path(place)))
            print(f"{task}: nothing to deploy", flush=True)
            return champion.serving_name if champion else ""
        done = promote(platform, chosen, workplace=Path(place))
        leave_behind(platform, task)
    print(f"{chosen} is the champion, served as {chosen.serving_name} at {settings.triton_url}", flush=True)
    print(describe(done.shown), flush=True)
    print(f"golden answers differ by at most {done.difference:.1e}; before it: {done.replaced or 'none'}", flush=True)
    return chosen.serving_name


def choose(
    platform: Platform, champion: ModelVersion | None, *, task: str, number: int | None, canary: int | None = None
) -> ModelVersion | None:
    """Return the version to put into service; None when there is nothing new, or a canary is waited for.

    Args:
        platform: What is worked on.
        champion: In service.
        task: Family.
        number: Of the version, where one was asked for by name.
        canary: Sequence of the canary's row that asks.

    Raises:
        InputError: There is no version of this number.
        RefusedError: It may not be deployed, a canary goes on, or the family is frozen and something waits.
    """
    from voxloop.release.approval import choose_next, require_deployable
    from voxloop.release.approvals import find_approval, find_recorded_objection
    from voxloop.release.canary_plan import describe_canary, find_standing_canary, require_no_canary
    from voxloop.release.freezes import require_thawed
    from voxloop.release.pending import find_rank
    from voxloop.release.policy import load_release_policy

    entries, at = platform.ledger.read(), platform.clock()
    lasts = load_release_policy().lasts

    def approved(version: ModelVersion) -> bool:
        return find_approval(entries, version) is not None

    def objected(version: ModelVersion) -> str:
        return find_recorded_objection(entries, version, by_name=number is not None, at=at, lasts=lasts)

    versions = platform.registry.list_versions(task)
    if number is not None:
        chosen: ModelVersion | None = require_deployable(number, versions, champion, approved, objected, task=task)
    else:
        choice = choose_next(versions, champion, approved, objected, lambda one: find_rank(entries, task, one.number))
        for notice in choice.notices:
            print(notice, flush=True)
        chosen = choice.version
    if chosen is None or (champion is not None and chosen.number == champion.number):
        return None
    if number is None and (standing := find_standing_canary(entries, task)):
        print(f"{chosen} waits; {describe_canary(task, standing[1])}", flush=True)
        return None
    require_no_canary(entries, task, own=canary)
    require_thawed(entries, task, at)
    return chosen


def leave_behind(platform: Platform, task: str) -> None:
    """Record the approvals that are void: overtaken by a later one, lapsed, or of what cannot replace the champion.

    Before a choice these are those that a killed process, the time or a rollback has left.
    """
    from voxloop.release.champion import find_champion
    from voxloop.release.pending import record_overtaken, record_unfit
    from voxloop.release.policy import load_release_policy

    ledger, at = platform.ledger, platform.clock()
    for line in record_overtaken(ledger, task, at=at):
        print(line, flush=True)
    versions, champion = platform.registry.list_versions(task), find_champion(platform.registry, ledger, task)
    for line in record_unfit(ledger, versions, champion, task=task, at=at, lasts=load_release_policy().lasts):
        print(line, flush=True)


def describe(shown: Examination) -> str:
    """Return what a model showed while it was probed, in words."""
    beside = "" if shown.champion_p95_ms is None else f", of the champion {shown.champion_p95_ms:.1f} ms"
    memory = "not told" if shown.memory_bytes is None else f"{shown.memory_bytes / 2**20:.0f} MiB"
    return f"p95 of a request {shown.p95_ms:.1f} ms{beside}; memory at most {memory}"


def tell(outcomes: Iterable[Outcome]) -> None:
    """Print what was mended; raise what was not."""
    for outcome in outcomes:
        if outcome.problem is not None:
            raise outcome.problem
        print(f"mended: {outcome.text}", flush=True)
