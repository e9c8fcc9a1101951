"""What a baseline that learns by itself is given."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from voxloop.data.known_features import read_rows

Row = dict[str, Any]
Answered = list[tuple[Row, dict[str, Any]]]
"""Each test row with the answer to it."""


@dataclass(frozen=True)
class PeerFold:
    """One fold.

    Args:
        dataset: Its dataset, with the fold's splits.
        whole: The corpus' dataset, the same for all folds.
        kept: Folder for what all folds share, such as features of the sounds.
        labels: Labels of the task's configuration, in their order; empty where it has none.
        seed: Of whatever is drawn.
    """

    dataset: Path
    whole: Path
    kept: Path
    labels: Sequence[str]
    seed: int

    def rows(self) -> tuple[list[Row], list[Row], list[Row]]:
        """Return the rows of train, dev and test, `features` filled from the dataset's measures."""
        return read_rows(self.dataset, "train"), read_rows(self.dataset, "dev"), read_rows(self.dataset, "test")
