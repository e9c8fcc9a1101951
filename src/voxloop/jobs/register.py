"""Make a PASS a model version, alias challenger."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from voxloop.adapters.mlflow_registry import MlflowRegistry
    from voxloop.ledger.book import Ledger
    from voxloop.settings import Settings


def register(run: Path, model: Path, evaluation: Path, verdict: Path, out: Path, *, task: str = "emotion") -> Path:
    """Make a model that passed its gate a version of the registered model, alias challenger.

    Only a PASS is registered, and only from a clean git tree: the version names the commit, the data, the evaluation
    and the policy it comes from. Its model folder, of ONNX without external data, safetensors and JSON alone, is
    signed by OpenSSF model-signing with a key of one's own. Its evidence, and whose work it is, are an entry of the
    ledger: what an approval is held against. Registering the same run again gives the same version. Writes
    `version.json`.

    Args:
        run: Folder written by track.
        model: Folder written by export.
        evaluation: Folder written by evaluate.
        verdict: Folder written by gate.
        out: Folder to write; it must be empty or not there.
        task: Family of the model; also the name of the registered model.

    Returns:
        The folder written.

    Raises:
        RefusedError: The verdict is not PASS, or the tree has changes, or had when the run was tracked.
        InputError: The model folder holds a file of another format, or one that is malformed.
        IntegrityError: The folders are not of one pipeline run, or the run is of another model.
        ServiceUnavailableError: MLflow or the ledger does not answer.
    """
    from voxloop.adapters.mlflow_registry import MlflowRegistry
    from voxloop.ledger.book import open_ledger
    from voxloop.release.registration import describe_version, require_pass
    from voxloop.release.registrations import record_registration
    from voxloop.release.versions import GIT_COMMIT, RETRAIN_ID, ModelVersion
    from voxloop.settings import get_settings, now
    from voxloop.store.atomic import build_folder, write_file
    from voxloop.store.revision import require_clean

    settings = get_settings()
    with build_folder(out) as folder:
        require_pass(verdict)
        require_clean(settings.project_root)
        registry = MlflowRegistry(settings)
        described = describe_version(task, run, model, evaluation, verdict, registry.read_run_tags)
        sign_once(settings, registry, described.run_id, model)
        version = registry.find_run_version(task, described.run_id) or registry.create_version(
            task, described.run_id, described.tags, described.note
        )
        evidence = ModelVersion(task, version.number, described.run_id, described.tags)
        ledger = open_ledger(settings)
        asked_by = find_askers(ledger, described.tags.get(RETRAIN_ID, ""))
        trained_by = find_trainers(settings, described.tags[GIT_COMMIT], asked_by)
        record_registration(ledger, evidence, trained_by=trained_by, at=now())
        registry.name_challenger(version)
        content = {"name": task, "version": version.number, "model_digest": version.model_digest}
        write_file(folder / "version.json", json.dumps(content, indent=2))
    print(f"registered as {version}, model {version.model_digest[:12]}, at {settings.mlflow_url}", flush=True)
    return out


def find_trainers(settings: Settings, commit: str, asked_by: Sequence[str]) -> tuple[str, ...]:
    """Return who may not approve what was trained: authors of the commit, whose process registers it, who asked for it.

    A run on a schedule is its code's author's; one started by hand also its starter's, as the system knows them. None
    when the author cannot be told: then nobody may approve.
    """
    from voxloop.jobs.principal import find_principal
    from voxloop.store.revision import read_authors

    authors = read_authors(settings.project_root, commit)
    return (*authors, *find_principal(), *asked_by) if authors else ()


def find_askers(ledger: Ledger, retrain_id: str) -> tuple[str, ...]:
    """Return who asked for a retraining, by the ledger; nobody of a run without one, and of one of before."""
    from voxloop.monitoring.retraining import find_retraining

    found = find_retraining(ledger.read(), retrain_id) if retrain_id else None
    return found.asked_by if found else ()


def sign_once(settings: Settings, registry: MlflowRegistry, run_id: str, model: Path) -> None:
    """Sign a run's model folder, whose bytes were found to be the run's, and keep the signature with the run."""
    import tempfile

    from voxloop.adapters.mlflow_registry import SIGNATURE_NAME
    from voxloop.adapters.model_signing import FolderSigner
    from voxloop.evaluation.model_folder import check_model_folder
    from voxloop.release.formats import require_accepted_formats

    require_accepted_formats(model)
    check_model_folder(model)
    if registry.has_signature(run_id):
        return
    with tempfile.TemporaryDirectory(prefix="voxloop-register-") as workplace:
        signature = Path(workplace) / SIGNATURE_NAME
        FolderSigner(settings).sign(model, signature)
        registry.keep_signature(run_id, signature)
