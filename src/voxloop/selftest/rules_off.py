"""Every rule of a policy by itself, and the policy without it: the self-test must turn red."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from voxloop.errors import VoxloopError
from voxloop.evaluation.policy import GatePolicy
from voxloop.selftest.suite import Suite
from voxloop.selftest.trial import Outcome, judge_control, judge_fault

Dump = dict[str, Any]
NO_RULE = {"version", "claim", "level"}
"""What of a policy is no rule."""
LESS_IS_BETTER = ("wer", "ece")
ANYTHING = 1e9
"""A limit or margin that nothing exceeds."""


@dataclass(frozen=True)
class Rule:
    """One rule of a policy.

    Args:
        name: Such as `ece limit`, or `robustness: telephone`.
        section: The field of the policy that it stands in.
        switch_off: Takes it out of a dumped policy.
    """

    name: str
    section: str
    switch_off: Callable[[Dump], None]


def list_rules(policy: GatePolicy) -> dict[str, Rule]:
    """Return every rule that a policy has, by name; sections of several rules count as one more each."""
    rules = [*_list_measures(policy), *_list_sections(policy), *_list_golden(policy), *_list_minima(policy)]
    return {rule.name: rule for rule in rules}


def switch_off(policy: GatePolicy, name: str) -> GatePolicy:
    """Return a policy without one of its rules.

    Raises:
        VoxloopError: That changes nothing, so it was no rule.
    """
    dumped = policy.model_dump(mode="json")
    before = GatePolicy.model_validate(dumped)
    list_rules(policy)[name].switch_off(dumped)
    softened = GatePolicy.model_validate(dumped)
    if softened == before:
        raise VoxloopError(f"without {name} the policy is what it was", rule="a rule asks for something")
    return softened


def find_miss(suite: Suite, rule: str, policy: GatePolicy | None = None) -> Outcome | None:
    """Return the first candidate that does not come out as it must without a rule: by that the self-test is red.

    What was planted for that rule is judged first, then what its section should catch, then the controls, and the first
    that is missed settles it: judging all of them again for each rule takes minutes.
    """
    return next((one for one in _judge_in_turn(suite, rule, policy or suite.policy) if not one.good), None)


def is_noticed(suite: Suite, rule: str, policy: GatePolicy | None = None) -> bool:
    """Return whether the self-test is red without a rule."""
    return find_miss(suite, rule, policy) is not None


def _judge_in_turn(suite: Suite, rule: str, policy: GatePolicy) -> Iterator[Outcome]:
    expected, known = suite.config.faults, list_rules(suite.policy).get(rule)
    asked = f"{rule} {known.section}" if known else rule
    first = [one for one in suite.faults if expected[one.name].rule in asked]
    # What is not caught while the rule is there tells nothing of it: it could not be made.
    planted = zip(suite.judge_rule(rule), suite.judge_rule(rule, policy), strict=True)
    yield from (without for caught, without in planted if caught.good)
    yield from (judge_fault(one, policy, expected[one.name]) for one in first)
    yield from (judge_control(one, policy) for one in suite.controls)
    yield from (judge_fault(one, policy, expected[one.name]) for one in suite.faults if one not in first)


def _list_measures(policy: GatePolicy) -> Iterator[Rule]:
    for name, rule in policy.measures.items():
        prefix = "" if name == policy.primary else f"{name} "
        limit = ANYTHING if name in LESS_IS_BETTER else -ANYTHING
        off = {"limit": limit, "comparison": {"kind": "non_inferiority", "margin": ANYTHING}, "on_reason": None}
        for asked, value in off.items():
            if getattr(rule, asked) is not None:
                yield Rule(f"{prefix}{asked}", "measures", _set(value, "measures", name, asked))


def _list_sections(policy: GatePolicy) -> Iterator[Rule]:
    if policy.slices is not None:
        yield Rule("slices", "slices", _set(None, "slices"))
        yield from _list_least("slices", speakers=2, utterances=2)
    if policy.fairness is not None:
        gaps = [name for name in ("gap", "recall_gap") if getattr(policy.fairness, name) is not None]
        for name in gaps:
            yield Rule(name, "fairness", _set(None, "fairness", *([name] if len(gaps) > 1 else [])))
        labels = {"per_label": 2} if "recall_gap" in gaps else {}
        yield from _list_least("fairness", speakers=2, utterances=2, **labels)
    if policy.robustness is not None:
        yield from _list_parts("robustness", "conditions", policy.robustness.conditions)
        yield from _list_least("robustness", speakers=2, utterances=2)
    if policy.behaviour is not None:
        yield from _list_parts("behaviour", "shares", policy.behaviour.shares)
        yield from _list_least("behaviour", rows=1)


def _list_parts(section: str, field: str, names: Mapping[str, Any]) -> Iterator[Rule]:
    yield Rule(section, section, _set(None, section))
    for name in names:
        yield Rule(f"{section}: {name}", section, _drop(section, field, name))


def _list_least(section: str, **off: int) -> Iterator[Rule]:
    for what, least in off.items():
        name = f"minimum_{what}"
        yield Rule(f"{section}.{name}", section, _set(least, section, name))


def _list_golden(policy: GatePolicy) -> Iterator[Rule]:
    for name in ("slowdown", "size", "memory", "words_on_silence"):
        if policy.golden is not None and getattr(policy.golden, name) is not None:
            yield Rule(name, "golden", _set(None, "golden", name))


def _list_minima(policy: GatePolicy) -> Iterator[Rule]:
    for name, least in (("minimum_speakers", 2), ("minimum_utterances", 1), ("minimum_per_label", 1)):
        if getattr(policy, name) > least:
            yield Rule(name, name, _set(least, name))


def _set(value: object, *path: str) -> Callable[[Dump], None]:
    def change(policy: Dump) -> None:
        *folders, last = path
        for folder in folders:
            policy = policy[folder]
        policy[last] = value

    return change


def _drop(section: str, field: str, name: str) -> Callable[[Dump], None]:
    def change(policy: Dump) -> None:
        del policy[section][field][name]
        if not policy[section][field]:
            policy[section] = None

    return change
