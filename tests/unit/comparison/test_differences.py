"""What may be held against what, and what differs."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.comparison.reports import make_run
from voxloop.comparison.differences import NOTE, compare_runs, flatten, label_runs
from voxloop.comparison.table import WIDTH, draw_table
from voxloop.errors import InputError

OTHER = "e2" * 32


@pytest.mark.parametrize(
    ("changes", "groups", "reason"),
    [
        ({}, "aa", ""),
        ({"config": {"seed": 8}}, "aa", ""),
        ({"task": "asr"}, "ab", "the tasks differ (emotion, asr)"),
        ({"dataset_digest": OTHER}, "ab", "the datasets differ (d1d1d1d1d1d1, e2e2e2e2e2e2)"),
        ({"utterances": {"train": 100, "dev": 19}}, "ab", "the numbers of dev utterances differ (20, 19)"),
        ({"utterances": {"train": 90, "dev": 20}}, "aa", ""),
    ],
)
def test_only_one_task_on_the_same_dev_data_is_compared(changes: dict[str, Any], groups: str, reason: str) -> None:
    comparison = compare_runs([make_run("one"), make_run("two", **changes)])
    assert "".join(comparison.groups) == groups
    assert comparison.reasons == ((reason,) if reason else ())
    assert (comparison.difference is None) == bool(reason)
    said = "\n".join(draw_table(comparison))
    warned = f"NOT COMPARABLE: {reason}: only figures with the same letter may be compared"
    assert (warned in said.replace("\n", " ")) == bool(reason)
    assert ("0.6000 * [b]" in said) == bool(reason)
    assert NOTE in said


def test_of_three_the_two_that_fit_share_a_letter() -> None:
    runs = [make_run("one"), make_run("two", dataset_digest=OTHER), make_run("three")]
    comparison = compare_runs(runs)
    assert comparison.groups == ("a", "b", "a")
    assert comparison.difference is None


def test_two_that_fit_get_a_difference() -> None:
    better = {"uar": 0.75, "wa": None}
    comparison = compare_runs([make_run("one"), make_run("two", dev=better)])
    assert comparison.difference is not None
    assert comparison.difference[0] == pytest.approx(0.15)
    assert comparison.difference[1] is None
    (line,) = (line for line in draw_table(comparison) if line.startswith("uar "))
    assert line.split() == ["uar", "0.6000", "*", "0.7500", "*", "+0.1500"]


@pytest.mark.parametrize("runs", [[], [make_run("alone")]])
def test_one_alone_is_not_compared(runs: list[object]) -> None:
    with pytest.raises(InputError, match="two or more are compared; name another"):
        compare_runs(runs)  # type: ignore[arg-type]


def test_only_settings_that_differ_are_told() -> None:
    other = {"seed": 7, "optimiser": {"learning_rate": 2e-3}, "network": {"channels": [8, 16]}, "threads": None}
    comparison = compare_runs([make_run("one"), make_run("two", config=other)])
    assert [row.name for row in comparison.settings] == ["optimiser.learning_rate", "network.channels", "threads"]
    said = {line.split()[0]: line for line in draw_table(comparison) if line[:1].isalpha()}
    assert said["optimiser.learning_rate"].split()[1:3] == ["0.001", "0.002"]
    assert said["threads"].split()[1:3] == ["—", "null"]
    assert "seed" not in said


def test_what_another_family_has_no_name_for_is_no_difference() -> None:
    other = {"seed": 8, "beam": 4}
    comparison = compare_runs([make_run("one"), make_run("two", task="asr", config=other)])
    assert [row.name for row in comparison.settings] == ["seed"]


def test_features_and_weights_to_start_from_are_told() -> None:
    comparison = compare_runs([make_run("one", inputs={"start": "ab" * 32, "features": None}), make_run("two")])
    facts = {row.name: row.values for row in comparison.facts}
    assert facts["went on from"] == ("abababababab", None)
    assert "features" not in facts


@pytest.mark.parametrize(
    ("names", "labels"),
    [
        ([["x", "a/x"], ["y", "a/y"]], ("x", "y")),
        ([["x", "a/x"], ["x", "b/x"]], ("a/x", "b/x")),
        ([["x", "a/x"], ["x", "a/x"]], ("x", "x (2)")),
        ([["x (2)"], ["x"], ["x"]], ("x (2)", "x", "x (3)")),
    ],
)
def test_labels_tell_runs_apart(names: list[list[str]], labels: tuple[str, ...]) -> None:
    assert label_runs(names) == labels


@given(st.lists(st.lists(st.sampled_from(["x", "y", "x (2)", "a/x"]), min_size=1, max_size=3), min_size=2, max_size=8))
def test_labels_are_always_distinct(names: list[list[str]]) -> None:
    labels = label_runs(names)
    assert len(set(labels)) == len(names)


@pytest.mark.parametrize("count", [2, 3, 5, 9])
def test_many_runs_fit_into_the_width(count: int) -> None:
    runs = [make_run(f"run-{number}", config={"seed": number, "text": "word " * 30}) for number in range(count)]
    lines = list(draw_table(compare_runs(runs)))
    assert max(map(len, lines)) <= WIDTH
    said = " ".join(lines)
    assert all(f"run-{number}" in said for number in range(count))


def test_what_was_written_by_others_moves_no_cursor() -> None:
    lines = draw_table(compare_runs([make_run("one"), make_run("two\x1b[2J", config={"seed": "\x1b[31m"})]))
    assert not any("\x1b" in line for line in lines)


def test_nested_mappings_become_dotted_keys() -> None:
    assert dict(flatten({"a": {"b": {"c": 1}, "d": {}}, "e": [1]})) == {"a.b.c": 1, "a.d": {}, "e": [1]}
