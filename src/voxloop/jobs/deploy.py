"""Put what was approved on Triton, by a route row of the ledger."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from voxloop.release.reconciliation import Outcome
    from voxloop.release.systems import Platform
    from voxloop.release.versions import ModelVersion


def deploy(*, task: str = "emotion", version: int | None = None) -> str:
    """Put the approved version of a task into service; without one, see to it that what is in service is served.

    A version is approved by the tag `approval=approved`, set on it in the MLflow UI. Of several the newest is taken.
    The promotion is claimed in the ledger; the version's signature is verified as it comes from the registry, and
    again as it was staged; it is loaded under a name of its own and must answer the golden requests of its export.
    Only then one row of the ledger, the route, puts it into service. If it is not served after that, the old route is
    written back. The aliases in MLflow follow; the champion before it stays loaded as the fallback. Safe to run twice,
    and after a kill anywhere.

    Args:
        task: Family of the model.
        version: The version to deploy; it must be approved. One whose promotion failed is tried again only so.

    Returns:
        The Triton name of the champion; empty when there is none.

    Raises:
        InputError: There is no such version.
        RefusedError: The version is not approved, or may not replace the champion; or the family is frozen.
        IntegrityError: The registry holds other bytes than were registered or signed, what was staged was changed,
            Triton answers otherwise than the export did, or the ledger is not whole. The champion stays in service.
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
        champion = find_champion(platform.registry, platform.ledger, task)
        chosen = choose(platform, champion, task=task, number=version)
        if chosen is None:
            tell(reconcile(platform, task, workplace=Path(place)))
            print(f"{task}: nothing to deploy", flush=True)
            return champion.serving_name if champion else ""
        done = promote(platform, chosen, workplace=Path(place))
    print(f"{chosen} is the champion, served as {chosen.serving_name} at {settings.triton_url}", flush=True)
    print(f"golden answers differ by at most {done.difference:.1e}; before it: {done.replaced or 'none'}", flush=True)
    return chosen.serving_name


def choose(platform: Platform, champion: ModelVersion | None, *, task: str, number: int | None) -> ModelVersion | None:
    """Return the version to put into service; None when there is nothing new.

    Raises:
        InputError: There is no version of this number.
        RefusedError: It may not be deployed, or the family is frozen and something waits.
    """
    from voxloop.release.approval import choose_next, require_deployable
    from voxloop.release.approvals import find_recorded_objection
    from voxloop.release.freezes import require_thawed

    entries = platform.ledger.read()

    def objected(version: ModelVersion) -> str:
        return find_recorded_objection(entries, version, by_name=number is not None)

    versions = platform.registry.list_versions(task)
    if number is not None:
        chosen: ModelVersion | None = require_deployable(number, versions, champion, objected, task=task)
    else:
        choice = choose_next(versions, champion, objected)
        for notice in choice.notices:
            print(notice, flush=True)
        chosen = choice.version
    if chosen is None or (champion is not None and chosen.number == champion.number):
        return None
    require_thawed(entries, task, platform.clock())
    return chosen


def tell(outcomes: Iterable[Outcome]) -> None:
    """Print what was mended; raise what was not."""
    for outcome in outcomes:
        if outcome.problem is not None:
            raise outcome.problem
        print(f"mended: {outcome.text}", flush=True)
