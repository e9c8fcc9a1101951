"""A self-test small enough for every run of the tests, and policies with one rule switched off."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from voxloop.config import find_config, load_config
from voxloop.evaluation.policy import GatePolicy
from voxloop.selftest.config import SelfTestConfig
from voxloop.selftest.suite import Suite
from voxloop.selftest.trial import judge_control, judge_fault

WORLD = (
    "world.home.speakers=240",
    "world.utterances_per_speaker=3",
    "world.traits.voice=1",
    "world.traits.words=1.5",
    "max_refused_share=0.02",
    "split.shares.train=0.3",
    "split.shares.dev=0.1",
    "split.shares.test=0.6",
)
# Fewer speakers than the shipped self-test, and a margin twice as wide: so few settle no less.
SMALL = (
    f"corpus=[{', '.join(WORLD)}]",
    "policy_overrides=[measures.ccc.comparison.margin=0.1]",
    "equal_share=0.02",
    "golden.rounds=3",
)

Dump = dict[str, Any]
NEVER = {"version", "claim", "level"}
"""What of a policy is no rule."""


def load_small() -> SelfTestConfig:
    return load_config(SelfTestConfig, find_config("selftest", "personality"), SMALL)


LESS_IS_BETTER = ("wer", "ece")


def _no_limit(policy: Dump, name: str = "") -> None:
    name = name or next(iter(policy["measures"]))
    policy["measures"][name]["limit"] = 1e9 if name in LESS_IS_BETTER else -1e9


def _no_comparison(policy: Dump, name: str = "") -> None:
    rule = policy["measures"][name or next(iter(policy["measures"]))]
    rule["comparison"] = {"kind": "non_inferiority", "margin": 1e9}


def _no_reason(policy: Dump) -> None:
    next(iter(policy["measures"].values()))["on_reason"] = None


def _no_gap(policy: Dump, name: str) -> None:
    if all(policy["fairness"][other] is None for other in {"gap", "recall_gap"} - {name}):
        policy["fairness"] = None
    else:
        policy["fairness"][name] = None


OFF: dict[str, tuple[str, Callable[[Dump], None]]] = {
    "limit": ("measures", _no_limit),
    "comparison": ("measures", _no_comparison),
    "on_reason": ("measures", _no_reason),
    "ece limit": ("measures", lambda policy: _no_limit(policy, "ece")),
    "ece comparison": ("measures", lambda policy: _no_comparison(policy, "ece")),
    "slices": ("slices", lambda policy: policy.update(slices=None)),
    "gap": ("fairness", lambda policy: _no_gap(policy, "gap")),
    "recall_gap": ("fairness", lambda policy: _no_gap(policy, "recall_gap")),
    "robustness": ("robustness", lambda policy: policy.update(robustness=None)),
    "behaviour": ("behaviour", lambda policy: policy.update(behaviour=None)),
    "slowdown": ("golden", lambda policy: policy["golden"].update(slowdown=None)),
    "size": ("golden", lambda policy: policy["golden"].update(size=None)),
    "memory": ("golden", lambda policy: policy["golden"].update(memory=None)),
    "words_on_silence": ("golden", lambda policy: policy["golden"].update(words_on_silence=None)),
    "minimum_speakers": ("minimum_speakers", lambda policy: policy.update(minimum_speakers=2)),
    "minimum_utterances": ("minimum_utterances", lambda policy: policy.update(minimum_utterances=1)),
    "minimum_per_label": ("minimum_per_label", lambda policy: policy.update(minimum_per_label=1)),
}
"""Of each rule of a policy: its field, and how it is switched off."""

ASKED_OF: dict[str, set[str]] = {
    "asr": OFF.keys() - {"minimum_per_label", "ece limit", "ece comparison", "recall_gap"},
    "emotion": OFF.keys() - {"words_on_silence"},
    "personality": OFF.keys()
    - {"minimum_per_label", "ece limit", "ece comparison", "slices", "gap", "recall_gap", "words_on_silence"},
}
"""The rules that the shipped policy of each family has."""


def is_noticed(suite: Suite, rule: str, policy: GatePolicy | None = None) -> bool:
    """Return whether the self-test is red without a rule.

    What that rule should catch is judged first, then the controls, and the first that is missed settles it: judging all of
    them again for each rule takes minutes.
    """
    rules, expected = policy or suite.policy, suite.config.faults
    asked = f"{rule} {OFF.get(rule, (rule,))[0]}"
    first = [one for one in suite.faults if expected[one.name].rule in asked]
    others = [one for one in suite.faults if expected[one.name].rule not in asked]
    return (
        any(not judge_fault(one, rules, expected[one.name]).good for one in first)
        or any(not judge_control(one, rules).good for one in suite.controls)
        or any(not judge_fault(one, rules, expected[one.name]).good for one in others)
    )


def switch_off(policy: GatePolicy, rule: str) -> GatePolicy:
    """Return a policy without one of its rules."""
    dumped = policy.model_dump(mode="json")
    before = GatePolicy.model_validate(dumped)
    OFF[rule][1](dumped)
    softened = GatePolicy.model_validate(dumped)
    assert softened != before
    return softened
