"""Ask a changed gate policy about the promotions of the past."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from voxloop.config import Overrides, find_config, load_config
from voxloop.errors import InputError

if TYPE_CHECKING:
    from voxloop.evaluation.policy import GatePolicy
    from voxloop.evaluation.replay import Replayed


def replay_promotions(task: str, policy: str, overrides: Overrides) -> str:
    """Say which registered versions a policy would have stopped; nothing is changed by it.

    Args:
        task: Family.
        policy: Name of a file in configs/gates, or any file that ends in .yaml: nothing goes through by a replay.
        overrides: Changes to it.

    Returns:
        How many of how many.

    Raises:
        InputError: No such file.
        ServiceUnavailableError: MLflow does not answer.
    """
    from voxloop.evaluation.policy import GatePolicy
    from voxloop.evaluation.replay import summarise

    rules = load_config(GatePolicy, _find_policy(policy), overrides)
    replayed = []
    for one in _replay_versions(task, rules, policy):
        replayed.append(one)
        print("\n".join(one.lines()), flush=True)
    told = summarise(replayed, policy)
    print(told, flush=True)
    return told


def _find_policy(policy: str) -> Path:
    if not policy.endswith((".yaml", ".yml")):
        return find_config("gates", policy)
    if not (path := Path(policy)).is_file():
        raise InputError(f"--policy {policy} is no file", remedy="name a file, or one of configs/gates by its name")
    return path


def _replay_versions(task: str, rules: GatePolicy, policy: str) -> Iterator[Replayed]:
    from voxloop.adapters.mlflow_registry import MlflowRegistry
    from voxloop.evaluation.replay import replay
    from voxloop.settings import get_settings

    registry = MlflowRegistry(get_settings())
    for version in registry.list_versions(task):
        if version.is_pass:
            with TemporaryDirectory(prefix="voxloop-replay-") as name:
                evaluation = registry.download_evidence(version, "evaluation", Path(name))
                verdict = registry.download_evidence(version, "verdict", Path(name))
                yield replay(str(version), evaluation, verdict, rules, policy_name=policy, task=task)
