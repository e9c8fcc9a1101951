"""What changed between two datasets: rows, hours, speakers, labels, sound; by split and by source.

Rows are matched by `utterance_id`. Only columns that both have are compared, so that a dataset of an older
schema can be too.
Everything is done by column on Arrow arrays: two datasets of a million rows in a few seconds.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic import Field

from voxloop.config import StrictModel
from voxloop.data.schema import TRAITS

if TYPE_CHECKING:
    import pyarrow as pa

LABELS = ("emotion", *TRAITS, "gender", "age", "language", "text")
"""Columns a model may learn or be judged by: a row that changed in one of them was relabelled."""
CLASSES = ("emotion", "gender", "language")
"""Labels with few values, which are counted one by one."""
GROUPS = ("split", "source")
FOLLOWS_AUDIO = ("sample_rate", "num_samples", "duration_s", "loudness_dbfs")
"""Columns measured from the sound: they change with it and are not told apart."""
_SECONDS_PER_HOUR = 3600.0


class Amount(StrictModel):
    """How much there is of something, before and after."""

    before: float = 0
    after: float = 0

    @property
    def change(self) -> float:
        """What came on top, or with a minus went."""
        return self.after - self.before


class GroupChange(StrictModel):
    """One split or one source."""

    rows: Amount
    hours: Amount
    speakers: Amount
    added: int
    removed: int
    relabelled: int
    changed_audio: int


class Difference(StrictModel):
    """What changed from one dataset to another.

    Args:
        added: Rows that only the second has.
        removed: Rows that only the first has.
        relabelled: Rows in both with another value in one of `LABELS`.
        changed_audio: Rows in both whose sound has another digest.
        moved: Rows in both that changed their split: a speaker that was tested on may be trained on now.
        changed: Rows in both that changed, by column.
        transitions: How often a label became another, `{"emotion": {"anger -> happiness": 4}}`.
        labels: Rows by label before and after.
        by_split: The same for each split; of a row that moved, the split it is in now.
        by_source: The same for each source.
        not_compared: Columns that only one of the two has.
    """

    rows: Amount
    hours: Amount
    speakers: Amount
    added: int
    removed: int
    relabelled: int
    changed_audio: int
    moved: int
    speakers_added: tuple[str, ...]
    speakers_removed: tuple[str, ...]
    changed: dict[str, int]
    transitions: dict[str, dict[str, int]]
    labels: dict[str, dict[str, Amount]]
    by_split: dict[str, GroupChange]
    by_source: dict[str, GroupChange]
    not_compared: tuple[str, ...] = Field(default=())

    @property
    def is_empty(self) -> bool:
        """Whether nothing changed."""
        return not (self.added or self.removed or self.changed)


def compare(before: pa.Table, after: pa.Table) -> Difference:
    """Compare two tables of `MANIFEST_COLUMNS`, or of those of them that there are.

    Should an id stand in one of them twice, the first is matched with the first and the second with the second.
    """
    from voxloop.data.row_matching import match_rows

    pairs = match_rows(before, after)
    shared = [name for name in before.column_names if name in after.column_names]
    differs = {name: pairs.differs(name) for name in shared if name not in ("utterance_id", *FOLLOWS_AUDIO)}
    relabelled = pairs.any_of([mask for name, mask in differs.items() if name in LABELS])
    audio = differs.pop("sha256", pairs.any_of([]))
    changed = {name: pairs.count(mask) for name, mask in {**differs, "audio": audio}.items()}
    marks = {"relabelled": relabelled, "changed_audio": audio}
    people_before, people_after = _values(before, "speaker_id"), _values(after, "speaker_id")
    return Difference(
        rows=Amount(before=before.num_rows, after=after.num_rows),
        hours=Amount(before=_hours(before), after=_hours(after)),
        speakers=Amount(before=len(people_before), after=len(people_after)),
        added=pairs.added.num_rows,
        removed=pairs.removed.num_rows,
        relabelled=pairs.count(relabelled),
        changed_audio=pairs.count(audio),
        moved=changed.get("split", 0),
        speakers_added=tuple(sorted(people_after - people_before)),
        speakers_removed=tuple(sorted(people_before - people_after)),
        changed={name: count for name, count in sorted(changed.items()) if count},
        transitions={
            name: found for name in CLASSES if name in differs and (found := pairs.transitions(name, differs[name]))
        },
        labels={name: counts for name in CLASSES if (counts := _count_labels(before, after, name))},
        by_split=_by_group(before, after, pairs, marks, "split"),
        by_source=_by_group(before, after, pairs, marks, "source"),
        not_compared=tuple(sorted(set(before.column_names) ^ set(after.column_names))),
    )


def _by_group(
    before: pa.Table, after: pa.Table, pairs: Any, marks: dict[str, Any], column: str
) -> dict[str, GroupChange]:
    if column not in before.column_names or column not in after.column_names:
        return {}
    added, removed = _tally(pairs.added, column), _tally(pairs.removed, column)
    marked = {name: pairs.tally_after(column, mask) for name, mask in marks.items()}
    groups: dict[str, GroupChange] = {}
    for name in sorted(_values(before, column) | _values(after, column)):
        old, new = _only(before, column, name), _only(after, column, name)
        groups[name] = GroupChange(
            rows=Amount(before=old.num_rows, after=new.num_rows),
            hours=Amount(before=_hours(old), after=_hours(new)),
            speakers=Amount(before=len(_values(old, "speaker_id")), after=len(_values(new, "speaker_id"))),
            added=added.get(name, 0),
            removed=removed.get(name, 0),
            **{mark: counts.get(name, 0) for mark, counts in marked.items()},
        )
    return groups


def _count_labels(before: pa.Table, after: pa.Table, column: str) -> dict[str, Amount]:
    old, new = _tally(before, column), _tally(after, column)
    return {name: Amount(before=old.get(name, 0), after=new.get(name, 0)) for name in sorted(old.keys() | new.keys())}


def _tally(table: pa.Table, column: str) -> dict[str, int]:
    import pyarrow.compute as pc

    if column not in table.column_names:
        return {}
    counted = pc.value_counts(table[column].drop_null()).to_pylist()
    return {str(one["values"]): one["counts"] for one in counted}


def _values(table: pa.Table, column: str) -> set[str]:
    return {str(value) for value in table[column].unique().to_pylist() if value is not None}


def _only(table: pa.Table, column: str, value: str) -> pa.Table:
    import pyarrow.compute as pc

    return table.select(["speaker_id", "duration_s", column]).filter(pc.equal(table[column], value))


def _hours(table: pa.Table) -> float:
    import pyarrow.compute as pc

    return round((pc.sum(table["duration_s"]).as_py() or 0.0) / _SECONDS_PER_HOUR, 6)
