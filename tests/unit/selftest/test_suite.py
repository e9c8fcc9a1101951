"""The gate refuses every fault of one family for its reason, and no rule can be taken away unnoticed."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.unit.selftest.suites import load_small
from voxloop.config import find_config, load_config
from voxloop.evaluation import gate as gate_module
from voxloop.evaluation.policy import GatePolicy
from voxloop.evaluation.rules import MODEL_RULES
from voxloop.evaluation.soundness import SOUNDNESS_RULES
from voxloop.selftest.config import Expectation
from voxloop.selftest.report import is_green
from voxloop.selftest.rules_off import is_noticed, list_rules, switch_off
from voxloop.selftest.suite import Suite, collect_suite
from voxloop.selftest.trial import judge_fault
from voxloop.verdict import Verdict

pytestmark = pytest.mark.slow  # a network is trained and every fault scored: two minutes before the first test


@pytest.fixture(scope="module")
def suite(tmp_path_factory: pytest.TempPathFactory) -> Suite:
    return collect_suite("personality", 1, load_small(), tmp_path_factory.mktemp("selftest"), of_rules=True)


def test_every_fault_is_caught_for_its_reason_and_every_control_passes(suite: Suite) -> None:
    outcomes = suite.judge()
    assert is_green(outcomes)
    assert [(one.name, one.verdict, one.reason) for one in outcomes if not one.good] == []
    assert Counter(one.is_control for one in outcomes) == {True: 2, False: len(suite.config.faults)}


def test_the_losses_are_twice_the_margin_where_the_gate_never_looks(suite: Suite) -> None:
    losses = {one.name: one.true_loss for one in suite.judge()}
    assert losses["noise of twice the margin"] == pytest.approx(0.2, rel=0.1)
    assert losses["better"] == pytest.approx(-0.2, rel=0.1)


RULES = list_rules(load_config(GatePolicy, find_config("gates", "personality")))


@pytest.mark.parametrize("rule", sorted(RULES))
def test_with_any_rule_of_the_policy_off_it_is_red(suite: Suite, rule: str) -> None:
    assert all(one.good for one in suite.judge_rule(rule))
    assert is_noticed(suite, rule, switch_off(suite.policy, rule))


@pytest.mark.parametrize(
    "rule",
    [
        "robustness: a fifth of the words lost",
        "robustness: a fifth of the features lost",
        "behaviour: a word nobody knows changes nothing",
        "behaviour: a request in full is answered whole",
    ],
)
def test_without_that_rule_the_gate_would_let_it_pass(suite: Suite, rule: str) -> None:
    (before,) = suite.judge_rule(rule)
    (behind,) = suite.judge_rule(rule, switch_off(suite.policy, rule))
    assert (before.verdict, behind.verdict) == (Verdict.FAIL, Verdict.PASS)


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
        Expectation(rule="comparison", measure="ccc lead", cut=("gender=female", "gender=male")),
        Expectation(rule="comparison", measure="ccc lead", verdicts=(Verdict.CANNOT_TELL,)),
        Expectation(rule="comparison", measure="ccc lead", text="byte for byte"),
    ],
)
def test_caught_for_another_reason_is_not_caught(suite: Suite, other: Expectation) -> None:
    found = next(one for one in suite.faults if one.name == "swapped label order")
    assert judge_fault(found, suite.policy, Expectation(rule="comparison", measure="ccc lead")).good
    assert judge_fault(
        found, suite.policy, Expectation(rule="comparison", measure="ccc lead", cut=("none", "all"))
    ).good
    outcome = judge_fault(found, suite.policy, other)
    assert (outcome.verdict, outcome.good) == (Verdict.FAIL, False)


def test_a_candidate_that_cannot_be_evaluated_is_not_caught(suite: Suite) -> None:
    found = replace(suite.faults[0], evaluation=None, crash="no model")
    outcome = judge_fault(found, suite.policy, Expectation(rule="limit", measure="ccc"))
    assert (outcome.verdict, outcome.reason, outcome.good) == (None, "no model", False)


def test_another_stream_of_chance_for_each_purpose_and_seed(suite: Suite) -> None:
    from voxloop.selftest.bench import Bench

    bench = Bench("personality", 1, suite.config, suite.policy, Path())
    drawn = [bench.draw("one"), bench.draw("two"), replace(bench, seed=2).draw("one")]
    numbers = [tuple(one.integers(0, 2**31, 4).tolist()) for one in drawn]
    assert len(set(numbers)) == 3
    assert np.array_equal(bench.draw("one").integers(0, 9, 9), bench.draw("one").integers(0, 9, 9))
