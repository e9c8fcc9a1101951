"""Copy the champion out of the registry."""

from __future__ import annotations

import json
from pathlib import Path


def fetch_champion(out: Path, *, task: str = "emotion") -> Path:
    """Copy the champion's model folder out of the registry, verified, for a fair comparison.

    The champion is who the ledger's route gives all requests to, whatever alias stands where.

    Writes `model/`, `data_report/` (what its data looked like, for the next to be compared with) and `champion.json`
    with its version, its digest and whether there has ever been a champion; without one there is `champion.json` alone.

    Args:
        out: Folder to write; it must be empty or not there.
        task: Family of the model.

    Returns:
        The folder written.

    Raises:
        IntegrityError: The registry holds other bytes than were registered, or the ledger is not whole.
        ServiceUnavailableError: MLflow does not answer; that is not the same as no champion.
    """
    from voxloop.adapters.mlflow_registry import MlflowRegistry
    from voxloop.data.acceptance import KEPT_AS
    from voxloop.ledger.book import open_ledger
    from voxloop.release.champion import find_champion
    from voxloop.release.past_claims import has_had_champion
    from voxloop.release.versions import FALLBACK
    from voxloop.settings import get_settings
    from voxloop.store.atomic import build_folder, write_file
    from voxloop.tasks import require_task

    require_task(task)
    with build_folder(out) as folder:
        settings = get_settings()
        registry = MlflowRegistry(settings)
        ledger = open_ledger(settings)
        champion = find_champion(registry, ledger, task)
        content: dict[str, object] = {"version": None, "model_digest": None, "ever": True}
        if champion is not None:
            registry.download_model(champion, folder / "model")
            registry.download_report(champion, folder / KEPT_AS["validate"])
            content |= {"version": champion.number, "model_digest": champion.model_digest}
        else:
            served = any(version.was_champion for version in registry.list_versions(task))
            known = has_had_champion(ledger.read(), task)
            content["ever"] = known or served or registry.find_alias(task, FALLBACK) is not None
        write_file(folder / "champion.json", json.dumps(content, indent=2))
    print(f"champion: {champion or 'none'}", flush=True)
    return out
