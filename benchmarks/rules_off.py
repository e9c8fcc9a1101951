"""With any one rule of a gate's policy switched off, is the self-test red? `python -m benchmarks.rules_off --help`.

The candidates of one family and seed are trained, corrupted and evaluated once, those of `voxloop selftest` and beside
them one for each condition, test of behaviour and smallest number that the policy asks for. Then they are judged under
the shipped policy, and under it without each of its rules in turn.
"""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from cyclopts import App

from benchmarks.command import run_command
from voxloop.config import Overrides, find_config, load_config
from voxloop.errors import VoxloopError
from voxloop.selftest.config import SelfTestConfig
from voxloop.selftest.report import as_lines, is_green, summarise
from voxloop.selftest.rules_off import find_miss, list_rules, switch_off
from voxloop.selftest.suite import Suite, collect_suite
from voxloop.selftest.trial import Outcome
from voxloop.settings import get_settings
from voxloop.verdict import Verdict

app = App(name="python -m benchmarks.rules_off", help_format="plaintext")


@dataclass(frozen=True)
class Switched:
    """What became of the self-test without one rule.

    Args:
        rule: Which.
        miss: The first candidate that did not come out as it must; None where nobody noticed.
    """

    rule: str
    miss: Outcome | None

    @property
    def is_red(self) -> bool:
        """Whether the self-test turned red."""
        return self.miss is not None

    @property
    def goes_through(self) -> bool:
        """Whether the gate would have let a fault pass: no other rule stops it."""
        return self.miss is not None and not self.miss.is_control and self.miss.verdict is Verdict.PASS

    def line(self) -> str:
        """Return it for a person."""
        if self.miss is None:
            return f"{self.rule:<52} not noticed"
        return f"{self.rule:<52} {'red':<12} {self.miss.name}: {self.miss.verdict or 'none'}"


@app.default
def measure(
    *, task: Literal["asr", "emotion", "personality"] = "personality", seed: int = 1, overrides: Overrides = ()
) -> None:
    """Try the self-test of one family and seed without each rule of its policy.

    Args:
        task: Family.
        seed: Of world, training and faults.
        overrides: Changes to `configs/selftest/TASK.yaml`.
    """
    started = time.monotonic()
    config = load_config(SelfTestConfig, find_config("selftest", task), overrides)
    scratch = get_settings().home / "scratch"
    scratch.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=scratch, prefix="rules-off-") as folder:
        suite = collect_suite(task, seed, config, Path(folder), of_rules=True)
        whole, planted, found = judge_rules(suite)
    print(json.dumps(conclude(task, seed, whole, planted, found) | {"seconds": round(time.monotonic() - started)}))
    if not holds(whole, planted, found):
        raise VoxloopError(
            f"{task}, seed {seed}: the self-test is not green, or not red without a rule",
            rule="every rule is needed",
            remedy="see the lines above",
        )


def judge_rules(suite: Suite) -> tuple[list[Outcome], list[Outcome], list[Switched]]:
    """Return what the self-test says, what was planted for single rules comes to, and each rule switched off."""
    whole = suite.judge()
    rules = list_rules(suite.policy)
    planted = [one for rule in rules for one in suite.judge_rule(rule)]
    print("\n".join(as_lines([*whole, *planted])), flush=True)
    print(f"self-test: {summarise(whole)}; of single rules: {summarise(planted)}", flush=True)
    found = []
    for rule in rules:
        found.append(Switched(rule, find_miss(suite, rule, switch_off(suite.policy, rule))))
        print(found[-1].line(), flush=True)
    return whole, planted, found


def holds(whole: Sequence[Outcome], planted: Sequence[Outcome], found: Sequence[Switched]) -> bool:
    """Return whether all candidates come out as they must, and without any rule one does not."""
    return is_green(whole) and all(one.good for one in planted) and all(one.is_red for one in found)


def conclude(
    task: str, seed: int, whole: Sequence[Outcome], planted: Sequence[Outcome], found: Sequence[Switched]
) -> dict[str, object]:
    """Return the figures of the last line."""
    return {
        "benchmark": "rules_off",
        "task": task,
        "seed": seed,
        "holds": holds(whole, planted, found),
        "green": is_green(whole),
        "missed": [one.name for one in (*whole, *planted) if not one.good],
        "rules": len(found),
        "red": sum(one.is_red for one in found),
        "goes_through": [one.rule for one in found if one.goes_through],
        "not_noticed": [one.rule for one in found if not one.is_red],
    }


if __name__ == "__main__":
    run_command(app)
