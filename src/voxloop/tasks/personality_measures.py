"""How good answers about personality are: over speakers, never over batches."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import numpy.typing as npt

from voxloop.tasks import Answer
from voxloop.tasks.agreement import ccc, pearson
from voxloop.tasks.personality_encoding import PersonalityEncoding

Numbers = npt.NDArray[np.float64]


def measure_speakers(
    references: Sequence[Answer], answers: Sequence[Answer], encoding: PersonalityEncoding
) -> dict[str, float]:
    """Return the measures over speakers: answers and labels are averaged over each speaker's utterances first.

    Regression: `ccc`, `r` (means over the traits), `ccc_<trait>`, `r_<trait>`, and `one_minus_mae`, on the range of the
    questionnaire, with `one_minus_mae_of_mean` for who answers the training mean: alone it says nothing. The r
    of a constant answer counts as 0. Binary: `accuracy` and `balanced_accuracy`,
    means and by trait, and CCC and r of the probability with the 0 or 1: epochs are chosen by one objective.
    """
    of_trait = {trait.name: _pair_speakers(references, answers, trait.name) for trait in encoding.traits}
    if encoding.kind == "binary":
        return _average({name: _judge_binary(*pair) for name, pair in of_trait.items()})
    measured = _average({name: _judge_scores(*pair) for name, pair in of_trait.items()})
    span = encoding.answer_range[1] - encoding.answer_range[0]
    errors = [_absolute_errors(*of_trait[trait.name], trait.mean) for trait in encoding.traits]
    ours, of_mean = np.nanmean(errors, axis=0) / span if references else (math.nan, math.nan)
    return {**measured, "one_minus_mae": float(1.0 - ours), "one_minus_mae_of_mean": float(1.0 - of_mean)}


def _pair_speakers(references: Sequence[Answer], answers: Sequence[Answer], trait: str) -> tuple[Numbers, Numbers]:
    """Return a trait's label and answer of each speaker that has a label, float64 [speakers] each."""
    of_speaker: dict[str, list[tuple[float, float]]] = {}
    for number, (wanted, found) in enumerate(zip(references, answers, strict=True)):
        if wanted["traits"][trait] is not None:
            speaker = str(wanted.get("speaker_id", number))
            of_speaker.setdefault(speaker, []).append((wanted["traits"][trait], found["traits"][trait]))
    means = np.array([np.mean(pairs, axis=0) for _, pairs in sorted(of_speaker.items())]).reshape(-1, 2)
    return means[:, 0], means[:, 1]


def _judge_scores(wanted: Numbers, found: Numbers) -> dict[str, float]:
    # The means of one number over more or fewer rows differ in the last bit.
    constant = len(found) > 1 and np.ptp(found) <= 1e-12 * np.abs(found).max() and np.ptp(wanted) > 0.0
    return {"ccc": ccc(wanted, found), "r": 0.0 if constant else pearson(wanted, found)}


def _judge_binary(wanted: Numbers, found: Numbers) -> dict[str, float]:
    yes, said = wanted >= 0.5, found >= 0.5
    recalls = [float((said == kind)[yes == kind].mean()) if (yes == kind).any() else math.nan for kind in (True, False)]
    accuracy = float((yes == said).mean()) if len(yes) else math.nan
    return {"accuracy": accuracy, "balanced_accuracy": float(np.mean(recalls)), **_judge_scores(wanted, found)}


def _absolute_errors(wanted: Numbers, found: Numbers, mean: float) -> tuple[float, float]:
    if not len(wanted):
        return math.nan, math.nan
    return float(np.abs(wanted - found).mean()), float(np.abs(wanted - mean).mean())


def _average(of_trait: Mapping[str, Mapping[str, float]]) -> dict[str, float]:
    """Return each measure's mean over the traits that have it, and its value for each trait."""
    names = next(iter(of_trait.values()))
    values = {name: [measured[name] for measured in of_trait.values()] for name in names}
    means = {name: float(np.mean(known)) if (known := _finite(values[name])) else math.nan for name in names}
    return means | {f"{name}_{trait}": measured[name] for name in names for trait, measured in of_trait.items()}


def _finite(values: Iterable[float]) -> list[float]:
    return [value for value in values if math.isfinite(value)]
