"""Who knows the traits that the speaker world spoke by: a regression of the rated scores on the true ones.

The corpus' dataset holds the traits as generated, the fold's those that were rated with noise.
"""

from __future__ import annotations

import numpy as np

from benchmarks.quality.peers.peer_fold import Answered, PeerFold
from voxloop.data.schema import TRAITS
from voxloop.data.shards import read_manifest

FAMILY = "personality"


def answer_fold(fold: PeerFold) -> Answered:
    """Fit a line for each trait on the speakers of train and dev."""
    true = {row["utterance_id"]: row for row in read_manifest(fold.whole).to_pylist()}
    train, dev, test = fold.rows()
    learnt = list({row["speaker_id"]: row for row in train + dev}.values())
    lines = {
        name: np.polyfit([true[row["utterance_id"]][name] for row in learnt], [row[name] for row in learnt], 1)
        for name in TRAITS
    }
    return [
        (
            row,
            {
                "traits": {
                    name: float(np.polyval(line, true[row["utterance_id"]][name])) for name, line in lines.items()
                }
            },
        )
        for row in test
    ]
