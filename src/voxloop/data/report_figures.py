"""What a report says about the rows of a dataset, counted in columns: a million rows take seconds, and no audio."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from voxloop.data.manifest import NumberSummary
from voxloop.data.splits import SPLITS

_BINS = 32
_MOST_WHOLE = 100
_MOST_LETTERS = 400


@dataclass(frozen=True)
class LabelCount:
    """One value of a column.

    Args:
        value: The label.
        rows: How many rows have it.
        by_split: How many of them are in train, dev and test.
    """

    value: str
    rows: int
    by_split: tuple[int, ...]


@dataclass(frozen=True)
class Numbers:
    """One column of numbers over the rows that have one; `counts` are of equal bins from the lowest to the highest."""

    summary: NumberSummary
    median: float
    counts: tuple[int, ...]


@dataclass(frozen=True)
class Words:
    """The texts of a dataset; a word is what stands between spaces.

    Args:
        texts: Rows that have one.
        distinct_texts: Different ones.
        words: Of all of them.
        distinct_words: Different ones.
        letters: Every character they are made of, by code point, the first few hundred.
        all_letters: How many there are.
        commonest: The most frequent words, and how often they occur.
    """

    texts: int
    distinct_texts: int
    words: int
    distinct_words: int
    letters: str
    all_letters: int
    commonest: tuple[tuple[str, int], ...]


def count_labels(rows: pa.Table, column: str) -> list[LabelCount]:
    """Return the values of a column of text, most frequent first; rows without one are not counted."""
    some = rows.select([column, "split"]).filter(pc.is_valid(rows[column]))
    grouped = some.group_by([column, "split"]).aggregate([([], "count_all")]).to_pydict()
    cells: dict[str, Counter[str]] = defaultdict(Counter)
    for value, split, count in zip(grouped[column], grouped["split"], grouped["count_all"], strict=True):
        cells[value][split] = count
    found = [
        LabelCount(value, splits.total(), tuple(splits[split] for split in SPLITS)) for value, splits in cells.items()
    ]
    return sorted(found, key=lambda one: (-one.rows, one.value))


def measure_numbers(column: pa.ChunkedArray) -> Numbers | None:
    """Return the figures of a column of numbers, or None when no row has one; NaN and infinities are no numbers."""
    values = column.drop_null().to_numpy().astype(np.float64)
    return _measure(values[np.isfinite(values)])


def _measure(values: NDArray[np.float64]) -> Numbers | None:
    if not len(values):
        return None
    counts, _ = np.histogram(values, bins=_choose_bins(values))
    summary = NumberSummary(
        count=len(values),
        mean=float(values.mean()),
        sd=float(values.std()),
        minimum=float(values.min()),
        maximum=float(values.max()),
    )
    return Numbers(summary, float(np.median(values)), tuple(counts.tolist()))


def _choose_bins(values: NDArray[np.float64]) -> int | NDArray[np.float64]:
    """Give whole numbers a bin each while they are few: years in 32 bins would show gaps that are none."""
    lowest, highest = float(values.min()), float(values.max())
    if highest - lowest < _MOST_WHOLE and bool(np.all(values == np.rint(values))):
        return np.arange(lowest, highest + 2.0) - 0.5
    return _BINS


def measure_words(texts: pa.ChunkedArray, most: int) -> Words | None:
    """Return what the texts are made of, `most` of the commonest words among it, or None when no row has a text."""
    some = texts.drop_null()
    if not len(some):
        return None
    counted = pc.value_counts(pc.list_flatten(pc.utf8_split_whitespace(some)))
    pairs = [(one["values"], one["counts"]) for one in counted.to_pylist() if one["values"]]
    letters = sorted(set().union(*(word for word, _ in pairs)))
    return Words(
        texts=len(some),
        distinct_texts=pc.count_distinct(some).as_py(),
        words=sum(count for _, count in pairs),
        distinct_words=len(pairs),
        letters="".join(letters[:_MOST_LETTERS]),
        all_letters=len(letters),
        commonest=tuple(sorted(pairs, key=lambda pair: (-pair[1], pair[0]))[:most]),
    )


@dataclass(frozen=True)
class SpeakerCount:
    """One speaker: split, rows, and seconds of sound."""

    speaker_id: str
    split: str
    rows: int
    seconds: float


def count_speakers(rows: pa.Table, most: int) -> tuple[list[SpeakerCount], Numbers | None]:
    """Return the speakers with the most rows, and how many rows the speakers have."""
    chosen = rows.select(["speaker_id", "split", "duration_s"])
    grouped = chosen.group_by(["speaker_id", "split"]).aggregate([([], "count_all"), ("duration_s", "sum")])
    order = [("count_all", "descending"), ("speaker_id", "ascending"), ("split", "ascending")]
    top = grouped.take(pc.sort_indices(grouped, sort_keys=order)[:most]).to_pylist()
    listed = [
        SpeakerCount(one["speaker_id"], one["split"], one["count_all"], one["duration_s_sum"] or 0.0) for one in top
    ]
    return listed, measure_numbers(grouped["count_all"])
