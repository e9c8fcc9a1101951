"""A simulated platform's checkout: the committed code, the simulation's values, a commit of its own."""

from __future__ import annotations

from pathlib import Path

import pytest

from voxloop.config import find_config, load_config
from voxloop.errors import RefusedError
from voxloop.evaluation.policy import Comparison, GatePolicy
from voxloop.gateway.config import GatewayConfig
from voxloop.local.simulation.checkout import make_checkout
from voxloop.local.simulation.config import SimulationConfig
from voxloop.monitoring.drift.policy import DriftPolicy
from voxloop.settings import Settings
from voxloop.store.revision import read_code_revision


def test_it_differs_in_the_values_that_the_simulation_names_alone(
    settings: Settings, clean_checkout: Path, tmp_path: Path
) -> None:
    config = load_config(SimulationConfig, find_config("simulation", "emotion")).platform
    made = make_checkout(clean_checkout, tmp_path / "project", "emotion", config, tmp_path / "corpus")
    assert not read_code_revision(made).dirty
    policies = [load_config(DriftPolicy, one / "configs" / "drift" / "emotion.yaml") for one in (clean_checkout, made)]
    shipped, changed = (one.model_dump() for one in policies)
    assert {key for key in shipped if shipped[key] != changed[key]} == {"window_minutes", "check", "decision"}
    gates = [load_config(GatePolicy, one / "configs" / "gates" / "emotion.yaml") for one in (clean_checkout, made)]
    assert [one.measures["uar"].comparison for one in gates] == [
        Comparison(kind="non_inferiority", margin=margin) for margin in (0.03, 0.05)
    ]
    assert load_config(GatewayConfig, made / "configs" / "gateway.yaml").predictions.batch_seconds == 2.0
    arguments = (made / "configs" / "pipelines" / "training" / "simulation.yaml").read_text(encoding="utf-8")
    assert f"corpus_path: {tmp_path / 'corpus'}" in arguments
    with (made / "README.md").open("a") as stream:
        stream.write("changed\n")
    with pytest.raises(RefusedError, match="uncommitted changes"):
        make_checkout(made, tmp_path / "again", "emotion", config, tmp_path / "corpus")
