"""An RBF support vector machine on eGeMAPS (88 functionals, F. Eyben et al., IEEE Trans. Affective Computing 7, 2016).

openSMILE is free for research alone, so it is no dependency of voxloop: `pip install 'voxloop[opensmile]'`.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq
from tqdm import tqdm

from benchmarks.quality.peers.peer_fold import Answered, PeerFold, Row
from voxloop.data.shards import iter_audio
from voxloop.errors import InputError
from voxloop.speech.waveform import SAMPLE_RATE

FAMILY = "emotion"
STRENGTHS = (0.3, 1.0, 3.0, 10.0, 30.0)
FEATURES_NAME = "egemaps.parquet"


def answer_fold(fold: PeerFold) -> Answered:
    """Choose C by the UAR of dev, then learn from train and dev."""
    from sklearn.metrics import balanced_accuracy_score  # noqa: PLC0415 - heavy

    known = measure_sounds(fold)
    train, dev, test = ([row for row in rows if row["emotion"] is not None] for rows in fold.rows())

    def judge(strength: float) -> float:
        machine = _fit(train, known, strength)
        return float(balanced_accuracy_score(_labels(dev), machine.predict(_sounds(dev, known))))

    best = max(STRENGTHS, key=judge)
    found = _fit(train + dev, known, best).predict(_sounds(test, known))
    return [(row, {"emotion": str(label)}) for row, label in zip(test, found, strict=True)]


def measure_sounds(fold: PeerFold) -> dict[str, list[float]]:
    """Return the 88 functionals of every utterance of the corpus, by its id; measured once and kept.

    Raises:
        InputError: openSMILE is not installed.
    """
    path = fold.kept / FEATURES_NAME
    if not path.is_file():
        smile = _open_smile()
        rows = tqdm(iter_audio(fold.whole), desc="eGeMAPS", unit="clip", mininterval=10.0)
        found = {
            row["utterance_id"]: smile.process_signal(waveform, SAMPLE_RATE).to_numpy()[0].tolist()
            for row, waveform in rows
        }
        fold.kept.mkdir(parents=True, exist_ok=True)
        beside = path.with_suffix(".beside")
        pq.write_table(pa.table({"utterance_id": list(found), "values": list(found.values())}), beside)
        beside.replace(path)
    table = pq.read_table(path).to_pydict()
    return dict(zip(table["utterance_id"], table["values"], strict=True))


def _open_smile() -> Any:
    try:
        opensmile = import_module("opensmile")
    except ModuleNotFoundError:
        raise InputError(
            "openSMILE is not installed",
            rule="the baseline egemaps-svm measures sounds with it, and its licence is for research alone",
            remedy="pip install 'voxloop[opensmile]'",
        ) from None
    level = opensmile.FeatureLevel.Functionals
    return opensmile.Smile(feature_set=opensmile.FeatureSet.eGeMAPSv02, feature_level=level)


def _fit(rows: list[Row], known: dict[str, list[float]], strength: float) -> Any:
    from sklearn.pipeline import make_pipeline  # noqa: PLC0415 - heavy
    from sklearn.preprocessing import StandardScaler  # noqa: PLC0415
    from sklearn.svm import SVC  # noqa: PLC0415

    machine = make_pipeline(StandardScaler(), SVC(C=strength, gamma="scale", class_weight="balanced"))
    return machine.fit(_sounds(rows, known), _labels(rows))


def _sounds(rows: list[Row], known: dict[str, list[float]]) -> npt.NDArray[np.float64]:
    return np.array([known[row["utterance_id"]] for row in rows])


def _labels(rows: list[Row]) -> list[str]:
    return [row["emotion"] for row in rows]
