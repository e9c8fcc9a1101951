"""Corrections beside what they correct."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from voxloop.data.revisions import merge_revisions

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
    first = merge_revisions(None, table(("a", 1, 1, 10.0), ("b", 1, 1, 20.0)), "id")
    merged = merge_revisions(first, table(("a", 1, 5, 11.0)), "id").to_pylist()
    event = START + timedelta(hours=1)
    assert [(row["id"], row["value"], row["recorded_at"]) for row in merged] == [
        ("a", 10.0, event),
        ("a", 11.0, event),
        ("b", 20.0, event),
    ]
    assert [row["event_timestamp"] - event for row in merged] == [timedelta(microseconds=n) for n in (0, 1, 0)]


def test_an_older_revision_that_comes_late_takes_its_place() -> None:
    newest = merge_revisions(None, table(("a", 1, 9, 9.0)), "id")
    merged = merge_revisions(newest, table(("a", 1, 2, 2.0)), "id").to_pylist()
    assert [row["value"] for row in merged] == [2.0, 9.0]
    assert merged[0]["event_timestamp"] < merged[1]["event_timestamp"]


def test_what_became_known_at_the_same_moment_is_replaced() -> None:
    first = merge_revisions(None, table(("a", 1, 1, 10.0)), "id")
    assert merge_revisions(first, table(("a", 1, 1, 12.0)), "id")["value"].to_pylist() == [12.0]


ROWS = st.lists(
    st.tuples(st.sampled_from("ab"), st.integers(0, 1), st.integers(0, 3), st.none() | st.floats(0, 1)), max_size=10
)


@settings(max_examples=40, deadline=None)
@given(first=ROWS, second=ROWS)
def test_no_two_rows_of_an_entity_share_a_time_and_twice_is_once(first: list[Row], second: list[Row]) -> None:
    merged = merge_revisions(merge_revisions(None, table(*first), "id"), table(*second), "id")
    times = list(zip(merged["id"].to_pylist(), merged["event_timestamp"].to_pylist(), strict=True))
    assert len(times) == len(set(times)) == len({row[:3] for row in first + second})
    assert merge_revisions(merged, table(*second), "id").equals(merged)
