"""What a simulation showed: the scenario held against what the platform did, promise by promise."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from voxloop.local.simulation.config import WINDOWS_A_DAY, PromiseConfig
from voxloop.local.simulation.scenario import Decoy, Drift, Scenario

BROKEN, KEPT = "broken", "kept"
WAITED = ("WAIT", "LABEL_MORE", "ALERT")
"""Decisions that are recorded and train nothing."""
Page = Mapping[str, Any]


def build_report(
    scenario: Scenario,
    promises: PromiseConfig,
    journal: Page,
    windows: Sequence[Page],
    sets: Sequence[Sequence[float | None]],
    price: float,
) -> dict[str, Any]:
    """Hold a scenario against what the platform did.

    Args:
        scenario: What was played.
        promises: What is asked.
        journal: What was done: `windows`, `models`, `sets`.
        windows: Of each: `served` and `unattended` quality.
        sets: Quality of each model (inner) on each evaluation set (outer); set 0 is of before any drift.
        price: Of an hour of a device.
    """
    done = journal["windows"]
    drifts = [_judge_drift(place, scenario, promises, journal, windows, sets) for place in range(len(scenario.drifts))]
    decoys = [_judge_decoy(one, scenario, done) for one in scenario.decoys]
    stray = [number for number in _list_retrainings(done) if not any(_answers(number, one) for one in scenario.drifts)]
    return {
        "seed": scenario.seed,
        "promises": promises.model_dump(mode="json"),
        "drifts": drifts,
        "decoys": decoys,
        "stray_retrainings": stray,
        "cost": _count_cost(done, price),
        "windows": [{**one, **_tell_window(done, one["window"])} for one in windows],
        "models": list(journal["models"]),
        "sets": [{**one, "quality": list(scores)} for one, scores in zip(journal["sets"], sets, strict=True)],
        "holds": not stray
        and all(one["answer"] == KEPT and one["won_back_is"] in (KEPT, None) for one in drifts)
        and all(one["unattended_is"] in (KEPT, None) for one in drifts)
        and all(one["is_quiet"] for one in decoys),
    }


def summarise(report: Page) -> str:
    """Return a report in one line."""
    drifts, decoys = report["drifts"], report["decoys"]
    answered = sum(one["answer"] == KEPT for one in drifts)
    fired = sum(not one["is_quiet"] for one in decoys)
    shares = [f"{one['won_back']:.0%}" for one in drifts if one["won_back"] is not None]
    return (
        f"seed {report['seed']}: {answered} of {len(drifts)} drifts answered, {len(report['models']) - 1} promotions, "
        f"{fired} of {len(decoys)} decoys fired, {len(report['stray_retrainings'])} retrainings without a drift, "
        f"won back {', '.join(shares) or 'nothing to win back'}: {'holds' if report['holds'] else 'DOES NOT HOLD'}"
    )


def _judge_drift(
    place: int,
    scenario: Scenario,
    promises: PromiseConfig,
    journal: Page,
    windows: Sequence[Page],
    sets: Sequence[Sequence[float | None]],
) -> dict[str, Any]:
    drift, done = scenario.drifts[place], journal["windows"]
    ends = scenario.drifts[place + 1].begins if place + 1 < len(scenario.drifts) else scenario.windows[1]
    trained = [number for number in _list_retrainings(done) if drift.begins <= number < ends]
    waited = [one["number"] for one in done if _answers(one["number"], drift) and _has_waited(one)]
    in_time = [number for number in trained if _answers(number, drift)]
    answer = KEPT if len(trained) == len(in_time) == 1 or (not trained and waited) else BROKEN
    made = next((number for number, one in enumerate(journal["models"]) if one["window"] in trained), None)
    quality = _measure_quality(place, made, sets)
    lost = quality["before"] - quality["drifted"] if quality else 0.0
    won = (quality["after"] - quality["drifted"]) / lost if lost > 0 else None
    return {
        **asdict(drift),
        "answered_by": drift.answered_by,
        "retrainings": trained,
        "decisions_to_wait": waited,
        "answer": answer,
        "promoted": None if made is None else journal["models"][made],
        "won_back": won,
        **{f"quality_{when}": value for when, value in quality.items()},
        "won_back_is": _judge_won(won, promises, in_vain=bool(trained) and made is None),
        **_judge_unattended(scenario.drifts[0].begins, drift, ends, windows, promises),
    }


def _judge_won(won: float | None, promises: PromiseConfig, *, in_vain: bool) -> str | None:
    """A retraining of which nothing came into service has won nothing back; a drift that cost nothing takes nothing."""
    if won is None:
        return BROKEN if in_vain else None
    return KEPT if won >= promises.won_back else BROKEN


def _measure_quality(place: int, made: int | None, sets: Sequence[Sequence[float | None]]) -> dict[str, float]:
    """Return the quality before a drift, under it and after it, on frozen sets; nothing where nothing was promoted.

    Before: of the model then in service, on the set that was cut when it was trained. Under the drift and after it: on
    the set of this drift, by the model before and the one after.
    """
    if not made or place + 1 >= len(sets):
        return {}
    known, new = sets[place], sets[place + 1]
    found = {"before": known[made - 1], "drifted": new[made - 1], "after": new[made]}
    values = {when: value for when, value in found.items() if value is not None}
    return values if len(values) == len(found) else {}


def _judge_unattended(
    first_drift: int, drift: Drift, ends: int, windows: Sequence[Page], promises: PromiseConfig
) -> dict[str, Any]:
    """Say whether the model nobody attends to stays down while a drift is in force.

    Down is what its first day under the drift showed; where that is not below what it was before any drift, there is
    nothing to stay down from.
    """
    before = _mean(windows[:first_drift], "unattended")
    first = _mean(windows[drift.begins : drift.begins + WINDOWS_A_DAY], "unattended")
    then = _mean(windows[drift.begins + WINDOWS_A_DAY : ends], "unattended")
    said = {"unattended_before": before, "unattended_first": first, "unattended_then": then, "unattended_is": None}
    if before is None or first is None or then is None or first >= before:
        return said
    is_down = then - first <= promises.stays_down * (before - first)
    return {**said, "unattended_is": KEPT if is_down else BROKEN}


def _judge_decoy(decoy: Decoy, scenario: Scenario, done: Sequence[Page]) -> dict[str, Any]:
    """A decoy is quiet when no retraining begins from it until the next drift."""
    until = next((one.begins for one in scenario.drifts if one.begins >= decoy.ends), scenario.windows[1])
    fired = [number for number in _list_retrainings(done) if decoy.begins <= number < until]
    return {**asdict(decoy), "kind": str(decoy.kind), "retrainings": fired, "is_quiet": not fired}


def _list_retrainings(done: Sequence[Page]) -> list[int]:
    """Return the windows at whose end a retraining was run; one that found nothing new is none."""
    return [one["number"] for one in done if "retraining" in one and "skipped" not in one["retraining"]]


def _count_cost(done: Sequence[Page], price: float) -> dict[str, float]:
    """Return the hours that retrainings took, all their steps, and what they cost if each hour were of a device."""
    hours = sum(one["retraining"].get("seconds", 0.0) for one in done if "retraining" in one) / 3600
    return {"hours": hours, "price_per_hour": price, "cost": hours * price}


def _has_waited(page: Page) -> bool:
    """Say whether a decision other than RETRAIN was recorded about a drift that was seen."""
    word = str(page.get("decision", "")).partition(": ")[2].partition(":")[0]
    return str(page.get("watch", "")).partition(": ")[2].startswith("RETRAIN") and word in WAITED


def _answers(number: int, drift: Drift) -> bool:
    return drift.begins <= number < drift.answered_by


def _tell_window(done: Sequence[Page], number: int) -> dict[str, Any]:
    page = next((one for one in done if one["number"] == number), {})
    said = {"start": page.get("start"), "watch": page.get("watch"), "decision": page.get("decision")}
    return {**said, "scores": page.get("scores"), "retraining": page.get("retraining")}


def _mean(windows: Sequence[Page], key: str) -> float | None:
    values = [one[key] for one in windows if one[key] is not None]
    return sum(values) / len(values) if values else None
