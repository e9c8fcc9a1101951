"""Retrain, wait, label more or alert: whatever is known, and whatever is not."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voxloop.config import find_config, load_config
from voxloop.errors import ConfigError
from voxloop.monitoring.decision import Choice, DecisionPolicy, Facts, Word, choose
from voxloop.monitoring.drift.policy import DriftPolicy

POLICY = DecisionPolicy(
    arguments="local",
    smallest_labelled_hours=0.5,
    price_per_gpu_hour=2.0,
    most_cost_per_point=10.0,
    alarming_loss=0.05,
)
FIRST = Facts(True, ("3 of 6 windows",), drift_size=2.0, new_hours=1.0)
"""Of a family without past runs."""
LATER = replace(FIRST, amounts=3, expected_gain=0.01, gpu_hours=1.0)
numbers = st.none() | st.floats(0, 100) | st.sampled_from([math.nan, math.inf])
facts_of = st.builds(
    Facts,
    is_told=st.booleans(),
    told=st.just(("3 of 6 windows",)),
    drift_size=numbers,
    measured_loss=numbers,
    new_hours=numbers,
    amounts=st.integers(0, 5),
    expected_gain=numbers,
    gpu_hours=numbers,
)
policies = st.builds(
    DecisionPolicy,
    arguments=st.just("local"),
    smallest_labelled_hours=st.floats(0, 10),
    price_per_gpu_hour=st.floats(0, 10),
    most_cost_per_point=st.floats(0, 100),
    alarming_loss=st.floats(0.01, 1),
)


@pytest.mark.parametrize(
    ("facts", "word", "reason"),
    [
        (FIRST, Word.RETRAIN, "no gain is expected or denied: past runs learned from 0 amounts of data"),
        (replace(FIRST, is_told=False), Word.WAIT, "3 of 6 windows"),
        (replace(FIRST, new_hours=0.4), Word.LABEL_MORE, "0.4 new labelled hours, of 0.5 at least"),
        (replace(FIRST, new_hours=None), Word.ALERT, "how many new labelled hours there are is not known"),
        (replace(FIRST, drift_size=None), Word.ALERT, "how far it has drifted is not known"),
        (replace(FIRST, new_hours=0.4, measured_loss=0.05), Word.ALERT, "in production is 0.05, alarming from 0.05"),
        (replace(FIRST, measured_loss=0.5), Word.RETRAIN, "in production is 0.5"),
        (LATER, Word.RETRAIN, "1 points are expected for 1 GPU-hours, which cost 2: 2 a point, of 10 at most"),
        (replace(LATER, gpu_hours=5.1), Word.LABEL_MORE, "10.2 a point, of 10 at most"),
        (replace(LATER, expected_gain=0.0), Word.ALERT, "the learning curve is flat"),
        (replace(LATER, expected_gain=None), Word.ALERT, "the gain to expect is not known"),
        (replace(LATER, gpu_hours=None), Word.ALERT, "what a retraining takes is not known"),
        (replace(LATER, expected_gain=None, new_hours=0.0), Word.ALERT, "0 new labelled hours"),
    ],
)
def test_each_word_has_its_reasons(facts: Facts, word: Word, reason: str) -> None:
    choice = choose(POLICY, facts)
    assert choice.word is word, choice
    assert any(reason in one for one in choice.reasons), choice
    assert choice.reasons[0] == "3 of 6 windows"


def test_where_no_hours_are_asked_for_none_need_be_known() -> None:
    lenient = POLICY.model_copy(update={"smallest_labelled_hours": 0.0})
    assert choose(lenient, replace(FIRST, new_hours=None)).word is Word.RETRAIN
    assert choose(lenient, replace(FIRST, new_hours=0.0)).word is Word.RETRAIN


@given(policies, facts_of, st.sampled_from(["drift_size", "new_hours", "expected_gain"]), st.floats(0, 50))
def test_more_drift_more_hours_or_more_gain_never_turns_a_retraining_down(
    policy: DecisionPolicy, facts: Facts, name: str, more: float
) -> None:
    value = getattr(facts, name)
    if value is None or choose(policy, facts).word is not Word.RETRAIN:
        return
    assert choose(policy, replace(facts, **{name: value + more})).word is Word.RETRAIN


@given(
    policies,
    facts_of,
    st.sets(st.sampled_from(["drift_size", "measured_loss", "new_hours", "expected_gain", "gpu_hours"])),
)
def test_what_is_not_known_never_makes_a_retraining(policy: DecisionPolicy, facts: Facts, lost: set[str]) -> None:
    if policy.smallest_labelled_hours == 0 and "new_hours" in lost:
        return  # where none are asked for, none are missing
    nothing: dict[str, Any] = dict.fromkeys(lost)
    less = replace(facts, **nothing)
    assert choose(policy, facts).word is Word.RETRAIN or choose(policy, less).word is not Word.RETRAIN


@given(policies, facts_of)
def test_it_waits_when_drift_asks_for_nothing_and_only_then(policy: DecisionPolicy, facts: Facts) -> None:
    choice: Choice = choose(policy, facts)
    assert (choice.word is Word.WAIT) is not facts.is_told
    assert choice.reasons


@pytest.mark.parametrize(
    "change",
    ["decision.alarming_loss=0", "decision.arguments=", "decision.price=1", "decision.most_cost_per_point=.inf"],
)
def test_a_policy_that_cannot_be_is_refused(change: str) -> None:
    with pytest.raises(ConfigError):
        load_config(DriftPolicy, find_config("drift", "emotion"), (change,))
