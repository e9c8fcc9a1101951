"""The manifest of the rows that were taken out of a dataset."""

from __future__ import annotations

import math
import statistics
from collections import Counter
from collections.abc import Sequence
from typing import Any

from voxloop.data.manifest import Manifest, NumberSummary, ShardEntry, SplitCount
from voxloop.data.splits import SPLITS

Rows = Sequence[dict[str, Any]]


def count_rows(dataset: Manifest, rows: Rows, shards: Sequence[ShardEntry]) -> Manifest:
    """Return the manifest of some rows of a dataset, written as `shards`.

    Args:
        dataset: Manifest of the dataset they are from; what the corpus says of itself is kept.
        rows: Rows of `UTTERANCE_SCHEMA`.
        shards: The files they were written to.
    """
    seconds = math.fsum(row["duration_s"] or 0.0 for row in rows)
    return dataset.model_copy(
        update={
            "utterances": len(rows),
            "hours": round(seconds / 3600.0, 6),
            "speakers": len({row["speaker_id"] for row in rows}),
            "labels": {name: counts for name in dataset.labels if (counts := _count_labels(rows, name))},
            "numbers": {name: told for name in dataset.numbers if (told := _summarise(rows, name)) is not None},
            "splits": {split: _count_split(rows, split) for split in SPLITS},
            "shards": tuple(shards),
            "quarantined": {},
            "left_out": 0,
            "erased": 0,
        }
    )


def _count_labels(rows: Rows, name: str) -> dict[str, int]:
    return dict(sorted(Counter(row[name] for row in rows if row[name] is not None).items()))


def _count_split(rows: Rows, split: str) -> SplitCount:
    speakers = [row["speaker_id"] for row in rows if row["split"] == split]
    return SplitCount(utterances=len(speakers), speakers=len(set(speakers)))


def _summarise(rows: Rows, name: str) -> NumberSummary | None:
    values = [float(row[name]) for row in rows if row[name] is not None]
    if not values:
        return None
    return NumberSummary(
        count=len(values),
        mean=statistics.fmean(values),
        sd=statistics.pstdev(values),
        minimum=min(values),
        maximum=max(values),
    )
