"""The whole self-test: three families, five seeds each, and no rule of a shipped policy that could go unnoticed."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.selftest.suites import ASKED_OF, is_noticed, switch_off
from voxloop.config import find_config, load_config
from voxloop.selftest.config import SelfTestConfig
from voxloop.selftest.suite import collect_suite
from voxloop.settings import get_settings
from voxloop.tasks import task_names

SEEDS = 5


IN_SOAK = pytest.mark.skipif(get_settings().trials < 1, reason="half an hour a family and seed: in `make soak`")


@pytest.mark.slow
@IN_SOAK
@pytest.mark.timeout(7200)
@pytest.mark.parametrize("task", task_names())
def test_every_fault_is_caught_and_every_rule_is_needed(task: str, tmp_path: Path) -> None:
    config = load_config(SelfTestConfig, find_config("selftest", task))
    for seed in range(1, 1 + get_settings().trial_count(SEEDS)):
        folder = tmp_path / str(seed)
        folder.mkdir()
        suite = collect_suite(task, seed, config, folder)
        outcomes = suite.judge()
        assert [(one.name, one.verdict, one.reason) for one in outcomes if not one.good] == []
        unnoticed = [
            rule for rule in sorted(ASKED_OF[task]) if not is_noticed(suite, rule, switch_off(suite.policy, rule))
        ]
        assert unnoticed == []
