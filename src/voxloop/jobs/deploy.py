"""Put what was approved on Triton, alias champion."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from voxloop.adapters.mlflow_registry import MlflowRegistry
    from voxloop.adapters.triton import TritonServer
    from voxloop.release.versions import ModelVersion


def deploy(*, task: str = "emotion", version: int | None = None) -> str:
    """Put the approved version of a task into service; without one, see to it that the champion is served.

    A version is approved by the tag `approval=approved`, set on it in the MLflow UI. Of several the newest is taken.
    Its signature is verified as it comes from the registry, and again as it was staged. It is loaded under a name of
    its own, must answer the golden requests of its export, and only then takes the alias champion; the champion
    before it stays loaded as the fallback. Safe to run twice.

    Args:
        task: Family of the model.
        version: The version to deploy; it must be approved.

    Returns:
        The Triton name of the champion; empty when there is none.

    Raises:
        InputError: There is no such version.
        RefusedError: The version is not approved, or may not replace the champion.
        IntegrityError: The registry holds other bytes than were registered or signed, what was staged was changed, or
            Triton answers otherwise than the export did. The champion stays in service.
        ServiceUnavailableError: MLflow or Triton does not answer.
    """
    from voxloop.adapters.mlflow_registry import MlflowRegistry
    from voxloop.adapters.model_signing import FolderSigner
    from voxloop.adapters.triton import TritonServer
    from voxloop.release.promotion import promote
    from voxloop.release.versions import CHAMPION
    from voxloop.settings import get_settings, now
    from voxloop.store.lock import hold_lock
    from voxloop.tasks import require_task

    require_task(task)
    settings = get_settings()
    with hold_lock(settings.home / "triton" / "deploy.lock"), TritonServer(settings) as server:
        registry = MlflowRegistry(settings)
        server.require_ready()
        champion = registry.find_alias(task, CHAMPION)
        chosen = choose(registry, server, champion, task=task, number=version)
        if chosen is None:
            print(f"{task}: nothing to deploy", flush=True)
            return champion.serving_name if champion else ""
        with tempfile.TemporaryDirectory(prefix="voxloop-deploy-") as workplace:
            signatures = FolderSigner(settings)
            done = promote(registry, server, signatures, chosen, workplace=Path(workplace), at=now())
    print(f"{chosen} is the champion, served as {chosen.serving_name} at {settings.triton_url}", flush=True)
    print(f"golden answers differ by at most {done.difference:.1e}; before it: {done.replaced or 'none'}", flush=True)
    return chosen.serving_name


def choose(
    registry: MlflowRegistry, server: TritonServer, champion: ModelVersion | None, *, task: str, number: int | None
) -> ModelVersion | None:
    """Return the version to put into service, or the champion when the server has lost it, or nothing."""
    from voxloop.release.approval import choose_next, require_deployable

    versions = registry.list_versions(task)
    if number is not None:
        return require_deployable(number, versions, champion, task=task)
    choice = choose_next(versions, champion)
    for notice in choice.notices:
        print(notice, flush=True)
    if choice.version is None and champion is not None and is_unfinished(registry, server, champion):
        return champion
    return choice.version


def is_unfinished(registry: MlflowRegistry, server: TritonServer, champion: ModelVersion) -> bool:
    """Return whether the champion is not served, or the promotion that made it so was killed before its end."""
    from voxloop.release.promotion import names_in_service
    from voxloop.release.versions import CHALLENGER

    challenger = registry.find_alias(champion.task, CHALLENGER)
    return (
        not server.is_ready(champion.serving_name)
        or (challenger is not None and challenger.number == champion.number)
        or bool(set(server.staged(champion.task)) - names_in_service(registry, champion.task))
    )
