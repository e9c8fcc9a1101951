"""How good a champion was when it was judged, and how sure that is: what production is held against."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from voxloop.ledger.entry import JUDGEMENT, Entry
from voxloop.release.history import Reign, list_reigns
from voxloop.verdict import Verdict


@dataclass(frozen=True)
class AtPromotion:
    """What the gate measured of the model that is champion now.

    Args:
        model: Digest.
        since: When its reign began.
        measure: The policy's first.
        estimate: Of the measure.
        low: Lower end of its interval.
        high: Upper end.
        level: Two-sided confidence.
        evaluation_set: On which set.
        spelling: How words were spelled before they were compared; empty where none are.
    """

    model: str
    since: datetime
    measure: str
    estimate: float
    low: float
    high: float
    level: float
    evaluation_set: str
    spelling: Mapping[str, str]


def find_at_promotion(entries: Sequence[Entry], task: str) -> AtPromotion | str:
    """Return what the champion was judged by before its reign began; a text where that is not known: why.

    Args:
        entries: All of the ledger.
        task: Family.
    """
    reign = _find_reign(entries, task)
    if reign is None or reign.model is None:
        return "nothing is in service"
    passed = [entry for entry in entries if entry.sequence < reign.sequence and _is_pass(entry, task, reign.model)]
    if not passed:
        return f"the ledger has no PASS of the champion {reign.model[:12]} from before it was promoted"
    measured = passed[-1].content.get("measured")
    if not isinstance(measured, Mapping):
        return (
            f"ledger entry {passed[-1].sequence}, by which the champion was promoted, does not say how sure its error "
            "was: it is of an earlier version"
        )
    found = _read(measured, reign.model, reign.since)
    return found or f"ledger entry {passed[-1].sequence}, by which the champion was promoted, has no interval"


def _find_reign(entries: Sequence[Entry], task: str) -> Reign | None:
    """Return the present reign as it began: switched off and on again, it is the same one."""
    begun = None
    for reign in reversed(list_reigns(entries, task)):
        if begun is not None and reign.model != begun.model:
            break
        begun = reign
    return begun


def _is_pass(entry: Entry, task: str, model: str) -> bool:
    if (entry.kind, entry.task, entry.subject) != (JUDGEMENT, task, model):
        return False
    return bool(entry.content.get("verdict") == Verdict.PASS)


def _read(measured: Mapping[str, Any], model: str, since: datetime) -> AtPromotion | None:
    numbers = [measured.get(name) for name in ("estimate", "low", "high", "level")]
    if not all(isinstance(one, int | float) and math.isfinite(one) for one in numbers):
        return None
    estimate, low, high, level = (float(one) for one in numbers if one is not None)
    place, spelling = str(measured.get("evaluation_set")), dict(measured.get("spelling") or {})
    return AtPromotion(model, since, str(measured.get("measure")), estimate, low, high, level, place, spelling)
