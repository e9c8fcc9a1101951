"""What a self-test came to: a table for a person, one line of JSON for a machine."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence

from voxloop.selftest.trial import Outcome

WIDTH = 100
"""Characters of a reason that the table shows."""


def rate(outcomes: Iterable[Outcome]) -> float | None:
    """Return the share that came out as it must; None of nothing."""
    good = [one.good for one in outcomes]
    return sum(good) / len(good) if good else None


def is_green(outcomes: Sequence[Outcome]) -> bool:
    """Return whether every fault was caught and every control passed, and there were both."""
    faults = [one for one in outcomes if not one.is_control]
    return 0 < len(faults) < len(outcomes) and all(one.good for one in outcomes)


def as_json(outcomes: Sequence[Outcome]) -> str:
    """Return `kill_rate`, `control_pass_rate` and a rate for each fault and control, also by family, as one line."""
    found = {**_rates(outcomes), "seeds": len({one.seed for one in outcomes}), "tasks": {}}
    for task in sorted({one.task for one in outcomes}):
        found["tasks"][task] = _rates([one for one in outcomes if one.task == task])  # type: ignore[index]
    return json.dumps(found)


def as_lines(outcomes: Sequence[Outcome]) -> list[str]:
    """Return a line for each fault and control of each family: how often it came out as it must, and why."""
    lines = [f"{'family':<12} {'fault or control':<31} {'verdict':<12} {'killed':<8} reason"]
    for task in sorted({one.task for one in outcomes}):
        ours = [one for one in outcomes if one.task == task]
        lines += [_line([one for one in ours if one.name == name]) for name in dict.fromkeys(one.name for one in ours)]
    return lines


def _line(alike: Sequence[Outcome]) -> str:
    first = next((one for one in alike if not one.good), alike[0])
    good = sum(one.good for one in alike)
    told = f"{good} of {len(alike)}" if len(alike) > 1 else ("yes" if first.good else "NO")
    if first.is_control:
        told = "passed" if good == len(alike) else "STUCK"
    return f"{first.task:<12} {first.name:<31} {first.verdict or 'none':<12} {told:<8} {first.reason[:WIDTH]}"


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
