"""From answers to what each of them adds to the measures: the step between a family's words and the statistics."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from voxloop.evaluation import summed_measures as measures
from voxloop.evaluation.answers import Answers
from voxloop.evaluation.measures import label_of
from voxloop.evaluation.moments import (
    absolute_error_moments,
    agreement_moments,
    average_speakers,
    binary_moments,
    calibration_moments,
    error_moments,
    label_moments,
    mean_moments,
)
from voxloop.evaluation.summed_measures import Measure
from voxloop.tasks import Answer

Floats = npt.NDArray[np.float64]
Codes = npt.NDArray[np.int64]

RECALL = replace(measures.MEAN, name="recall")
"""Share of the rows of one label that are answered with it."""


@dataclass(frozen=True)
class Sample:
    """What the rows of one model's answers add to one measure.

    Args:
        measure: The measure.
        moments: Float64 [n, k]; a row an utterance, or a speaker where the measure is one over speakers.
        speakers: Code of the speaker of each row, int64 [n]: the same for two models that answered the same rows.
    """

    measure: Measure
    moments: Floats
    speakers: Codes


def take_samples(answers: Answers, task: str, encoding: Any) -> dict[str, Sample]:
    """Return the sample of every measure of a family, by the measure's name.

    Args:
        answers: Every utterance with an answer.
        task: The family.
        encoding: The challenger's: what labels and ranges there are.

    Raises:
        KeyError: An answer lacks what the family's answers have.
    """
    given = [answer for answer in answers.answers if answer is not None]
    if len(given) < len(answers):
        raise ValueError(f"{len(answers) - len(given)} utterances have no answer")
    return _FAMILIES[task](answers, given, encoding)


def sample_recall(answers: Answers) -> Sample:
    """Return the sample of recall over rows of one label: whether each is answered with its reference."""
    pairs = zip(answers.answers, answers.references, strict=True)
    right = [float(label_of(found) == label_of(wanted)) for found, wanted in pairs]
    return Sample(RECALL, mean_moments(right), answers.speakers)


def _sample_emotion(answers: Answers, given: Sequence[Answer], encoding: Any) -> dict[str, Sample]:
    code = {label: index for index, label in enumerate(encoding.labels)}
    wanted = np.array([code[label_of(one)] for one in answers.references], dtype=np.int64)
    found = np.array([code.get(label_of(one), -1) for one in given], dtype=np.int64)
    labelled = label_moments(wanted, found, len(code))
    sure = np.array([max(one["probabilities"].values()) for one in given], dtype=np.float64)
    parts = dict.fromkeys((measures.UAR, measures.WA, measures.MACRO_F1), labelled)
    parts[measures.ECE] = calibration_moments(sure, wanted == found)
    return _name(parts, answers.speakers)


def _sample_asr(answers: Answers, given: Sequence[Answer], _encoding: Any) -> dict[str, Sample]:
    wanted, found = ([str(one["text"]) for one in side] for side in (answers.references, given))
    parts = {
        measures.WER: error_moments(*count_errors(wanted, found, characters=False)),
        measures.CER: error_moments(*count_errors(wanted, found, characters=True)),
    }
    return _name(parts, answers.speakers)


def _sample_personality(answers: Answers, given: Sequence[Answer], encoding: Any) -> dict[str, Sample]:
    traits = encoding.labels
    wanted, found = (trait_table(side, traits) for side in (answers.references, given))
    # A person has one personality: utterances are averaged first, and speakers are the rows.
    wanted, found = average_speakers(wanted, found, answers.speakers)
    low, high = encoding.answer_range
    parts = {one: agreement_moments(wanted, found) for one in (measures.CCC, measures.PEARSON)}
    if encoding.kind == "binary":
        parts |= {one: binary_moments(wanted, found) for one in (measures.ACCURACY, measures.BALANCED_ACCURACY)}
    else:
        parts[measures.ONE_MINUS_MAE] = absolute_error_moments(wanted, found, high - low)
    return _name(parts, np.arange(len(wanted)))


def _name(parts: Mapping[Measure, Floats], speakers: Codes) -> dict[str, Sample]:
    return {measure.name: Sample(measure, moments, speakers) for measure, moments in parts.items()}


def trait_table(side: Sequence[Answer], traits: Sequence[str]) -> Floats:
    """Return float64 [n, traits], NaN for what is not known."""
    rows = [[one["traits"][trait] for trait in traits] for one in side]
    return np.array([[np.nan if value is None else value for value in row] for row in rows]).reshape(-1, len(traits))


def count_errors(
    references: Sequence[str], answers: Sequence[str], *, characters: bool
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Return errors and reference length of each row, int64 [n] each, in words or in characters, by jiwer."""
    if not references:
        return np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64)
    import jiwer

    process = jiwer.process_characters if characters else jiwer.process_words
    aligned = process(list(references), list(answers))
    errors = [
        sum(
            max(part.ref_end_idx - part.ref_start_idx, part.hyp_end_idx - part.hyp_start_idx)
            for part in parts
            if part.type != "equal"
        )
        for parts in aligned.alignments
    ]
    lengths = [len(reference) for reference in aligned.references]
    return np.array(errors, dtype=np.int64), np.array(lengths, dtype=np.int64)


_FAMILIES: dict[str, Callable[[Answers, Sequence[Answer], Any], dict[str, Sample]]] = {
    "asr": _sample_asr,
    "emotion": _sample_emotion,
    "personality": _sample_personality,
}
