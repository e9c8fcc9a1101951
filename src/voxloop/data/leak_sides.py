"""What training is compared with: splits of the dataset and frozen sets."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from voxloop.data.evaluation_sets import EvaluationSet, verify_evaluation_set
from voxloop.data.leak_rows import LeakRow, RowReader
from voxloop.data.manifest import load_manifest
from voxloop.data.splits import Split
from voxloop.errors import IntegrityError


@dataclass(frozen=True, eq=False)
class Side:
    """One side that training is compared with.

    Args:
        name: `dev`, `test`, or the frozen set.
        rows: Its utterances.
        parallel_texts: Whether its speakers all read the same sentences.
        digest: Of a frozen set; empty for a split of the dataset.
        emptied: An erasure left nothing of it: there is nothing to give away.
    """

    name: str
    rows: Sequence[LeakRow]
    parallel_texts: bool
    digest: str = ""
    emptied: bool = False


def read_splits(reader: RowReader, dataset: Path, splits: Sequence[Split]) -> list[Side]:
    """Return splits of a dataset as sides, read in one pass."""
    parallel = load_manifest(dataset).parallel_texts
    rows: dict[str, list[LeakRow]] = {split: [] for split in splits}
    for row in reader.read(dataset, splits):
        rows[row.split].append(row)
    return [Side(split, found, parallel) for split, found in rows.items()]


def read_set(reader: RowReader, frozen: EvaluationSet) -> Side:
    """Return a frozen set as a side, verified first.

    Raises:
        IntegrityError: It was changed.
    """
    verify_evaluation_set(frozen.folder)
    rows = list(reader.read(frozen.folder, (frozen.split,)))
    if len(rows) != frozen.rows:
        raise IntegrityError(
            f"{frozen.folder} has {len(rows)} rows of split {frozen.split}, it was frozen with {frozen.rows}",
            remedy="restore the set from a backup",
        )
    emptied = not rows and frozen.supersedes is not None
    parallel = load_manifest(frozen.folder).parallel_texts
    return Side(f"{frozen.task}/{frozen.name}", rows, parallel, digest=frozen.digest, emptied=emptied)
