"""Sums say what the families' own measures say, whatever is left out of them."""

from __future__ import annotations

import dataclasses
from typing import Any

import jiwer
import numpy as np
import numpy.typing as npt
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from voxloop.data.schema import TRAITS
from voxloop.evaluation.moments import (
    absolute_error_moments,
    agreement_moments,
    average_speakers,
    binary_moments,
    calibration_moments,
    error_moments,
    label_moments,
    mean_moments,
    sum_groups,
)
from voxloop.evaluation.summed_measures import (
    ACCURACY,
    BALANCED_ACCURACY,
    CCC,
    CER,
    ECE,
    MACRO_F1,
    MAE,
    MEAN,
    ONE_MINUS_MAE,
    PEARSON,
    UAR,
    WA,
    WER,
    paired,
)
from voxloop.tasks import asr
from voxloop.tasks.agreement import ccc, pearson
from voxloop.tasks.calibration import expected_calibration_error
from voxloop.tasks.emotion import macro_f1, uar, wa
from voxloop.tasks.personality_encoding import Kind, PersonalityEncoding, TraitScale
from voxloop.tasks.personality_measures import measure_speakers
from voxloop.tasks.transcripts import AsrEncoding
from voxloop.tasks.words import Vocabulary

LABELS = ("anger", "fear", "happiness", "neutral")
Floats = npt.NDArray[np.float64]


def code(names: list[str]) -> npt.NDArray[np.int64]:
    return np.array([LABELS.index(name) if name in LABELS else -1 for name in names], dtype=np.int64)


def encode_traits(kind: Kind, answer_range: tuple[float, float]) -> PersonalityEncoding:
    return PersonalityEncoding(
        kind=kind,
        modalities=("words",),
        traits=tuple(TraitScale(name=name, mean=3.0, sd=1.0, threshold=3.0) for name in TRAITS),
        features=(),
        clip=4.0,
        vocabulary=Vocabulary(words=(), weights=(), pairs=False, longest=1),
        answer_range=answer_range,
    )


def rate_speakers(seed: int, *, binary: bool) -> tuple[Floats, Floats, npt.NDArray[np.int64]]:
    """Return references [rows, 5], some unknown, answers and speakers; rows of a speaker have one reference."""
    draw = np.random.default_rng(seed)
    speakers = draw.integers(0, 14, 60)
    of_speaker = draw.integers(0, 2, (14, 5)).astype(float) if binary else draw.uniform(1, 5, (14, 5))
    of_speaker[draw.random((14, 5)) < 0.2] = np.nan
    wanted = of_speaker[speakers]
    found = draw.random((60, 5)) if binary else 0.6 * np.nan_to_num(wanted, nan=3.0) + draw.normal(1, 1, (60, 5))
    return wanted, found, speakers


def ask_task(
    wanted: Floats, found: Floats, speakers: npt.NDArray[np.int64], encoding: PersonalityEncoding
) -> dict[str, float]:
    references: list[dict[str, Any]] = []
    for row, speaker in zip(wanted.tolist(), speakers, strict=True):
        traits = {name: None if np.isnan(value) else value for name, value in zip(TRAITS, row, strict=True)}
        references.append({"traits": traits, "speaker_id": f"{speaker:02d}"})
    answers = [{"traits": dict(zip(TRAITS, row, strict=True))} for row in found.tolist()]
    return measure_speakers(references, answers, encoding)


@given(st.lists(st.tuples(st.sampled_from(LABELS[:3]), st.sampled_from((*LABELS, "", "odd"))), max_size=40))
def test_recalls_are_those_of_emotion(pairs: list[tuple[str, str]]) -> None:
    wanted, found = [pair[0] for pair in pairs], [pair[1] for pair in pairs]
    sums = label_moments(code(wanted), code(found), len(LABELS)).sum(axis=0)
    for measure, peer in ((UAR, uar), (WA, wa), (MACRO_F1, macro_f1)):
        np.testing.assert_allclose(measure.value(sums), peer(wanted, found, LABELS), atol=1e-12)


def test_error_rates_are_those_of_recognition() -> None:
    wanted = ["one two three", "four", "six seven", "eight nine"]
    found = ["one too three four", "", "six seven", "ate nine"]
    words = [jiwer.process_words(one, other) for one, other in zip(wanted, found, strict=True)]
    letters = [jiwer.process_characters(one, other) for one, other in zip(wanted, found, strict=True)]
    references, answers = ([{"text": text} for text in texts] for texts in (wanted, found))
    said = asr.measure(references, answers, AsrEncoding(symbols=()))
    for measure, parts in ((WER, words), (CER, letters)):
        errors = [part.substitutions + part.deletions + part.insertions for part in parts]
        lengths = [part.substitutions + part.deletions + part.hits for part in parts]
        assert measure.value(error_moments(errors, lengths).sum(axis=0)) == pytest.approx(said[measure.name])


@pytest.mark.parametrize("seed", range(5))
def test_agreement_is_that_of_personality(seed: int) -> None:
    wanted, found, speakers = rate_speakers(seed, binary=False)
    said = ask_task(wanted, found, speakers, encode_traits("regression", (1.0, 5.0)))
    of_speaker = average_speakers(wanted, found, speakers)
    sums = agreement_moments(*of_speaker).sum(axis=0)
    assert CCC.value(sums) == pytest.approx(said["ccc"])
    assert PEARSON.value(sums) == pytest.approx(said["r"])
    errors = absolute_error_moments(*of_speaker, span=4.0).sum(axis=0)
    assert ONE_MINUS_MAE.value(errors) == pytest.approx(said["one_minus_mae"])
    assert MAE.value(errors) == pytest.approx(1 - said["one_minus_mae"])


@pytest.mark.parametrize("seed", range(5))
def test_yes_or_no_is_that_of_personality(seed: int) -> None:
    wanted, found, speakers = rate_speakers(seed, binary=True)
    wanted[:, 4] = np.where(np.isnan(wanted[:, 4]), np.nan, 1.0)  # a trait that everybody has
    said = ask_task(wanted, found, speakers, encode_traits("binary", (0.0, 1.0)))
    sums = binary_moments(*average_speakers(wanted, found, speakers)).sum(axis=0)
    assert ACCURACY.value(sums) == pytest.approx(said["accuracy"])
    assert BALANCED_ACCURACY.value(sums) == pytest.approx(said["balanced_accuracy"])


def test_constant_answers_have_no_agreement() -> None:
    wanted, found, speakers = rate_speakers(0, binary=False)
    found[:] = 0.5
    said = ask_task(wanted, found, speakers, encode_traits("regression", (1.0, 5.0)))
    sums = agreement_moments(*average_speakers(wanted, found, speakers)).sum(axis=0)
    assert CCC.value(sums) == pytest.approx(said["ccc"], abs=1e-12)
    assert PEARSON.value(sums) == said["r"] == 0.0


def test_two_equal_constants_and_lone_pairs_agree_in_nothing() -> None:
    for pair in (np.full(9, 0.1), np.array([1.0])):
        sums = agreement_moments(pair, pair).sum(axis=0)
        assert np.isnan(ccc(pair, pair))
        assert np.isnan(CCC.value(sums))
        assert np.isnan(PEARSON.value(sums))


@pytest.mark.parametrize("offset", [0.0, 1e3, 1e7])
def test_agreement_far_from_zero_keeps_its_digits(offset: float) -> None:
    draw = np.random.default_rng(3)
    wanted = draw.normal(offset, 1, 200)
    found = 0.5 * (wanted - offset) + draw.normal(offset, 1, 200)
    sums = agreement_moments(wanted, found).sum(axis=0)
    assert CCC.value(sums) == pytest.approx(ccc(wanted, found), abs=1e-8)
    assert PEARSON.value(sums) == pytest.approx(pearson(wanted, found), abs=1e-8)
    assert PEARSON.value(sums) == pytest.approx(stats.pearsonr(wanted, found).statistic, abs=1e-8)


def test_calibration_is_that_of_the_task() -> None:
    draw = np.random.default_rng(4)
    probabilities = torch.tensor(draw.dirichlet(np.ones(4) * 0.3, 500))
    labels = torch.tensor(draw.integers(0, 4, 500))
    confidences, found = (values.numpy() for values in probabilities.max(dim=1))
    sums = calibration_moments(confidences, found == labels.numpy()).sum(axis=0)
    assert ECE.value(sums) == pytest.approx(expected_calibration_error(probabilities, labels))


def test_a_mean_takes_a_name_and_a_direction() -> None:
    latency = dataclasses.replace(MEAN, name="latency_s", larger_is_better=False)
    ours, theirs = (mean_moments(values).sum(axis=0) for values in ([0.1, 0.3], [0.2, 0.4]))
    assert latency.value(ours) == pytest.approx(0.2)
    assert paired(latency).value(np.concatenate([ours, theirs])) == pytest.approx(0.1)


@pytest.mark.parametrize(
    ("measure", "sums"),
    [
        (WER, error_moments([np.nan, 1], [3, 4])),
        (MEAN, mean_moments([1.0, np.nan])),
        (CCC, agreement_moments(np.array([1.0, 2.0, 4.0]), np.array([1.0, np.nan, 3.0]))),
        (PEARSON, agreement_moments(np.array([1.0, 2.0, 4.0]), np.array([1.0, np.inf, 3.0]))),
        (MAE, absolute_error_moments(np.array([1.0, 2.0]), np.array([1.0, np.nan]))),
        (MAE, absolute_error_moments(np.array([1.0, np.inf]), np.array([1.0, 2.0]))),
        (ACCURACY, binary_moments(np.array([1.0, 0.0]), np.array([1.0, np.nan]))),
        (BALANCED_ACCURACY, binary_moments(np.array([1.0, 0.0]), np.array([np.nan, 0.1]))),
        (ECE, calibration_moments(np.array([0.5, np.nan]), [True, False])),
        *((measure, np.full((2, 6), np.nan)) for measure in (UAR, WA, MACRO_F1)),
    ],
    ids=lambda value: getattr(value, "name", None),
)
def test_an_answer_that_is_no_number_measures_nothing(measure: Any, sums: Floats) -> None:
    assert np.isnan(measure.value(sums.sum(axis=0)))


@pytest.mark.parametrize("measure", [WER, MEAN, UAR, WA, MACRO_F1, CCC, PEARSON, MAE, ACCURACY, ECE])
def test_nothing_measures_nothing(measure: Any) -> None:
    assert np.isnan(measure.value(np.zeros(12)))


def test_values_are_those_of_each_draw() -> None:
    draw = np.random.default_rng(5)
    sums = agreement_moments(draw.normal(size=(40, 3)), draw.normal(size=(40, 3))).reshape(2, 4, 5, 18).sum(axis=2)
    assert CCC.value(sums).shape == (2, 4)
    assert CCC.value(sums)[1, 2] == CCC.value(sums[1, 2])


def test_groups_are_summed_in_the_order_of_their_codes() -> None:
    moments = np.arange(10.0).reshape(5, 2)
    sums = sum_groups(moments, np.array([7, 2, 7, 2, 4]))
    np.testing.assert_array_equal(sums, [[8, 10], [8, 9], [4, 6]])


def test_columns_of_another_shape_are_refused() -> None:
    with pytest.raises(ValueError, match="are compared"):
        agreement_moments(np.zeros(3), np.zeros(4))
