"""How much labelled speech a dataset has for a family."""

from __future__ import annotations

from functools import reduce
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from voxloop.data.schema import TRAITS
from voxloop.data.shards import read_manifest

LABELS = {"emotion": ("emotion",), "asr": ("text",), "personality": TRAITS}
"""Columns whose value is a label of each family: one that is there makes a row a labelled one."""


def measure_labelled_hours(dataset: Path, task: str) -> float:
    """Return the hours of all utterances with a label of the family, of every split.

    Args:
        dataset: A folder `ingest` wrote.
        task: Family.

    Raises:
        InputError: It is no dataset folder.
        IntegrityError: A shard is missing or has another number of rows than the manifest says.
    """
    table = read_manifest(dataset, ("duration_s", *LABELS[task]))
    is_labelled = reduce(pc.or_, (_has_label(table[name]) for name in LABELS[task]))
    return float(pc.sum(table.filter(is_labelled)["duration_s"]).as_py() or 0.0) / 3600


def _has_label(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return where there is a value; an empty text is none."""
    return pc.not_equal(pc.fill_null(column, ""), "") if pa.types.is_string(column.type) else pc.is_valid(column)
