"""Suspicions on made-up features: what stands out is found, what does not is left alone."""

from __future__ import annotations

import numpy as np
import pytest

from voxloop.adapters.cleanlab import (
    predict_out_of_sample,
    robust_z,
    score_outliers,
    score_values,
    suspect_labels,
    suspect_within,
)
from voxloop.data.audit_rows import Names, Numbers
from voxloop.data.poison_config import OutlierConfig

OUTLIER = OutlierConfig(neighbour_share=0.2, reference_rows=4000, limit=5.0)
KNOWN = ("anger", "fear", "neutral")


def make_speakers(speakers: int = 10, repeats: int = 8, seed: int = 1) -> tuple[Numbers, Names, Names]:
    """Return features that tell the label, 5 sd along an axis of its own, beside every speaker's own offset."""
    draw = np.random.default_rng(seed)
    labels = np.array([*KNOWN] * repeats * speakers)
    people = np.repeat([f"s{number:02d}" for number in range(speakers)], len(KNOWN) * repeats)
    centres = 5.0 * np.eye(len(KNOWN), 8)[np.searchsorted(KNOWN, labels)]
    offsets = 5.0 * draw.standard_normal((speakers, 8))[np.unique(people, return_inverse=True)[1]]
    return centres + offsets + draw.standard_normal(centres.shape), labels, people


def test_clean_labels_are_seldom_suspicious() -> None:
    features, labels, people = make_speakers()
    assert suspect_labels(features, labels, people, 8).suspicious.mean() < 0.05


def test_a_flipped_label_is_suspicious_and_the_true_one_suggested() -> None:
    features, labels, people = make_speakers()
    flipped = np.flatnonzero(labels == "anger")[::9]
    given = labels.copy()
    given[flipped] = "fear"
    opinion = suspect_labels(features, given, people, 8)
    assert opinion.suspicious[flipped].mean() > 0.7  # cleanlab bounds their number by the noise it estimates
    assert (opinion.suggested[flipped] == "anger").mean() > 0.8
    assert opinion.confidence[flipped].mean() < 0.2 < opinion.confidence.mean()


def test_within_a_speaker_flips_are_contradicted_and_clean_labels_are_not() -> None:
    features, labels, _ = make_speakers(speakers=1, repeats=100)
    assert suspect_within(features, labels, 8, 0.03).suspicious.mean() < 0.02
    flipped = np.arange(0, len(labels), 10)
    given = labels.copy()
    given[flipped] = [KNOWN[KNOWN.index(label) - 1] for label in labels[flipped]]
    opinion = suspect_within(features, given, 8, 0.03)
    assert opinion.suspicious[flipped].mean() > 0.9
    assert np.delete(opinion.suspicious, flipped).mean() < 0.02
    assert opinion.suggested[flipped].tolist() == labels[flipped].tolist()


def test_within_a_speaker_a_label_that_was_turned_as_a_whole_is_not_found() -> None:
    """It is what the report says it cannot find."""
    features, labels, _ = make_speakers(speakers=1, repeats=100)
    turned = np.where(labels == "anger", "fear", labels)
    assert suspect_within(features, turned, 8, 0.03).suspicious.mean() < 0.02


def test_within_a_speaker_a_rare_label_is_no_crash() -> None:
    features, labels, _ = make_speakers(speakers=1, repeats=30)
    labels = labels.astype("<U12")
    labels[4] = "contempt"
    assert suspect_within(features, labels, 8, 0.03).suspicious[4]


def test_a_speaker_is_predicted_by_others_alone() -> None:
    """One speaker's features are constant by label: heard before, they would be told without a mistake."""
    features, labels, people = make_speakers(speakers=6)
    alone = people == "s00"
    features[alone] = np.random.default_rng(2).standard_normal((alone.sum(), 8))
    codes = np.searchsorted(KNOWN, labels)
    probabilities = predict_out_of_sample(features, codes, people, folds=6)
    assert (probabilities[alone].argmax(axis=1) == codes[alone]).mean() < 0.75
    assert probabilities.sum(axis=1) == pytest.approx(1.0)


def test_a_label_of_one_speaker_alone_is_no_crash() -> None:
    features, labels, people = make_speakers(speakers=6)
    labels = labels.astype("<U12")
    labels[people == "s00"] = "contempt"
    opinion = suspect_labels(features, labels, people, 8)
    assert opinion.suggested[people == "s00"].tolist() != ["contempt"] * int((people == "s00").sum())


def test_what_lies_apart_is_an_outlier_even_in_company() -> None:
    draw = np.random.default_rng(3)
    features = draw.standard_normal((400, 8))
    features[:30] = 6.0 + 0.01 * draw.standard_normal((30, 8))
    scores = score_outliers(features, OUTLIER)
    assert scores[:30].min() > OUTLIER.limit
    assert (scores[30:] > OUTLIER.limit).mean() < 0.01


def test_a_sample_of_the_rows_is_reference_enough() -> None:
    draw = np.random.default_rng(4)
    features = draw.standard_normal((1_000, 8))
    features[7] = 9.0
    whole = score_outliers(features, OUTLIER)
    part = score_outliers(features, OUTLIER.model_copy(update={"reference_rows": 200}))
    assert part.argmax() == whole.argmax() == 7
    assert np.corrcoef(whole, part)[0, 1] > 0.9


@pytest.mark.parametrize("heard", [True, False])
def test_a_number_on_another_scale_stands_out(heard: bool) -> None:
    draw = np.random.default_rng(5)
    features = draw.standard_normal((40, 8))
    values = 4.0 + 0.5 * features[:, 0] + 0.3 * draw.standard_normal(40)
    values[3] *= 10.0  # 1 to 7 read as 10 to 70
    scores = score_values(features if heard else None, values, 8)
    assert abs(scores[3]) > 5.0
    assert np.abs(np.delete(scores, 3)).max() < 5.0


def test_robust_z_of_equal_numbers_is_zero() -> None:
    assert robust_z(np.full(5, 2.0)).tolist() == [0.0] * 5
