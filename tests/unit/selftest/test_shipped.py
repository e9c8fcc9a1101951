"""What the shipped self-tests try, and that every rule of a shipped policy can be switched off."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.selftest.suites import load_small
from voxloop.config import find_config, load_config
from voxloop.data.corpora import find_corpus
from voxloop.errors import ConfigError
from voxloop.evaluation.policy import GatePolicy
from voxloop.selftest.bench import Bench
from voxloop.selftest.config import Expectation, SelfTestConfig
from voxloop.selftest.faults_of_rules import list_rule_faults
from voxloop.selftest.rules_off import NO_RULE, list_rules, switch_off
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
        "asr": {*of_labels, "hangs on the batch", "needs every word", "needs every feature"},
        "emotion": {"needs every word", "needs every feature", "words in silence"},
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
    rules = list_rules(policy)
    asked = {field for field in GatePolicy.model_fields if getattr(policy, field) not in (None, 1)}
    assert {rule.section for rule in rules.values()} == asked - NO_RULE
    for rule in rules:
        switch_off(policy, rule)


@pytest.mark.parametrize(("task", "count"), [("asr", 37), ("emotion", 37), ("personality", 19)])
def test_nothing_in_a_section_is_switched_off_with_the_section_alone(task: str, count: int) -> None:
    policy = load_config(GatePolicy, find_config("gates", task))
    rules = list_rules(policy)
    assert policy.robustness is not None
    assert policy.behaviour is not None
    for section, parts in (("robustness", policy.robustness.conditions), ("behaviour", policy.behaviour.shares)):
        assert {f"{section}: {part}" for part in parts} <= rules.keys()
    assert len(rules) == count


@pytest.mark.parametrize("task", task_names())
def test_every_part_of_a_section_has_a_fault_of_its_own(task: str, tmp_path: Path) -> None:
    config = load_config(SelfTestConfig, find_config("selftest", task))
    policy = load_config(GatePolicy, find_config("gates", task))
    planted = {one.rule for one in list_rule_faults(Bench(task, 1, config, policy, tmp_path))}
    assert planted == {rule for rule in list_rules(policy) if ": " in rule or "." in rule}
