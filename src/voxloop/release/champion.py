"""Who is the champion: the ledger's route says it; the alias in the registry is its picture."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from voxloop.errors import IntegrityError
from voxloop.ledger.book import Ledger
from voxloop.ledger.entry import PROMOTION, Entry
from voxloop.release.routes import find_route_row, list_route_rows, route_of
from voxloop.release.systems import Versions
from voxloop.release.versions import CHAMPION, ModelVersion


def find_champion(versions: Versions, ledger: Ledger, task: str) -> ModelVersion | None:
    """Return the version in service, whatever alias stands where; None when there is none.

    A platform of a release before routes has none in its ledger yet: there the alias says it, until `voxloop deploy`
    or `voxloop reconcile` writes the first.

    Raises:
        IntegrityError: The ledger is not whole, or the registry has no version of the model in service.
        ServiceUnavailableError: Ledger or registry does not answer.
    """
    entries = ledger.read()
    if find_route_row(entries, task) is None:
        return versions.find_alias(task, CHAMPION)
    digest = read_champion(entries, task)
    return None if digest is None else require_bearer(versions.list_versions(task), digest, entries, task)


def read_champion(entries: Sequence[Entry], task: str) -> str | None:
    """Return the digest of the model that was given all requests last; None when there is none.

    While weights are shared (a canary, an A/B test) the champion is still the one before; switched off, it stays.

    Args:
        entries: All of the ledger.
        task: Family.
    """
    for row in reversed(list_route_rows(entries, task)):
        route = route_of(row)
        if not route.models:
            return None
        if route.sole_model is not None:
            return route.sole_model
    return None


def find_bearer(versions: Iterable[ModelVersion], digest: str, entries: Sequence[Entry]) -> ModelVersion | None:
    """Return the version a model in service is known by: the one promoted last, else the newest with its digest."""
    bearers = {version.number: version for version in versions if version.model_digest == digest}
    promoted = [number for number in list_promoted(entries, digest) if number in bearers]
    served = [number for number, version in bearers.items() if version.was_champion]
    number = promoted[-1] if promoted else max(served or bearers, default=None)
    return None if number is None else bearers[number]


def list_promoted(entries: Sequence[Entry], digest: str) -> list[int]:
    """Return the numbers of the versions as which a model was put into service, oldest first."""
    acts = {entry.act for entry in entries}
    claims = (entry for entry in entries if entry.kind == PROMOTION and entry.subject == digest)
    return [int(claim.content["version"]) for claim in claims if f"route/{claim.act}" in acts]


def require_bearer(versions: Iterable[ModelVersion], digest: str, entries: Sequence[Entry], task: str) -> ModelVersion:
    """Return the version a model in service is known by.

    Raises:
        IntegrityError: The registry has none.
    """
    if found := find_bearer(versions, digest, entries):
        return found
    raise IntegrityError(
        f"the registry has no version of {task} with the model {digest[:12]}, which the ledger says is in service",
        rule="what serves is a version of the registry",
        remedy=f"restore MLflow's database, or go back: voxloop rollback {task} --because '…'",
    )
