"""The figures of a model card that one family has: confusion, reliability, error by duration and noise, traits."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from voxloop.evaluation.answers import Answers
from voxloop.evaluation.card import Confusion, Reliability, ReliabilityBin, SliceFigures, TraitPoint
from voxloop.evaluation.card_figures import figure_slices, order_measures, speaker_traits
from voxloop.evaluation.case import Part
from voxloop.evaluation.confusion import count_confusion
from voxloop.evaluation.measures import label_of
from voxloop.evaluation.policy_sections import SliceColumn, SliceRule
from voxloop.evaluation.slices import list_bands

BINS = 15
"""As many as the calibration error has."""


def figure_family(part: Part) -> dict[str, Any]:
    """Return what a card shows of this family alone, by the field of `SetFigures`."""
    if part.task.NAME == "emotion":
        return {"confusion": figure_confusion(part), "reliability": figure_reliability(part)}
    if part.task.NAME == "asr":
        return {"durations": tuple(figure_bands(part, "duration")), "snrs": tuple(figure_bands(part, "snr"))}
    if part.task.NAME == "personality":
        return {"traits": tuple(figure_traits(part))}
    return {}


def figure_confusion(part: Part) -> Confusion:
    """Return which label is taken for which by each model."""
    labels = part.encoding.labels
    counts = [
        tuple(tuple(row) for row in count_confusion(answers, labels).tolist())
        for answers in (part.challenger, part.champion)
    ]
    return Confusion(labels=labels, challenger=counts[0], champion=counts[1] if len(part.champion) else None)


def figure_reliability(part: Part) -> Reliability:
    """Return how often each model is right where it is how sure."""
    return Reliability(
        challenger=tuple(bin_confidences(part.challenger)), champion=tuple(bin_confidences(part.champion))
    )


def bin_confidences(answers: Answers) -> Iterator[ReliabilityBin]:
    """Yield the bins that hold an answer, of equal width, as `calibration_moments` cuts them."""
    given = [answer for answer in answers.answers if answer is not None]
    sure = np.array([max(one["probabilities"].values()) for one in given], dtype=np.float64)
    right = np.array(
        [label_of(found) == label_of(wanted) for found, wanted in zip(given, answers.references, strict=True)],
        dtype=np.float64,
    )
    places = np.clip(sure * BINS, 0, BINS - 1).astype(np.int64)
    for place in np.unique(places).tolist():
        inside = places == place
        yield ReliabilityBin(
            count=int(inside.sum()), confidence=float(sure[inside].mean()), right=float(right[inside].mean())
        )


def figure_bands(part: Part, column: SliceColumn) -> Iterator[SliceFigures]:
    """Yield the first error rate by bands of a number, in their order, bands of a single speaker or utterance too."""
    measure = order_measures(part)[0]
    shown = SliceRule(by=(column,), measure=measure, margin=1.0, minimum_speakers=2, minimum_utterances=2)
    order = [f"{column}={name}" for name in list_bands(column)]
    yield from sorted(figure_slices(part, (column,), shown), key=lambda band: order.index(band.name))


def figure_traits(part: Part) -> Iterator[TraitPoint]:
    """Yield the mean reference and answers of each speaker and trait that has a reference."""
    traits, speakers = part.encoding.labels, np.unique(part.challenger.speaker_ids).tolist()
    wanted, ours = speaker_traits(part.challenger, traits)
    theirs = speaker_traits(part.champion, traits)[1] if len(part.champion) else None
    for column, trait in enumerate(traits):
        for row, speaker in enumerate(speakers):
            if np.isfinite(wanted[row, column]) and np.isfinite(ours[row, column]):
                yield TraitPoint(
                    trait=trait,
                    speaker_id=speaker,
                    reference=float(wanted[row, column]),
                    challenger=float(ours[row, column]),
                    champion=None if theirs is None else _number(theirs, row, column),
                )


def _number(values: npt.NDArray[np.float64], row: int, column: int) -> float | None:
    return float(values[row, column]) if np.isfinite(values[row, column]) else None
