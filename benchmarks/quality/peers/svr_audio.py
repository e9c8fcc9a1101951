"""Support vector regression on the features of the sound that a corpus gives (scikit-learn): how it is said."""

from __future__ import annotations

from benchmarks.quality.peers.peer_fold import Answered, PeerFold
from voxloop.data.corpora.youtube_personality import AUDIO_FEATURES
from voxloop.data.schema import TRAITS

FAMILY = "personality"


def answer_fold(fold: PeerFold) -> Answered:
    """Learn from train and dev, one machine a trait, with scikit-learn's own C and epsilon."""
    from sklearn.multioutput import MultiOutputRegressor  # noqa: PLC0415 - heavy
    from sklearn.pipeline import make_pipeline  # noqa: PLC0415
    from sklearn.preprocessing import StandardScaler  # noqa: PLC0415
    from sklearn.svm import SVR  # noqa: PLC0415

    train, dev, test = fold.rows()
    learnt, features = train + dev, AUDIO_FEATURES
    sounds = [[[row["features"][name] for name in features] for row in rows] for rows in (learnt, test)]
    model = make_pipeline(StandardScaler(), MultiOutputRegressor(SVR()))
    model.fit(sounds[0], [[row[name] for name in TRAITS] for row in learnt])
    found = model.predict(sounds[1]).tolist()
    return [(row, {"traits": dict(zip(TRAITS, values, strict=True))}) for row, values in zip(test, found, strict=True)]
