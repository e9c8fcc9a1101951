"""Ridge regression on TF-IDF of the words (scikit-learn): what is said."""

from __future__ import annotations

from benchmarks.quality.peers.peer_fold import Answered, PeerFold
from voxloop.data.schema import TRAITS

FAMILY = "personality"
STRENGTHS = (0.3, 1.0, 3.0, 10.0, 30.0)


def answer_fold(fold: PeerFold) -> Answered:
    """Learn from train and dev; leave-one-out inside them chooses the strength."""
    from sklearn.feature_extraction.text import TfidfVectorizer  # noqa: PLC0415 - heavy
    from sklearn.linear_model import RidgeCV  # noqa: PLC0415
    from sklearn.pipeline import make_pipeline  # noqa: PLC0415

    train, dev, test = fold.rows()
    learnt = train + dev
    model = make_pipeline(TfidfVectorizer(min_df=3, sublinear_tf=True, ngram_range=(1, 2)), RidgeCV(STRENGTHS))
    model.fit([row["text"] for row in learnt], [[row[name] for name in TRAITS] for row in learnt])
    found = model.predict([row["text"] for row in test]).tolist()
    return [(row, {"traits": dict(zip(TRAITS, values, strict=True))}) for row, values in zip(test, found, strict=True)]
