from __future__ import annotations

import json
import stat
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.monitoring.drift.worlds import make_reference
from voxloop.errors import InputError
from voxloop.monitoring.drift.columns import Coded, Column
from voxloop.monitoring.drift.profile import PredictionColumns, Profile, keep_columns, make_profile, merge_profiles
from voxloop.monitoring.drift.profile_file import describe_reference, read_reference, write_reference

BINS = (
    Column("snr_db", edges=(0.0, 1.0), centres=(-0.5, 0.5, 1.5)),
    Column("label", labels=("anger", "joy")),
)
SPAN = (datetime(2026, 11, 1, tzinfo=UTC), datetime(2026, 11, 15, tzinfo=UTC))
rows = st.lists(
    st.tuples(
        st.sampled_from(["ann", "bob", "cy"]),
        st.sampled_from(["m1", "m2"]),
        st.floats(-2, 2) | st.just(float("nan")),
        st.sampled_from(["anger", "joy", "boredom", ""]),
        st.booleans(),
    ),
    max_size=30,
)


def code(words: Sequence[str]) -> Coded:
    names = list(dict.fromkeys(words))
    return Coded(np.array(names, dtype=np.str_), np.array([names.index(word) for word in words], dtype=np.int64))


def profile(of: list[tuple[str, str, float, str, bool]]) -> Profile:
    speakers, models, numbers, labels, skipped = zip(*of, strict=True) if of else ((), (), (), (), ())
    predictions = PredictionColumns(
        code(speakers),
        code(models),
        {"snr_db": np.array(numbers, dtype=np.float64), "label": code(labels)},
        {"snr_db": np.array(skipped, dtype=np.bool_)},
    )
    return make_profile("emotion", BINS, predictions)


def same(one: Profile, other: Profile) -> bool:
    arrays = all(np.array_equal(getattr(one, name), getattr(other, name)) for name in ("rows", "counts"))
    return arrays and (one.speakers, one.models) == (other.speakers, other.models)


@settings(deadline=None)
@given(rows, rows, rows)
def test_the_profile_of_all_is_the_sum_of_the_parts_in_any_order(a: list, b: list, c: list) -> None:  # type: ignore[type-arg]
    whole = profile([*a, *b, *c])
    assert same(whole, merge_profiles(merge_profiles(profile(a), profile(b)), profile(c)))
    assert same(whole, merge_profiles(profile(c), merge_profiles(profile(b), profile(a))))
    assert whole.row_count == len(a) + len(b) + len(c)
    assert keep_columns(whole, {"label"}).counts.sum() == whole.row_count
    skipped = sum(one[4] for one in [*a, *b, *c])
    assert keep_columns(whole, {"snr_db"}).counts.sum() == whole.row_count - skipped


def test_other_bins_do_not_add_up() -> None:
    with pytest.raises(InputError, match="another columns"):
        merge_profiles(profile([]), replace(profile([]), columns=BINS[:1]))
    with pytest.raises(InputError, match="another schema_version"):
        merge_profiles(profile([]), replace(profile([]), schema_version=2))


def test_a_column_without_values_is_named() -> None:
    nobody = PredictionColumns(code([]), code([]), {}, {})
    with pytest.raises(InputError, match="'snr_db'"):
        make_profile("emotion", BINS, nobody)


def test_what_is_written_is_what_is_read_and_its_owners_alone(tmp_path: Path) -> None:
    reference = make_reference(1, 12, correlation=0.3, rows=5)
    path = tmp_path / "emotion" / "reference.json"
    write_reference(path, describe_reference(reference, *SPAN))
    read = read_reference(path, "emotion")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert (read.since, read.until) == SPAN
    assert same(read.as_profile(), reference)
    assert read.as_profile().columns == reference.columns


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"schema_version": 9}, "schema version 9"),
        ({"family": "asr"}, "is of asr"),
        ({"rows": [1]}, "is no reference"),
        ({"counts": [[1, 2]]}, "is no reference"),
        ({"since": "2026-11-01T00:00:00"}, "is no reference"),
        ({"mood": "good"}, "is no reference"),
        ({"columns": [{"name": "snr_db", "edges": [1.0, 0.0], "centres": [0.0, 0.0, 0.0]}]}, "do not fit together"),
        ({"columns": [{"name": "snr_db", "edges": [0.0, 1.0], "centres": [0.0]}]}, "do not fit together"),
        ({"columns": [{"name": "label", "labels": ["joy", "anger"]}]}, "do not fit together"),
        ({"columns": [{"name": "label"}]}, "do not fit together"),
    ],
)
def test_another_file_is_refused_with_the_remedy(tmp_path: Path, change: dict[str, object], named: str) -> None:
    path = tmp_path / "reference.json"
    write_reference(path, describe_reference(make_reference(1, 3, correlation=0.3, rows=5), *SPAN))
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
    with pytest.raises(InputError, match=named) as refused:
        read_reference(path, "emotion")
    assert "--make-reference" in refused.value.remedy


@pytest.mark.parametrize("content", [None, "", "[]", "{}", "\udcff"])
def test_no_file_at_all_is_refused(tmp_path: Path, content: str | None) -> None:
    path = tmp_path / "reference.json"
    if content is not None:
        path.write_bytes(content.encode(errors="surrogateescape"))
    with pytest.raises(InputError):
        read_reference(path, "emotion")
