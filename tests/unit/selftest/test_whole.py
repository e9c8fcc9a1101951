"""The whole self-test: three families, five seeds each, and no rule of a shipped policy that could go unnoticed."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.rules_off import judge_rules
from tests.soak import in_soak
from voxloop.config import find_config, load_config
from voxloop.selftest.config import SelfTestConfig
from voxloop.selftest.suite import collect_suite
from voxloop.settings import Settings
from voxloop.tasks import task_names

SEEDS = 5


IN_SOAK = in_soak("half an hour a family and seed")


@pytest.mark.slow
@IN_SOAK
@pytest.mark.timeout(7200)
@pytest.mark.parametrize("seed", range(1, 1 + Settings().trial_count(SEEDS)))
@pytest.mark.parametrize("task", task_names())
def test_every_fault_is_caught_and_every_rule_is_needed(task: str, seed: int, tmp_path: Path) -> None:
    config = load_config(SelfTestConfig, find_config("selftest", task))
    whole, planted, found = judge_rules(collect_suite(task, seed, config, tmp_path, of_rules=True))
    assert [(one.name, one.verdict, one.reason) for one in (*whole, *planted) if not one.good] == []
    assert [one.rule for one in found if not one.is_red] == []
