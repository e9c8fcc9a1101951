"""The difference of two datasets: its counts agree with each other and with a naive look."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.jobs.datasets import make_older, make_rows, write_dataset
from voxloop.data.dataset_columns import read_columns
from voxloop.data.difference import LABELS, compare
from voxloop.data.schema import MANIFEST_COLUMNS, UTTERANCE_SCHEMA
from voxloop.errors import InputError, IntegrityError

SCHEMA = pa.schema([UTTERANCE_SCHEMA.field(name) for name in MANIFEST_COLUMNS])


def make_row(number: int, **values: Any) -> dict[str, Any]:
    row: dict[str, Any] = dict.fromkeys(MANIFEST_COLUMNS)
    return {
        **row,
        "utterance_id": f"u{number}",
        "sha256": f"{number:064x}",
        "speaker_id": f"s{number % 3}",
        "recorded_at": 0,
        "source": "one",
        "licence": "CC0-1.0",
        "split": "train",
        "duration_s": 1.5,
        **values,
    }


def make_table(rows: list[dict[str, Any]]) -> pa.Table:
    return pa.Table.from_pylist(rows, schema=SCHEMA)


@st.composite
def tables(draw: st.DrawFn) -> pa.Table:
    numbers = draw(st.lists(st.integers(0, 12), unique=True, max_size=10))
    return make_table(
        [
            make_row(
                number,
                speaker_id=draw(st.sampled_from(["a", "b", "c"])),
                sha256=draw(st.sampled_from(["x", "y"])),
                emotion=draw(st.sampled_from([None, "anger", "fear"])),
                openness=draw(st.sampled_from([None, float("nan"), 1.0, 2.0])),
                split=draw(st.sampled_from(["train", "test"])),
                source=draw(st.sampled_from(["one", "two"])),
                duration_s=draw(st.sampled_from([None, 1.0, 3600.0])),
            )
            for number in numbers
        ]
    )


def naive(before: pa.Table, after: pa.Table) -> dict[str, int]:
    """Count by dictionaries what `compare` counts by column; repr makes NaN equal to itself."""
    old = {row["utterance_id"]: row for row in before.to_pylist()}
    new = {row["utterance_id"]: row for row in after.to_pylist()}
    both = [(old[key], new[key]) for key in old.keys() & new.keys()]
    return {
        "added": len(new.keys() - old.keys()),
        "removed": len(old.keys() - new.keys()),
        "relabelled": sum(any(repr(one[name]) != repr(two[name]) for name in LABELS) for one, two in both),
        "changed_audio": sum(one["sha256"] != two["sha256"] for one, two in both),
        "moved": sum(one["split"] != two["split"] for one, two in both),
    }


@given(tables())
def test_nothing_changed_from_a_table_to_itself(table: pa.Table) -> None:
    difference = compare(table, table)
    assert difference.is_empty
    assert difference.rows.change == difference.hours.change == 0
    assert difference.transitions.get("emotion", {}) == {}


@given(tables(), tables())
def test_it_counts_what_a_naive_look_counts(before: pa.Table, after: pa.Table) -> None:
    difference = compare(before, after)
    assert difference.model_dump(include=set(naive(before, after))) == naive(before, after)


@given(tables(), tables())
def test_the_way_back_swaps_added_and_removed(before: pa.Table, after: pa.Table) -> None:
    there, back = compare(before, after), compare(after, before)
    assert (there.added, there.removed) == (back.removed, back.added)
    assert (there.speakers_added, there.speakers_removed) == (back.speakers_removed, back.speakers_added)
    assert there.changed == back.changed
    assert there.rows.change == -back.rows.change


@given(tables(), tables())
def test_the_parts_add_up(before: pa.Table, after: pa.Table) -> None:
    difference = compare(before, after)
    assert difference.rows.change == difference.added - difference.removed
    for groups in (difference.by_split, difference.by_source):
        assert sum(one.added for one in groups.values()) == difference.added
        assert sum(one.removed for one in groups.values()) == difference.removed
        assert sum(one.relabelled for one in groups.values()) == difference.relabelled
        assert sum(one.changed_audio for one in groups.values()) == difference.changed_audio
        assert sum(one.rows.after for one in groups.values()) == difference.rows.after
    assert sum(difference.transitions.get("emotion", {}).values()) == difference.changed.get("emotion", 0)


@given(tables(), st.randoms(use_true_random=False))
def test_the_order_of_rows_has_no_say(table: pa.Table, random: Any) -> None:
    order = list(range(table.num_rows))
    random.shuffle(order)
    assert compare(table, table.take(pa.array(order, type=pa.int64()))).is_empty


def test_an_id_that_stands_twice_is_matched_in_turn() -> None:
    twice = make_table([make_row(1, emotion="anger"), make_row(1, emotion="fear")])
    assert compare(twice, twice).is_empty
    once = compare(twice, make_table([make_row(1, emotion="anger")]))
    assert (once.added, once.removed, once.relabelled) == (0, 1, 0)


def test_labels_that_became_others_are_named() -> None:
    before = make_table([make_row(number, emotion="anger") for number in range(4)])
    after = make_table([make_row(number, emotion="happiness" if number else None) for number in range(4)])
    difference = compare(before, after)
    assert difference.transitions["emotion"] == {"anger -> happiness": 3, "anger -> none": 1}
    assert difference.labels["emotion"]["anger"].change == -4
    assert difference.by_split["train"].relabelled == 4


def test_a_dataset_of_an_older_schema_is_compared_by_what_both_have() -> None:
    table = make_table([make_row(number) for number in range(3)])
    difference = compare(table.drop_columns(["loudness_dbfs", "age"]), table)
    assert difference.is_empty
    assert difference.not_compared == ("age", "loudness_dbfs")


def test_a_dataset_from_before_a_column_differs_where_the_column_says_something(tmp_path: Path) -> None:
    rows = make_rows({"train": ["a", "b"]})
    older = read_columns(make_older(write_dataset(tmp_path / "older", rows)))
    same = read_columns(write_dataset(tmp_path / "same", rows))
    told = read_columns(write_dataset(tmp_path / "told", [{**row, "device": "phone"} for row in rows]))
    assert compare(older, same).is_empty
    difference = compare(older, told)
    assert (difference.changed, difference.not_compared) == ({"device": len(rows)}, ())


def test_columns_are_read_without_audio(tmp_path: Path) -> None:
    dataset = write_dataset(tmp_path / "dataset", make_rows({"train": ["a", "b"], "test": ["c"]}))
    table = read_columns(dataset)
    assert table.column_names == list(MANIFEST_COLUMNS)
    assert table.num_rows == 18


def test_a_folder_that_is_no_dataset_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is not a dataset"):
        read_columns(tmp_path)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"shards": 3}', '{"shards": [{}]}'])
def test_a_broken_manifest_is_named(tmp_path: Path, text: str) -> None:
    (tmp_path / "manifest.json").write_text(text, encoding="utf-8")
    with pytest.raises(IntegrityError, match=r"manifest\.json is not a manifest"):
        read_columns(tmp_path)


def test_a_missing_shard_is_named(tmp_path: Path) -> None:
    dataset = write_dataset(tmp_path / "dataset", make_rows({"train": ["a"]}))
    (dataset / "shards" / "part-00000.parquet").unlink()
    with pytest.raises(IntegrityError, match=r"part-00000\.parquet is missing"):
        read_columns(dataset)
