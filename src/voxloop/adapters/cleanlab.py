"""cleanlab and scikit-learn: which labels, sounds and numbers the rest of the data contradicts.

Labels by confident learning (C. Northcutt, L. Jiang, I. Chuang, "Confident Learning: Estimating Uncertainty in Dataset
Labels", J. Artif. Intell. Res. 70, 2021) on predictions for speakers the classifier did not hear. The classifier is a
linear discriminant with Ledoit-Wolf shrinkage: over four sets it was as accurate as logistic regression and an SVM,
and it answers for 1,440 rows in 0.05 s.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from voxloop.data.audit_rows import Mask, Names, Numbers
from voxloop.data.label_audit import standardise_speakers
from voxloop.data.poison_config import OutlierConfig


@dataclass(frozen=True)
class LabelSuspicions:
    """What the others think of each label: suspicious or not, what it sounds like, probability of the given one."""

    suspicious: Mask
    suggested: Names
    confidence: Numbers


def suspect_labels(features: Numbers, labels: Names, speakers: Names, folds: int) -> LabelSuspicions:
    """Predict each speaker's labels from the others' and find those that contradict the given ones.

    Args:
        features: Finite, float64 [n, d].
        labels: Given labels [n], of at least two kinds.
        speakers: Who speaks [n]; a speaker lies wholly inside one fold.
        folds: Most folds; fewer where there are fewer speakers.
    """
    from cleanlab.filter import find_label_issues
    from cleanlab.rank import get_label_quality_scores

    known, codes = np.unique(labels, return_inverse=True)
    standard = standardise_speakers(features, speakers, labels)
    probabilities = predict_out_of_sample(standard, codes, speakers, folds)
    suspicious = find_label_issues(codes, probabilities, filter_by="both", n_jobs=1)
    confidence = get_label_quality_scores(codes, probabilities, method="self_confidence")
    return LabelSuspicions(
        np.asarray(suspicious, dtype=np.bool_), known[probabilities.argmax(axis=1)], np.asarray(confidence)
    )


def suspect_within(features: Numbers, labels: Names, folds: int, below: float) -> LabelSuspicions:
    """Predict one speaker's labels from the same speaker's other utterances and find those that contradict the given.

    Suspicious is a probability of the given label under `below`, not what confident learning counts: that lay between
    clean and a tenth flipped by a factor of 1.02 (400 utterances of each of nEMO's speakers), this by one of 1.6.

    Args:
        features: Finite, float64 [n, d], of one speaker.
        labels: Given labels [n], of at least two kinds, one of them at least `folds` times.
        folds: Parts, stratified by label, each of rows that follow one another: copies side by side do not vouch for
            each other.
        below: Out-of-sample probability.
    """
    from cleanlab.rank import get_label_quality_scores
    from sklearn.model_selection import StratifiedKFold

    known, codes = np.unique(labels, return_inverse=True)
    standard = (features - features.mean(axis=0)) / (features.std(axis=0) + 1e-6)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # as in `_folds_by_speaker`
        parts = list(StratifiedKFold(folds).split(standard, codes))
    probabilities = _predict(standard, codes, parts)
    confidence = np.asarray(get_label_quality_scores(codes, probabilities, method="self_confidence"))
    return LabelSuspicions(confidence < below, known[probabilities.argmax(axis=1)], confidence)


def predict_out_of_sample(features: Numbers, codes: NDArray[Any], speakers: Names, folds: int) -> Numbers:
    """Return the probability of every label for every row, from speakers other than its own, float64 [n, labels]."""
    return _predict(features, codes, _folds_by_speaker(features, speakers, folds))


def _predict(features: Numbers, codes: NDArray[Any], parts: Iterable[tuple[NDArray[Any], NDArray[Any]]]) -> Numbers:
    from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

    probabilities = np.zeros((len(codes), int(codes.max()) + 1))
    for train, test in parts:
        model = LinearDiscriminantAnalysis(solver="lsqr", shrinkage="auto")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # a label with one row: its spread is taken as none
            model.fit(features[train], codes[train])
        probabilities[np.ix_(test, model.classes_)] = model.predict_proba(features[test])
    return probabilities


def score_outliers(features: Numbers, config: OutlierConfig) -> Numbers:
    """Return how far each sound lies from its neighbours, as a robust z of the logarithm of the distance [n].

    Distances are Euclidean between features in robust units, cut at 8. Asking many of the rows matters: with ten
    neighbours a dozen clips of white noise among 672 vouched for each other (z -10), with 67 they lay at z 13.
    """
    from cleanlab.outlier import OutOfDistribution
    from sklearn.neighbors import NearestNeighbors

    middle = np.median(features, axis=0)
    scaled = np.clip((features - middle) / (_robust_spread(features, middle) + 1e-3), -8.0, 8.0)
    reference = scaled[:: -(-len(scaled) // config.reference_rows)]
    neighbours = max(1, min(len(reference) - 1, round(config.neighbour_share * len(reference))))
    model = NearestNeighbors(n_neighbors=neighbours, metric="euclidean").fit(reference)
    judge = OutOfDistribution(params={"k": neighbours, "knn": model})
    # cleanlab's score is exp(-distance / median distance); its logarithm is the distance again.
    distance = -np.log(np.maximum(judge.score(features=scaled), np.finfo(np.float64).tiny))
    return robust_z(np.log(np.maximum(distance, 1e-12)))


def score_values(features: Numbers | None, values: Numbers, folds: int) -> Numbers:
    """Return the residual of each number, one a speaker, against a ridge on the features of the others, as robust z.

    Args:
        features: Finite, float64 [n, d], a row a speaker; None without any: then the median is the prediction.
        values: Finite, float64 [n].
        folds: Parts for the predictions out of sample.
    """
    if features is None:
        return robust_z(values)
    from sklearn.linear_model import Ridge

    predicted = np.zeros(len(values))
    scaled = (features - features.mean(axis=0)) / (features.std(axis=0) + 1e-6)
    for train, test in _folds_by_speaker(scaled, np.arange(len(values)).astype(np.str_), folds):
        # As many units of penalty as rows: personality is heard weakly, and a value out of line must not bend the fit.
        centre = np.median(values[train])
        kept = np.abs(robust_z(values[train])) < 5.0
        model = Ridge(alpha=float(len(train)), fit_intercept=False).fit(
            scaled[train][kept], values[train][kept] - centre
        )
        predicted[test] = centre + model.predict(scaled[test])
    return robust_z(values - predicted)


def robust_z(values: Numbers) -> Numbers:
    """Return the distance from the median in units of 1.4826 median absolute deviations [n]."""
    middle = np.median(values)
    return np.asarray((values - middle) / max(float(_robust_spread(values, middle)), 1e-9), dtype=np.float64)


def _robust_spread(values: Numbers, middle: Numbers | np.floating[Any]) -> Numbers:
    return np.asarray(1.4826 * np.median(np.abs(values - middle), axis=0))


def _folds_by_speaker(features: Numbers, speakers: Names, folds: int) -> Iterator[tuple[NDArray[Any], NDArray[Any]]]:
    from sklearn.model_selection import GroupKFold

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # a rare label has fewer rows than folds: it is predicted anyhow
        yield from GroupKFold(min(folds, len(np.unique(speakers)))).split(features, groups=speakers)
