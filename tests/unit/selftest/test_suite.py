"""The gate refuses every fault of one family for its reason, and no rule can be taken away unnoticed."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.unit.selftest.suites import ASKED_OF, NEVER, OFF, is_noticed, load_small, switch_off
from voxloop.config import find_config, load_config
from voxloop.errors import ConfigError
from voxloop.evaluation import gate as gate_module
from voxloop.evaluation.policy import GatePolicy
from voxloop.evaluation.rules import MODEL_RULES
from voxloop.evaluation.soundness import SOUNDNESS_RULES
from voxloop.selftest.config import Expectation, SelfTestConfig
from voxloop.selftest.report import is_green
from voxloop.selftest.suite import Suite, collect_suite
from voxloop.selftest.trial import FAULTS, judge_fault
from voxloop.tasks import task_names
from voxloop.verdict import Verdict


@pytest.fixture(scope="module")
def suite(tmp_path_factory: pytest.TempPathFactory) -> Suite:
    return collect_suite("personality", 1, load_small(), tmp_path_factory.mktemp("selftest"))


def test_every_fault_is_caught_for_its_reason_and_every_control_passes(suite: Suite) -> None:
    outcomes = suite.judge()
    assert is_green(outcomes)
    assert [(one.name, one.verdict, one.reason) for one in outcomes if not one.good] == []
    assert Counter(one.is_control for one in outcomes) == {True: 2, False: len(suite.config.faults)}


def test_the_losses_are_twice_the_margin_where_the_gate_never_looks(suite: Suite) -> None:
    losses = {one.name: one.true_loss for one in suite.judge()}
    assert losses["noise of twice the margin"] == pytest.approx(0.2, rel=0.1)
    assert losses["better"] == pytest.approx(-0.2, rel=0.1)


@pytest.mark.parametrize("rule", sorted(ASKED_OF["personality"]))
def test_with_any_rule_of_the_policy_off_it_is_red(suite: Suite, rule: str) -> None:
    assert is_noticed(suite, rule, switch_off(suite.policy, rule))


@pytest.mark.parametrize("rule", [*SOUNDNESS_RULES, *MODEL_RULES], ids=lambda rule: str(rule.__name__))
def test_with_any_rule_of_the_code_gone_it_is_red(suite: Suite, rule: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("SOUNDNESS_RULES", "MODEL_RULES"):
        kept = tuple(one for one in getattr(gate_module, name) if one is not rule)
        monkeypatch.setattr(gate_module, name, kept)
    assert is_noticed(suite, rule.__name__)


def test_a_gate_that_lets_everything_through_is_red(suite: Suite, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gate_module, "combine", lambda _reasons, _sets: Verdict.PASS)
    outcomes = suite.judge()
    # What the judge of the data says of leaked speakers is not the gate's.
    assert {one.name for one in outcomes if one.good and not one.is_control} == {"training on the evaluation set"}


def test_a_gate_that_is_stuck_shut_is_red(suite: Suite, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gate_module, "combine", lambda _reasons, _sets: Verdict.FAIL)
    assert {one.name for one in suite.judge() if not one.good} == {"better", "equal"}


@pytest.mark.parametrize(
    "other",
    [
        Expectation(rule="slices", measure="ccc lead"),
        Expectation(rule="comparison", measure="ccc"),
        Expectation(rule="comparison", measure="ccc lead", cut="gender=female"),
        Expectation(rule="comparison", measure="ccc lead", verdicts=(Verdict.CANNOT_TELL,)),
        Expectation(rule="comparison", measure="ccc lead", text="byte for byte"),
    ],
)
def test_caught_for_another_reason_is_not_caught(suite: Suite, other: Expectation) -> None:
    found = next(one for one in suite.faults if one.name == "swapped label order")
    assert judge_fault(found, suite.policy, Expectation(rule="comparison", measure="ccc lead")).good
    outcome = judge_fault(found, suite.policy, other)
    assert (outcome.verdict, outcome.good) == (Verdict.FAIL, False)


def test_a_candidate_that_cannot_be_evaluated_is_not_caught(suite: Suite) -> None:
    found = replace(suite.faults[0], evaluation=None, crash="no model")
    outcome = judge_fault(found, suite.policy, Expectation(rule="limit", measure="ccc"))
    assert (outcome.verdict, outcome.reason, outcome.good) == (None, "no model", False)


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
def test_every_rule_of_a_shipped_policy_can_be_switched_off(task: str) -> None:
    policy = load_config(GatePolicy, find_config("gates", task))
    assert {field for field, _ in OFF.values()} | NEVER == set(GatePolicy.model_fields)
    for rule in ASKED_OF[task]:
        switch_off(policy, rule)
    sections = ("slices", "fairness", "robustness", "behaviour", "golden")
    unasked = {rule for rule in sections if getattr(policy, rule) is None}
    assert unasked == ({"slices", "fairness"} if task == "personality" else set())


def test_another_stream_of_chance_for_each_purpose_and_seed(suite: Suite) -> None:
    from voxloop.selftest.bench import Bench

    bench = Bench("personality", 1, suite.config, suite.policy, Path())
    drawn = [bench.draw("one"), bench.draw("two"), replace(bench, seed=2).draw("one")]
    numbers = [tuple(one.integers(0, 2**31, 4).tolist()) for one in drawn]
    assert len(set(numbers)) == 3
    assert np.array_equal(bench.draw("one").integers(0, 9, 9), bench.draw("one").integers(0, 9, 9))
