"""Ask a changed gate policy about the promotions of the past."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from voxloop.config import Overrides, find_config, load_config
from voxloop.errors import InputError, IntegrityError, VoxloopError

if TYPE_CHECKING:
    from voxloop.adapters.mlflow_registry import MlflowRegistry
    from voxloop.evaluation.policy import GatePolicy
    from voxloop.evaluation.replay import Replayed
    from voxloop.release.versions import ModelVersion


def replay_promotions(task: str, policy: str, overrides: Overrides) -> str:
    """Say which promotions a policy would have stopped; nothing is changed by it.

    Promoted is what the registry or the ledger says was in service. A version that passed and never was is named and
    counted apart. One whose evidence is gone or not whole cannot be told, and ends nothing.

    Args:
        task: Family.
        policy: Name of a file in configs/gates, or any file that ends in .yaml: nothing goes through by a replay.
        overrides: Changes to it.

    Returns:
        How many of how many.

    Raises:
        InputError: No such file.
        IntegrityError: The ledger is not whole.
        ServiceUnavailableError: MLflow or the ledger does not answer.
    """
    from voxloop.adapters.mlflow_registry import MlflowRegistry
    from voxloop.evaluation.policy import GatePolicy
    from voxloop.evaluation.replay import summarise
    from voxloop.ledger.book import open_ledger
    from voxloop.release.past_claims import list_used
    from voxloop.settings import get_settings

    rules = load_config(GatePolicy, _find_policy(policy), overrides)
    registry = MlflowRegistry(get_settings())
    used = list_used(open_ledger(get_settings()).read(), task)
    replayed, never_promoted = [], 0
    for version in registry.list_versions(task):
        if version.was_champion or version.number in used:
            replayed.append(_replay_version(registry, version, rules, policy))
            print("\n".join(replayed[-1].lines()), flush=True)
        elif version.is_pass:
            never_promoted += 1
            print(f"{version}  passed and was never promoted", flush=True)
    told = summarise(replayed, policy, never_promoted)
    print(told, flush=True)
    return told


def _find_policy(policy: str) -> Path:
    if not policy.endswith((".yaml", ".yml")):
        return find_config("gates", policy)
    if not (path := Path(policy)).is_file():
        raise InputError(f"--policy {policy} is no file", remedy="name a file, or one of configs/gates by its name")
    return path


def _replay_version(registry: MlflowRegistry, version: ModelVersion, rules: GatePolicy, policy: str) -> Replayed:
    from voxloop.evaluation.replay import lose, replay
    from voxloop.release.versions import EVALUATION_DIGEST, VERDICT_DIGEST

    with TemporaryDirectory(prefix="voxloop-replay-") as name:
        try:
            tracked = registry.read_run_tags(version.run_id)
            judged = tracked.get(VERDICT_DIGEST, "")  # the version itself keeps the evaluation's alone
            evaluation = _download(registry, version, "evaluation", version.tags.get(EVALUATION_DIGEST, ""), Path(name))
            verdict = _download(registry, version, "verdict", judged, Path(name))
        except VoxloopError as lost:
            return lose(str(version), str(lost))
        return replay(str(version), evaluation, verdict, rules, policy_name=policy, task=version.task)


def _download(registry: MlflowRegistry, version: ModelVersion, name: str, digest: str, out: Path) -> Path:
    """Return a folder of evidence, as the version was registered with it; `IntegrityError` if it is not whole."""
    from voxloop.store.digests import digest_tree

    folder = registry.download_evidence(version, name, out)
    if (found := digest_tree(folder)) != digest:
        raise IntegrityError(
            f"the {name} of {version} has digest {found[:12]}",
            rule=f"it was registered with {digest[:12] or 'none'}",
            remedy="restore MLflow's artifacts from a backup; nothing can be said of it",
        )
    return folder
