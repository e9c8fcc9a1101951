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
    about_loss=st.sampled_from(["", "of 100 answers"]),
    are_labels_suspicious=st.booleans(),
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
        (replace(FIRST, new_hours=0.4, measured_loss=0.05), Word.ALERT, "is 0.05 at least, alarming from 0.05"),
        (replace(FIRST, new_hours=0.4, measured_loss=0.04), Word.LABEL_MORE, "is 0.04 at least, alarming from 0.05"),
        (replace(FIRST, new_hours=0.4, about_loss="no key"), Word.LABEL_MORE, "in production is not known: no key"),
        (replace(FIRST, new_hours=0.4, are_labels_suspicious=True), Word.ALERT, "0.4 new labelled hours"),
        (replace(FIRST, measured_loss=0.5), Word.RETRAIN, "in production is 0.5"),
        (replace(FIRST, are_labels_suspicious=True), Word.RETRAIN, "in production is not known"),
        (replace(FIRST, is_told=False, measured_loss=0.05), Word.ALERT, "is 0.05 at least, alarming from 0.05"),
        (replace(FIRST, is_told=False, measured_loss=0.04, about_loss="a"), Word.WAIT, "is 0.04 at least"),
        (replace(FIRST, is_told=False, measured_loss=math.nan, about_loss="few"), Word.WAIT, "is not known: few"),
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
def test_it_waits_when_neither_drift_nor_loss_asks_for_anything_and_only_then(
    policy: DecisionPolicy, facts: Facts
) -> None:
    choice: Choice = choose(policy, facts)
    loss = facts.known().measured_loss
    is_quiet = not facts.is_told and not (loss is not None and loss >= policy.alarming_loss)
    assert (choice.word is Word.WAIT) is is_quiet
    assert choice.reasons


@given(policies, facts_of)
def test_labels_in_quarantine_call_a_person_and_do_nothing_else(policy: DecisionPolicy, facts: Facts) -> None:
    without = choose(policy, replace(facts, measured_loss=None, are_labels_suspicious=False, about_loss=""))
    word = choose(policy, facts).word
    assert word in (without.word, Word.ALERT)
    assert (word is Word.RETRAIN) is (without.word is Word.RETRAIN)


@pytest.mark.parametrize(
    "change",
    ["decision.alarming_loss=0", "decision.arguments=", "decision.price=1", "decision.most_cost_per_point=.inf"],
)
def test_a_policy_that_cannot_be_is_refused(change: str) -> None:
    with pytest.raises(ConfigError):
        load_config(DriftPolicy, find_config("drift", "emotion"), (change,))
