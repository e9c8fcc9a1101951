"""What a self-test came to: a table for a person, one line of JSON for a machine."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Self

from voxloop.selftest.trial import Outcome, describe_crash

WIDTH = 100
"""Characters of a reason that the table shows."""


@dataclass(frozen=True)
class NotTold:
    """One family and seed of which nothing can be said: it crashed.

    Args:
        task: Family.
        seed: Of the bench.
        error: What crashed, on one line.
        crash: The exception itself.
    """

    task: str
    seed: int
    error: str
    crash: Exception

    @classmethod
    def of(cls, task: str, seed: int, crash: Exception) -> Self:
        """Return it with the error of an exception."""
        return cls(task, seed, describe_crash(crash), crash)


def rate(outcomes: Iterable[Outcome]) -> float | None:
    """Return the share that came out as it must; None of nothing."""
    good = [one.good for one in outcomes]
    return sum(good) / len(good) if good else None


def is_green(outcomes: Sequence[Outcome], not_told: Sequence[NotTold] = ()) -> bool:
    """Return whether every fault was caught and every control passed, there were both, and nothing crashed."""
    faults = [one for one in outcomes if not one.is_control]
    return not not_told and 0 < len(faults) < len(outcomes) and all(one.good for one in outcomes)


def summarise(outcomes: Sequence[Outcome]) -> str:
    """Return in a few words what a family and seed came to."""
    faults, controls = ([one.good for one in outcomes if one.is_control is kind] for kind in (False, True))
    return f"{sum(faults)} of {len(faults)} killed, {sum(controls)} of {len(controls)} controls passed"


def as_json(outcomes: Sequence[Outcome], not_told: Sequence[NotTold] = ()) -> str:
    """Return `kill_rate`, `control_pass_rate` and a rate for each fault and control, also by family, as one line.

    Rates are of what was told; what was not is named under `not_told`, and then `green` is false whatever they are.
    """
    tried = {(one.task, one.seed) for one in outcomes} | {(one.task, one.seed) for one in not_told}
    found = {**_rates(outcomes), "seeds": len({seed for _, seed in tried}), "green": is_green(outcomes, not_told)}
    found["not_told"] = [{"task": one.task, "seed": one.seed, "error": one.error} for one in not_told]
    found["tasks"] = {
        task: _rates([one for one in outcomes if one.task == task]) for task in sorted({task for task, _ in tried})
    }
    return json.dumps(found)


def as_lines(outcomes: Sequence[Outcome], not_told: Sequence[NotTold] = ()) -> list[str]:
    """Return a line for each fault and control of each family: how often it came out as it must, and why."""
    lines = [_fill("family", "fault or control", "verdict", "killed", "reason")]
    for task in sorted({one.task for one in outcomes}):
        ours = [one for one in outcomes if one.task == task]
        lines += [_line([one for one in ours if one.name == name]) for name in dict.fromkeys(one.name for one in ours)]
    return lines + [
        f"{one.task:<12} {f'seed {one.seed}':<31} {'none':<12} {'NOT TOLD':<8} {one.error}" for one in not_told
    ]


def _line(alike: Sequence[Outcome]) -> str:
    first = next((one for one in alike if not one.good), alike[0])
    good = sum(one.good for one in alike)
    told = f"{good} of {len(alike)}" if len(alike) > 1 else ("yes" if first.good else "NO")
    if first.is_control:
        told = "passed" if good == len(alike) else "STUCK"
    return _fill(first.task, first.name, first.verdict or "none", told, first.reason[:WIDTH])


def _fill(task: str, name: str, verdict: str, told: str, reason: str) -> str:
    return f"{task:<12} {name:<31} {verdict:<12} {told:<8} {reason}"


def _rates(outcomes: Sequence[Outcome]) -> dict[str, object]:
    faults = [one for one in outcomes if not one.is_control]
    controls = [one for one in outcomes if one.is_control]
    return {
        "kill_rate": rate(faults),
        "control_pass_rate": rate(controls),
        "faults": {name: rate(one for one in faults if one.name == name) for name in _names(faults)},
        "controls": {name: rate(one for one in controls if one.name == name) for name in _names(controls)},
    }


def _names(outcomes: Sequence[Outcome]) -> list[str]:
    return list(dict.fromkeys(one.name for one in outcomes))
