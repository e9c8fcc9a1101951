"""Which answers are worth a label: uncertain, novel, or of what has drifted.

Each reason has a strength from 0 to 1, and an answer's score is their sum, so what is uncertain and novel goes before
what is uncertain alone. Confidence sampling is from D. D. Lewis and W. A. Gale, "A sequential algorithm for training
text classifiers" (SIGIR 1994).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from voxloop.monitoring.drift.check import Outcome
from voxloop.monitoring.drift.columns import ANSWERS, Column, Floats, place_values, slice_columns
from voxloop.monitoring.drift.profile import PredictionColumns
from voxloop.monitoring.drift.profile_file import ReferenceFile
from voxloop.monitoring.worth_policy import WorthPolicy

CONFIDENCE = "confidence"


@dataclass(frozen=True)
class Scores:
    """How much each answer of an interval is worth a label.

    Args:
        totals: Sum of the strengths of its reasons, float64 [n]; 0 where there is none.
        reasons: In words, by answer; only of those that have one.
        untold: Which reasons could not be looked for, and why.
    """

    totals: Floats
    reasons: Mapping[int, tuple[str, ...]]
    untold: tuple[str, ...]


def score_answers(
    predictions: PredictionColumns, reference: ReferenceFile | str, drifted: frozenset[str] | str, policy: WorthPolicy
) -> Scores:
    """Score all answers of an interval.

    Args:
        predictions: Their values.
        reference: Of the family; a text where there is none: why.
        drifted: Columns that have drifted; a text where that is not known: why.
        policy: What is worth a label.
    """
    totals = np.zeros(predictions.row_count)
    told: dict[int, list[str]] = {}
    untold: list[str] = []
    found = [
        _find_uncertain(predictions, policy),
        f"novel: {reference}" if isinstance(reference, str) else _find_novel(predictions, reference, policy),
        _find_drifted(predictions, reference, drifted, policy),
    ]
    for reason in found:
        if isinstance(reason, str):
            untold.append(reason)
            continue
        for place, strength, text in reason:
            totals[place] += strength
            told.setdefault(place, []).append(text)
    return Scores(totals, {place: tuple(texts) for place, texts in told.items()}, tuple(untold))


def spread_over_speakers(ranked: Sequence[tuple[int, str]], policy: WorthPolicy) -> Iterator[int]:
    """Yield places from the front, no more of one speaker than the policy's share; how many is the caller's to say.

    Args:
        ranked: Places and whose they are, the most worth first.
        policy: Whose share.
    """
    most = max(1, int(policy.most * policy.most_of_one_speaker))
    taken: Counter[str] = Counter()
    for place, speaker in ranked:
        if taken[speaker] < most:
            taken[speaker] += 1
            yield place


Found = Iterator[tuple[int, float, str]]
"""Place of an answer, strength of a reason, and what is said of it."""


def _find_uncertain(predictions: PredictionColumns, policy: WorthPolicy) -> Found | str:
    confidence = predictions.values[CONFIDENCE]
    if not isinstance(confidence, np.ndarray) or not np.isfinite(confidence).any():
        return "uncertain: the answers have no confidence"
    return _rank_uncertain(confidence, predictions.models.codes, policy)


def _rank_uncertain(confidence: Floats, models: npt.NDArray[np.int64], policy: WorthPolicy) -> Found:
    """Two models are sure of different things: each model's answers are ranked by themselves."""
    for model in np.unique(models):
        places = np.flatnonzero((models == model) & np.isfinite(confidence))
        order = places[np.argsort(confidence[places], kind="stable")]
        uncertain = order[: int(len(order) * policy.uncertain_share)]
        for rank, place in enumerate(uncertain):
            text = f"uncertain: confidence {confidence[place]:.3f}"
            yield int(place), 1 - rank / len(uncertain), text


def _find_novel(predictions: PredictionColumns, reference: ReferenceFile, policy: WorthPolicy) -> Found:
    """Yield what lies beyond the reference in the number of its sound that is farthest out."""
    farthest, names = np.zeros(predictions.row_count), np.full(predictions.row_count, "", dtype=object)
    for column in reference.columns:
        values = predictions.values.get(column.name)
        if not column.is_numeric or column.name in ANSWERS or not isinstance(values, np.ndarray):
            continue
        beyond = _measure_beyond(column, values, predictions.skipped.get(column.name))
        names[beyond > farthest] = column.name
        farthest = np.maximum(farthest, beyond)
    for place in np.flatnonzero(farthest >= policy.novel_beyond):
        far = float(farthest[place])
        text = f"novel: {names[place]} lies {far:.1f} deviations beyond the reference"
        yield int(place), far / (far + policy.novel_beyond), text


def _measure_beyond(column: Column, values: Floats, skipped: npt.NDArray[np.bool_] | None) -> Floats:
    """Return how far values lie beyond the outermost bins, in standard deviations; 0 within them and where unknown."""
    beyond = np.maximum(values - column.edges[-1], column.edges[0] - values) / column.scale
    known = np.isfinite(beyond) if skipped is None else np.isfinite(beyond) & ~skipped
    return np.where(known, np.maximum(beyond, 0.0), 0.0)


def _find_drifted(
    predictions: PredictionColumns, reference: ReferenceFile | str, drifted: frozenset[str] | str, policy: WorthPolicy
) -> Found | str:
    if isinstance(reference, str) or isinstance(drifted, str):
        return f"drifted: {reference if isinstance(reference, str) else drifted}"
    return _rank_drifted(predictions, reference, drifted, policy)


def _rank_drifted(
    predictions: PredictionColumns, reference: ReferenceFile, drifted: frozenset[str], policy: WorthPolicy
) -> Found:
    """Yield what has become more frequent in the columns that have drifted."""
    counts = reference.as_profile().counts.sum(axis=0)
    gains, names = np.zeros(predictions.row_count), np.full(predictions.row_count, "", dtype=object)
    for column, place in zip(reference.columns, slice_columns(reference.columns), strict=True):
        if column.name not in drifted or column.name not in predictions.values:
            continue
        gain = _measure_gain(column, counts[place], predictions)
        names[gain > gains] = column.name
        gains = np.maximum(gains, gain)
    for row in np.flatnonzero(gains >= policy.gained):
        text = f"drifted: values of {names[row]} like this are {gains[row]:.1f} times as frequent as in the reference"
        yield int(row), 1 - 1 / float(gains[row]), text


def find_drifted_columns(report: Mapping[str, Any]) -> frozenset[str] | str:
    """Return the columns with a distance beyond its threshold in the newest window that has drifted; else why none.

    Args:
        report: Of `voxloop drift`.

    Raises:
        KeyError: It is none.
    """
    drifted = [window for window in report["windows"] if window["outcome"] == Outcome.DRIFT]
    if not drifted:
        return "no window of the newest report has drifted"
    newest = max(drifted, key=lambda window: str(window["start"]))
    return frozenset(one["column"] for one in newest["findings"] if one["value"] > one["threshold"])


def _measure_gain(column: Column, before: npt.NDArray[np.int64], predictions: PredictionColumns) -> Floats:
    """Return how many times as frequent the bin of each answer is as in the reference; half a row is added to each."""
    bins = place_values(column, predictions.values[column.name])
    skipped = predictions.skipped.get(column.name)
    known = np.ones(len(bins), dtype=np.bool_) if skipped is None else ~skipped
    now = np.bincount(bins[known], minlength=column.bins)
    ratio = ((now + 0.5) / (now + 0.5).sum()) / ((before + 0.5) / (before + 0.5).sum())
    return np.where(known, ratio[bins], 0.0)
