"""Moments of embeddings add up, and a classifier by them sees what no number of prosody says."""

from __future__ import annotations

import json
import random
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.distance import mahalanobis

from tests.unit.monitoring.drift.test_profile import reference_of
from tests.unit.monitoring.drift.worlds import CONFIG, make_predictions
from voxloop.errors import InputError
from voxloop.monitoring.drift.check import Judgement, Outcome, check_window
from voxloop.monitoring.drift.columns import fix_columns
from voxloop.monitoring.drift.domain_classifier import CLASSIFIER, LEAST_DB, TO_DIAGONAL, fit_classifier
from voxloop.monitoring.drift.embeddings import EMBEDDING, EmbeddingMoments, measure_moments, merge_moments
from voxloop.monitoring.drift.profile import PredictionColumns, Profile, is_same, make_profile, merge_profiles
from voxloop.monitoring.drift.profile_file import read_reference, write_reference
from voxloop.settings import Settings
from voxloop.speech.sound_embedding import EMBEDDED

SPEAKERS = 4
parts = st.lists(
    st.lists(st.tuples(st.integers(0, SPEAKERS - 1), st.integers(0, 2**31)), max_size=12), min_size=1, max_size=5
)
EVERYBODY = np.arange(SPEAKERS)


def draw_rows(told: list[tuple[int, int]]) -> tuple[np.ndarray, np.ndarray]:
    """Return speakers and embeddings; one of five has none."""
    rows = [np.random.default_rng(seed).normal(30, 8, EMBEDDED) for _, seed in told]
    embeddings = np.array(rows, dtype=np.float32).reshape(-1, EMBEDDED)
    embeddings[[seed % 5 == 0 for _, seed in told]] = np.nan
    return np.array([speaker for speaker, _ in told], dtype=np.int64), embeddings


def measure(told: list[tuple[int, int]]) -> EmbeddingMoments:
    codes, embeddings = draw_rows(told)
    return measure_moments(codes, SPEAKERS, embeddings)


def merge(moments: list[EmbeddingMoments]) -> EmbeddingMoments:
    return merge_moments(moments, [EVERYBODY] * len(moments), SPEAKERS)


def assert_equal(one: EmbeddingMoments, other: EmbeddingMoments) -> None:
    assert np.array_equal(one.counts, other.counts)
    np.testing.assert_allclose(one.means, other.means, rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(one.scatter, other.scatter, rtol=1e-9, atol=1e-6)


@settings(deadline=None)
@given(parts, st.randoms(use_true_random=False))
def test_parts_in_any_order_are_the_whole_at_once(told: list[list[tuple[int, int]]], chance: random.Random) -> None:
    whole = measure([row for part in told for row in part])
    moments = [measure(part) for part in told]
    assert_equal(merge(moments), whole)
    chance.shuffle(moments)
    one_by_one = moments[0]
    for part in moments[1:]:
        one_by_one = merge([one_by_one, part])
    assert_equal(one_by_one, whole)
    assert whole.is_close(one_by_one)


@settings(deadline=None)
@given(parts.map(lambda told: [row for part in told for row in part]))
def test_moments_are_those_of_numpy(told: list[tuple[int, int]]) -> None:
    moments = measure(told)
    codes, embeddings = draw_rows(told)
    known = np.isfinite(embeddings[:, 0])
    expected = np.zeros((EMBEDDED, EMBEDDED))
    for speaker in range(SPEAKERS):
        own = embeddings[known & (codes == speaker)].astype(np.float64)
        assert moments.counts[speaker] == len(own)
        if len(own):
            np.testing.assert_allclose(moments.means[speaker], own.mean(axis=0), rtol=1e-9)
            expected += np.atleast_2d(np.cov(own.T, bias=True)) * len(own)
    np.testing.assert_allclose(moments.scatter, expected, rtol=1e-6, atol=1e-4)


def test_another_part_is_not_close() -> None:
    one = measure([(0, 1), (0, 2), (1, 3)])
    assert not one.is_close(measure([(0, 1), (1, 2), (1, 3)]))
    assert not one.is_close(measure([(0, 1), (0, 4), (1, 3)]))


def colour(predictions: PredictionColumns, seed: int, shift: float = 0.0) -> PredictionColumns:
    """Return predictions with embeddings: a speaker's own colour, as varied as their rows, and a shift of one band, dB."""
    generator = np.random.default_rng(seed)
    own = generator.normal(0, 4, (len(predictions.speakers.names), EMBEDDED))
    rows = own[predictions.speakers.codes] + generator.normal(0, 4, (predictions.row_count, EMBEDDED))
    rows[:, 3] += shift
    return replace(predictions, embeddings=rows.astype(np.float32))


def make_reference(speakers: int = 200) -> Profile:
    predictions = colour(make_predictions(np.random.default_rng(3), np.full(speakers, 20), correlation=0.3), 3)
    return make_profile("emotion", fix_columns(predictions.values, CONFIG.bins), predictions)


REFERENCE = make_reference()


def judge(seed: int, shift: float = 0.0, speakers: int = 20) -> Judgement:
    predictions = make_predictions(np.random.default_rng(seed), np.full(speakers, 20), correlation=0.3)
    window = make_profile("emotion", REFERENCE.columns, colour(predictions, seed, shift))
    return check_window(REFERENCE, window, CONFIG)


def find_classifier(judged: Judgement) -> bool:
    (found,) = (one.is_beyond for one in judged.findings if (one.measure, one.column) == (CLASSIFIER, EMBEDDING))
    return found


def test_what_no_other_column_says_the_classifier_sees() -> None:
    assert judge(5).outcome is Outcome.NO_DRIFT
    moved = judge(5, shift=12.0)
    assert moved.outcome is Outcome.DRIFT
    assert [one.measure for one in moved.findings if one.is_beyond] == [CLASSIFIER]
    assert any(f"{CLASSIFIER} of {EMBEDDING} is" in reason for reason in moved.reasons)
    assert judge(5) == judge(5)


@pytest.mark.parametrize("speakers", [10, 40])
def test_other_speakers_are_seldom_another_domain(settings: Settings, speakers: int) -> None:
    count = max(30, settings.trial_count(200))
    judged = [judge(100 + number, speakers=speakers) for number in range(count)]
    wrong = sum(one.outcome is Outcome.DRIFT for one in judged)
    alone = sum(map(find_classifier, judged))
    print(f"\n{wrong} of {count} windows of {speakers} speakers: false alarms, {alone} by the classifier")
    assert wrong <= 0.07 * count


def test_the_distance_is_that_of_mahalanobis() -> None:
    predictions = make_predictions(np.random.default_rng(8), np.full(20, 20), correlation=0.3)
    window = make_profile("emotion", REFERENCE.columns, colour(predictions, 8, shift=5.0)).embeddings
    there = REFERENCE.embeddings
    covariance = there.scatter / (there.count - len(there.counts))
    mixed = (1 - TO_DIAGONAL) * covariance + TO_DIAGONAL * np.diag(np.diag(covariance)) + LEAST_DB**2 * np.eye(EMBEDDED)
    expected = mahalanobis(window.mean(), there.mean(), np.linalg.inv(mixed))
    assert fit_classifier(there).separate(window) == pytest.approx(expected)


def test_few_embeddings_are_not_compared_and_none_in_the_reference_are_no_column() -> None:
    predictions = make_predictions(np.random.default_rng(5), np.full(20, 20), correlation=0.3)
    embeddings = colour(predictions, 5, shift=50.0).embeddings
    assert embeddings is not None
    embeddings[100:] = np.nan
    window = make_profile("emotion", REFERENCE.columns, replace(predictions, embeddings=embeddings))
    judged = check_window(REFERENCE, window, CONFIG)
    assert judged.outcome is Outcome.NO_DRIFT
    assert judged.reasons == (
        "embedding is not compared: known of 100 rows, in the reference of 4000, of 200 at least",
    )
    assert all(one.column != EMBEDDING for one in judged.findings)
    empty = replace(REFERENCE, embeddings=measure_moments(np.zeros(0, dtype=np.int64), 200, None))
    assert check_window(empty, window, CONFIG).reasons == ()


def test_a_file_holds_embeddings_and_one_of_before_there_were_any_is_read(tmp_path: Path) -> None:
    path = tmp_path / "reference.json"
    reference = reference_of(REFERENCE)
    write_reference(path, reference)
    read = read_reference(path, "emotion")
    assert read == reference
    assert is_same(read.as_profile(), REFERENCE)
    doubled = merge_profiles(read.as_profile(), read.as_profile())
    assert doubled.embeddings.count == 2 * REFERENCE.embeddings.count
    content = json.loads(path.read_text())
    older = [{name: value for name, value in slot.items() if name != "embeddings"} for slot in content["slots"]]
    path.write_text(json.dumps({**content, "schema_version": 2, "slots": older}))
    assert read_reference(path, "emotion").as_profile().embeddings.count == 0
    path.write_text(json.dumps({**content, "schema_version": 2, "slots": "none"}))
    with pytest.raises(InputError, match="is no reference"):
        read_reference(path, "emotion")


@pytest.mark.parametrize(
    "change",
    [
        {"counts": [1]},
        {"counts": [1_000] * 200},
        {"counts": [-1] * 200},
        {"means": [[0.0] * EMBEDDED]},
        {"means": [["NaN"] * EMBEDDED] * 200},
        {"scatter": [[0.0] * EMBEDDED]},
        {"scatter": [[0.0, 1.0] + [0.0] * (EMBEDDED - 2)] * EMBEDDED},
    ],
)
def test_embeddings_of_others_are_refused(tmp_path: Path, change: dict[str, object]) -> None:
    path = tmp_path / "reference.json"
    write_reference(path, reference_of(REFERENCE))
    content = json.loads(path.read_text())
    content["slots"][0]["embeddings"] |= change
    path.write_text(json.dumps(content))
    with pytest.raises(InputError, match="is no reference") as refused:
        read_reference(path, "emotion")
    assert "--make-reference" in refused.value.remedy
