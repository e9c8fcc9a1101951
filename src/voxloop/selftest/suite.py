"""The self-test of one family under one seed: train once, corrupt, evaluate, judge."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from voxloop.errors import ConfigError
from voxloop.evaluation.policy import GatePolicy
from voxloop.selftest.bench import Bench, prepare_bench
from voxloop.selftest.config import SelfTestConfig
from voxloop.selftest.controls import CONTROLS
from voxloop.selftest.faults_of_rules import RuleFault, list_rule_faults
from voxloop.selftest.noise import add_noisy_model
from voxloop.selftest.trial import FAULTS, Evidence, Fault, Outcome, collect_evidence, judge_control, judge_fault


@dataclass(frozen=True)
class Suite:
    """All the evidence of one family and seed.

    Args:
        config: The numbers.
        policy: The policy it was collected for.
        controls: Of models that must pass.
        faults: Of models that must not.
        of_rules: Of models that one rule alone must stop, with that rule and by what; empty unless asked for.
    """

    config: SelfTestConfig
    policy: GatePolicy
    controls: tuple[Evidence, ...]
    faults: tuple[Evidence, ...]
    of_rules: tuple[tuple[RuleFault, Evidence], ...] = ()

    def judge(self, policy: GatePolicy | None = None) -> list[Outcome]:
        """Return what a policy says of the evidence: its own one, or another."""
        rules = policy or self.policy
        return [
            *(judge_control(one, rules) for one in self.controls),
            *(judge_fault(one, rules, self.config.faults[one.name]) for one in self.faults),
        ]

    def judge_rule(self, rule: str, policy: GatePolicy | None = None) -> list[Outcome]:
        """Return what a policy says of what was planted for one rule."""
        rules = policy or self.policy
        return [judge_fault(found, rules, one.expected) for one, found in self.of_rules if one.rule == rule]


def collect_suite(task: str, seed: int, config: SelfTestConfig, folder: Path, *, of_rules: bool = False) -> Suite:
    """Train the sound model of a family and make and evaluate every candidate.

    Args:
        task: Family.
        seed: Of world, training and faults.
        config: The numbers.
        folder: Existing, empty.
        of_rules: Whether what single rules must stop is tried as well: some ten candidates more.

    Raises:
        ConfigError: The configuration names a fault that there is not.
        VoxloopError: World, training or export failed.
    """
    if unknown := sorted(config.faults.keys() - FAULTS.keys()):
        raise ConfigError(
            f"there is no fault {unknown[0]!r}", rule=f"there are {', '.join(FAULTS)}", remedy="name one of them"
        )
    bench = add_noisy_model(prepare_bench(task, seed, config, folder))
    controls = tuple(_collect(bench, CONTROLS))
    faults = tuple(_collect(bench, {name: FAULTS[name] for name in config.faults}))
    return Suite(config, bench.policy, controls, faults, tuple(_collect_for_rules(bench, faults)) if of_rules else ())


def _collect_for_rules(bench: Bench, faults: Sequence[Evidence]) -> Iterator[tuple[RuleFault, Evidence]]:
    found = {one.name: one for one in faults}
    for one in list_rule_faults(bench):
        if one.name not in found:
            (found[one.name],) = _collect(bench, {one.name: one.make})
        yield one, found[one.name]


def _collect(bench: Bench, makers: Mapping[str, Fault]) -> Iterator[Evidence]:
    for name, make in makers.items():
        found = collect_evidence(name, make, bench)
        loss = "" if found.true_loss is None else f", true loss {found.true_loss:+.4f} {bench.policy.primary}"
        print(f"selftest {bench.task} seed {bench.seed}: {name}{loss}", flush=True)
        yield found
