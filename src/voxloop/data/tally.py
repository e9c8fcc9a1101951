"""Counting while rows go by: what the manifest says of a dataset, without holding any of it."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from typing import Any

from voxloop.data.manifest import NumberSummary, SplitCount
from voxloop.data.schema import TRAITS
from voxloop.data.splits import SPLITS

LABELS = ("emotion", "gender", "language")
NUMBERS = ("duration_s", "loudness_dbfs", "age", *TRAITS)


class RunningSummary:
    """Mean and spread in one pass, by B. P. Welford's recurrence (Technometrics 4, 1962): no squares are subtracted."""

    def __init__(self) -> None:
        self._count = 0
        self._mean = 0.0
        self._squares = 0.0
        self._minimum = math.inf
        self._maximum = -math.inf

    def add(self, value: float) -> None:
        """Count one number."""
        self._count += 1
        step = value - self._mean
        self._mean += step / self._count
        self._squares += step * (value - self._mean)
        self._minimum = min(self._minimum, value)
        self._maximum = max(self._maximum, value)

    def summary(self) -> NumberSummary:
        """Return what was seen; `sd` is the population's."""
        return NumberSummary(
            count=self._count,
            mean=self._mean,
            sd=math.sqrt(self._squares / self._count),
            minimum=self._minimum,
            maximum=self._maximum,
        )


class DatasetTally:
    """Counts for the manifest."""

    def __init__(self) -> None:
        self.utterances = 0
        self.seconds = 0.0
        self._labels = {column: Counter[str]() for column in LABELS}
        self._numbers: dict[str, RunningSummary] = {}
        self._split_utterances: Counter[str] = Counter()
        self._split_of_speaker: dict[str, str] = {}

    def add(self, row: Mapping[str, Any]) -> None:
        """Count one row of `UTTERANCE_SCHEMA`."""
        self.utterances += 1
        self.seconds += row.get("duration_s") or 0.0
        self._split_utterances[row["split"]] += 1
        self._split_of_speaker[row["speaker_id"]] = row["split"]
        for column in LABELS:
            if row.get(column) is not None:
                self._labels[column][row[column]] += 1
        for column in NUMBERS:
            if row.get(column) is not None:
                self._numbers.setdefault(column, RunningSummary()).add(float(row[column]))

    @property
    def speakers(self) -> int:
        """How many speakers there are."""
        return len(self._split_of_speaker)

    def labels(self) -> dict[str, dict[str, int]]:
        """Return how many utterances have each label, of those columns that have any."""
        return {column: dict(sorted(counts.items())) for column, counts in self._labels.items() if counts}

    def numbers(self) -> dict[str, NumberSummary]:
        """Return how each column of numbers is distributed, of those that have any."""
        return {column: self._numbers[column].summary() for column in NUMBERS if column in self._numbers}

    def splits(self) -> dict[str, SplitCount]:
        """Return the size of every split, empty ones included."""
        speakers = Counter(self._split_of_speaker.values())
        return {
            split: SplitCount(utterances=self._split_utterances[split], speakers=speakers[split]) for split in SPLITS
        }

    def counted(self) -> dict[str, Any]:
        """Return what the manifest says of the rows, by the names of its fields."""
        return {
            "utterances": self.utterances,
            "hours": round(self.seconds / 3600.0, 6),
            "speakers": self.speakers,
            "labels": self.labels(),
            "numbers": self.numbers(),
            "splits": self.splits(),
        }
