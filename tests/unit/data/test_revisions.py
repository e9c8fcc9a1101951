"""Corrections beside what they correct."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from voxloop.data.revisions import EVENT_US, KNOWN_US, merge_revisions, publication_schema
from voxloop.errors import IntegrityError

START = datetime(2026, 1, 5, tzinfo=UTC)
SCHEMA = pa.schema(
    [
        pa.field("id", pa.string(), nullable=False),
        pa.field("event_timestamp", pa.timestamp("us", tz="UTC"), nullable=False),
        pa.field("created", pa.timestamp("us", tz="UTC"), nullable=False),
        pa.field("value", pa.float64()),
    ]
)
Row = tuple[str, int, int, float | None]


def table(*rows: Row) -> pa.Table:
    """Rows of (id, hour of the event, day on which it became known, value)."""
    return pa.Table.from_pylist(
        [
            {
                "id": name,
                "event_timestamp": START + timedelta(hours=hour),
                "created": START + timedelta(days=day),
                "value": value,
            }
            for name, hour, day, value in rows
        ],
        schema=SCHEMA,
    )


def test_a_correction_follows_what_it_corrects() -> None:
    first = merge_revisions(None, table(("b", 1, 1, 20.0), ("a", 1, 1, 10.0)), "id")
    merged = merge_revisions(first, table(("a", 1, 5, 11.0)), "id")
    assert merged.schema.equals(publication_schema(SCHEMA))
    assert [(row["id"], row["value"]) for row in merged.to_pylist()] == [("a", 10.0), ("a", 11.0), ("b", 20.0)]


def test_times_are_told_as_whole_microseconds_too() -> None:
    (row,) = merge_revisions(None, table(("a", 1, 2, None)), "id").to_pylist()
    epoch = datetime(1970, 1, 1, tzinfo=UTC)
    assert epoch + timedelta(microseconds=row[EVENT_US]) == row["event_timestamp"]
    assert epoch + timedelta(microseconds=row[KNOWN_US]) == row["created"]


def test_an_older_revision_that_comes_late_takes_its_place() -> None:
    newest = merge_revisions(None, table(("a", 1, 9, 9.0)), "id")
    merged = merge_revisions(newest, table(("a", 1, 2, 2.0)), "id").to_pylist()
    assert [row["value"] for row in merged] == [2.0, 9.0]


def test_what_became_known_at_the_same_moment_is_replaced() -> None:
    first = merge_revisions(None, table(("a", 1, 1, 10.0)), "id")
    assert merge_revisions(first, table(("a", 1, 1, 12.0)), "id")["value"].to_pylist() == [12.0]
    assert merge_revisions(None, table(("a", 1, 1, 1.0), ("a", 1, 1, 2.0)), "id")["value"].to_pylist() == [2.0]


def test_nothing_merged_with_nothing_is_nothing() -> None:
    assert merge_revisions(None, table(), "id").num_rows == 0


def test_tables_with_other_columns_are_not_mixed() -> None:
    published = merge_revisions(None, table(("a", 1, 1, 10.0)), "id")
    with pytest.raises(IntegrityError, match="other columns: louder.*publish all features again"):
        merge_revisions(published, table().append_column("louder", pa.array([], pa.float64())), "id")


ROWS = st.lists(
    st.tuples(st.sampled_from("ab"), st.integers(0, 1), st.integers(0, 3), st.none() | st.floats(0, 1)), max_size=10
)


@settings(max_examples=40, deadline=None)
@given(first=ROWS, second=ROWS)
def test_each_thing_known_is_there_once_with_its_last_value(first: list[Row], second: list[Row]) -> None:
    merged = merge_revisions(merge_revisions(None, table(*first), "id"), table(*second), "id")
    last = {row[:3]: row[3] for row in first + second}
    assert [(row["id"], row["event_timestamp"], row["created"], row["value"]) for row in merged.to_pylist()] == [
        (name, START + timedelta(hours=hour), START + timedelta(days=day), last[name, hour, day])
        for name, hour, day in sorted(last)
    ]
    assert merge_revisions(merged, table(*second), "id").equals(merged)
