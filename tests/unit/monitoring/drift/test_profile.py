from __future__ import annotations

import json
import random
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
from voxloop.monitoring.drift.profile import (
    PredictionColumns,
    Profile,
    is_same,
    keep_columns,
    make_profile,
    merge_profiles,
    profile_slots,
)
from voxloop.monitoring.drift.profile_file import ReferenceFile, describe_reference, read_reference, write_reference
from voxloop.monitoring.drift.season import NO_SEASON, Period, Season

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


def predictions(of: list[tuple[str, str, float, str, bool]]) -> PredictionColumns:
    speakers, models, numbers, labels, skipped = zip(*of, strict=True) if of else ((), (), (), (), ())
    return PredictionColumns(
        code(speakers),
        code(models),
        {"snr_db": np.array(numbers, dtype=np.float64), "label": code(labels)},
        {"snr_db": np.array(skipped, dtype=np.bool_)},
    )


def profile(of: list[tuple[str, str, float, str, bool]]) -> Profile:
    return make_profile("emotion", BINS, predictions(of))


def reference_of(profile: Profile) -> ReferenceFile:
    return describe_reference({0: profile}, NO_SEASON, *SPAN)


@settings(deadline=None)
@given(rows, rows, rows)
def test_the_profile_of_all_is_the_sum_of_the_parts_in_any_order(a: list, b: list, c: list) -> None:  # type: ignore[type-arg]
    whole = profile([*a, *b, *c])
    assert is_same(whole, merge_profiles(merge_profiles(profile(a), profile(b)), profile(c)))
    assert is_same(whole, merge_profiles(profile(c), merge_profiles(profile(b), profile(a))))
    assert whole.row_count == len(a) + len(b) + len(c)
    assert keep_columns(whole, {"label"}).counts.sum() == whole.row_count
    skipped = sum(one[4] for one in [*a, *b, *c])
    assert keep_columns(whole, {"snr_db"}).counts.sum() == whole.row_count - skipped


@settings(deadline=None)
@given(rows, st.randoms(use_true_random=False))
def test_the_slots_of_a_season_add_up_to_the_profile_without_one(
    told: list[tuple[str, str, float, str, bool]], chance: random.Random
) -> None:
    season = Season(by=Period.HOUR_OF_DAY, zone="UTC")
    slots = np.array([chance.randrange(24) for _ in told], dtype=np.int64)
    parts = profile_slots("emotion", BINS, predictions(told), slots)
    assert {*parts} == {*slots.tolist()}
    for slot, part in parts.items():
        own = [row for row, at in zip(told, slots.tolist(), strict=True) if at == slot]
        assert is_same(part, profile(own))
    if parts:
        reference = describe_reference(parts, season, *SPAN)
        assert is_same(reference.as_profile(), profile(told))
        early, late = (reference.as_profile(range(*span)) for span in ((0, 12), (12, 24)))
        assert is_same(merge_profiles(early, late), profile(told))


def test_a_file_of_before_there_were_seasons_is_a_reference_without_them(tmp_path: Path) -> None:
    reference, path = make_reference(1, 12, correlation=0.3, rows=5), tmp_path / "reference.json"
    write_reference(path, reference_of(reference))
    content = json.loads(path.read_text())
    (slot,) = content.pop("slots")
    content.pop("season")
    slot.pop("slot")
    slot.pop("embeddings")
    path.write_text(json.dumps({**content, **slot, "schema_version": 1}))
    read = read_reference(path, "emotion")
    assert read == reference_of(reference)
    assert is_same(read.as_profile(), reference)
    path.write_text(json.dumps({**content, **slot, "schema_version": 1, "rows": [1]}))
    with pytest.raises(InputError, match="is no reference"):
        read_reference(path, "emotion")


def test_other_bins_do_not_add_up() -> None:
    with pytest.raises(InputError, match="another columns"):
        merge_profiles(profile([]), replace(profile([]), columns=BINS[:1]))
    with pytest.raises(InputError, match="another schema_version"):
        merge_profiles(profile([]), replace(profile([]), schema_version=9))


def test_a_column_without_values_is_named() -> None:
    nobody = PredictionColumns(code([]), code([]), {}, {})
    with pytest.raises(InputError, match="'snr_db'"):
        make_profile("emotion", BINS, nobody)


def test_what_is_written_is_what_is_read_and_its_owners_alone(tmp_path: Path) -> None:
    reference = make_reference(1, 12, correlation=0.3, rows=5)
    path = tmp_path / "emotion" / "reference.json"
    write_reference(path, reference_of(reference))
    read = read_reference(path, "emotion")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert (read.since, read.until) == SPAN
    assert is_same(read.as_profile(), reference)
    assert read.as_profile().columns == reference.columns


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"schema_version": 9}, "schema version 9"),
        ({"family": "asr"}, "is of asr"),
        ({"schema_version": 1}, "is no reference"),
        (
            {
                "slots": [
                    {"slot": 0, "speakers": ["a"], "rows": [1], "counts": [[1, 2]], "models": {}, "embeddings": None}
                ]
            },
            "is no reference",
        ),
        (
            {"slots": [{"slot": 0, "speakers": [], "rows": [1], "counts": [], "models": {}, "embeddings": None}]},
            "is no reference",
        ),
        (
            {"slots": [{"slot": 1, "speakers": [], "rows": [], "counts": [], "models": {}, "embeddings": None}]},
            "not those of its season",
        ),
        (
            {"slots": [{"slot": 0, "speakers": [], "rows": [], "counts": [], "models": {}, "embeddings": None}] * 2},
            "not those of its",
        ),
        ({"season": {"by": "month", "zone": "UTC"}}, "is no reference"),
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
    write_reference(path, reference_of(make_reference(1, 3, correlation=0.3, rows=5)))
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
