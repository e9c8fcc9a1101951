"""Rows of two tables matched by their id, and which of the matched ones differ."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

Mask = Any  # pyarrow has no types: an array of booleans, as long as the matched rows
_KEY = "utterance_id"


@dataclass(frozen=True)
class Matched:
    """Two tables taken apart.

    Args:
        before: Rows of the first that the second has too.
        after: The same rows, as the second has them, in the same order.
        added: Rows that only the second has.
        removed: Rows that only the first has.
    """

    before: pa.Table
    after: pa.Table
    added: pa.Table
    removed: pa.Table

    def differs(self, column: str) -> Mask:
        """Return where a column changed: another value, or null on one side alone. NaN equals NaN."""
        old, new = self.before[column].combine_chunks(), self.after[column].combine_chunks()
        if old.type != new.type:
            old, new = old.cast(pa.string()), new.cast(pa.string())
        other = pc.fill_null(pc.not_equal(old, new), False)
        if pa.types.is_floating(old.type):
            other = pc.and_not(other, pc.fill_null(pc.and_(pc.is_nan(old), pc.is_nan(new)), False))
        return pc.or_(other, pc.xor(old.is_null(), new.is_null()))

    def any_of(self, masks: list[Mask]) -> Mask:
        """Return where one of the masks is true; nowhere without any."""
        joined = pa.array([False] * self.before.num_rows) if not masks else masks[0]
        for mask in masks[1:]:
            joined = pc.or_(joined, mask)
        return joined

    def count(self, mask: Mask) -> int:
        """Return how many rows are marked."""
        return int(pc.sum(mask).as_py() or 0)

    def transitions(self, column: str, mask: Mask) -> dict[str, int]:
        """Return how often one value became another among the marked rows, the most frequent first."""
        old, new = (pc.fill_null(table[column].cast(pa.string()), "none") for table in (self.before, self.after))
        named = pc.binary_join_element_wise(old, new, " -> ").filter(mask)
        counted = [(str(one["values"]), int(one["counts"])) for one in pc.value_counts(named).to_pylist()]
        return dict(sorted(counted, key=lambda one: (-one[1], one[0])))

    def tally_after(self, column: str, mask: Mask) -> dict[str, int]:
        """Return how many marked rows have each value of a column now."""
        counted = pc.value_counts(self.after[column].filter(mask).drop_null()).to_pylist()
        return {str(one["values"]): int(one["counts"]) for one in counted}


def match_rows(before: pa.Table, after: pa.Table) -> Matched:
    """Match the rows of two tables by id; the n-th of an id that stands there repeatedly with the n-th."""
    old, new = before[_KEY].combine_chunks(), after[_KEY].combine_chunks()
    if _repeats(old) or _repeats(new):
        old, new = _numbered(old), _numbered(new)
    place = pc.index_in(old, value_set=new)
    known = pc.is_in(new, value_set=old)
    return Matched(
        before=before.filter(place.is_valid()),
        after=after.take(place.drop_null()),
        added=after.filter(pc.invert(known)),
        removed=before.filter(place.is_null()),
    )


def _repeats(keys: Any) -> bool:
    return bool(pc.count_distinct(keys).as_py() != len(keys))


def _numbered(keys: Any) -> Any:
    """Append to each key how often it stood there before, so that every one is its own."""
    frame = pa.table({_KEY: keys}).to_pandas()
    numbers = pa.array(frame.groupby(_KEY).cumcount().astype(str), type=pa.string())
    return pc.binary_join_element_wise(keys, numbers, "\x00")
