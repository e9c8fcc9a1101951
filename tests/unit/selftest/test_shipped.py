"""What the shipped self-tests try, and that every rule of a shipped policy can be switched off."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.selftest.suites import ASKED_OF, NEVER, OFF, load_small, switch_off
from voxloop.config import find_config, load_config
from voxloop.data.corpora import find_corpus
from voxloop.errors import ConfigError
from voxloop.evaluation.policy import GatePolicy
from voxloop.selftest.config import Expectation, SelfTestConfig
from voxloop.selftest.suite import collect_suite
from voxloop.selftest.trial import FAULTS
from voxloop.tasks import task_names


def test_an_unknown_fault_is_refused(tmp_path: Path) -> None:
    config = load_small().model_copy(update={"faults": {"gremlins": Expectation(rule="limit", measure="ccc")}})
    with pytest.raises(ConfigError, match="no fault 'gremlins'"):
        collect_suite("personality", 1, config, tmp_path)


@pytest.mark.parametrize("task", task_names())
def test_the_shipped_self_test_tries_every_fault_the_family_can_have(task: str) -> None:
    config = load_config(SelfTestConfig, find_config("selftest", task))
    of_labels = {"a label hardly there", "certain and often wrong", "never in doubt", "unfair in one label"}
    of_sound = {"deaf in noise", "hangs on the level", "one slice destroyed", "unfair to a group", "wrong sample rate"}
    without = {
        # What a recogniser writes hardly moves where its probabilities do.
        "asr": {*of_labels, "hangs on the batch", "needs every word"},
        "emotion": {"needs every word", "words in silence"},
        "personality": {*of_labels, *of_sound, "words in silence"},
    }
    assert set(config.faults) == set(FAULTS) - without[task]
    assert (config.policy, config.policy_overrides) == (task, ())


@pytest.mark.parametrize("task", task_names())
def test_one_utterance_that_clips_ends_no_night(task: str) -> None:
    """Of some seeds' thousands of utterances one does, and no fault had been tried."""
    config = load_config(SelfTestConfig, find_config("selftest", task))
    for overrides in (config.corpus, config.pipeline.corpus):
        world = load_config(find_corpus("world").config_model, find_config("corpora", "world"), overrides)
        assert world.max_refused_share > 0


@pytest.mark.parametrize("task", task_names())
def test_every_rule_of_a_shipped_policy_can_be_switched_off(task: str) -> None:
    policy = load_config(GatePolicy, find_config("gates", task))
    assert {field for field, _ in OFF.values()} | NEVER == set(GatePolicy.model_fields)
    for rule in ASKED_OF[task]:
        switch_off(policy, rule)
    sections = ("slices", "fairness", "robustness", "behaviour", "golden")
    unasked = {rule for rule in sections if getattr(policy, rule) is None}
    assert unasked == ({"slices", "fairness"} if task == "personality" else set())
