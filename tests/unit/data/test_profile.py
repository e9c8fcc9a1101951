"""The profile of a dataset: what it counts, that it is a function of the rows, and how texts fit durations."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from voxloop.data.profile import (
    SPEAKING_RATE,
    measure_text_fit,
    profile_table,
    read_codes,
    read_profile,
    write_profile,
)
from voxloop.errors import IntegrityError


def make_table(rows: int = 60, seed: int = 1) -> pa.Table:
    """Return rows of 6 speakers whose texts take 0.1 s a character, twice that for slow ones, with some chance."""
    draw = np.random.default_rng(seed)
    lengths = draw.integers(5, 60, rows)
    slow = np.arange(rows) % 6 == 0
    return pa.table(
        {
            "utterance_id": [f"u{row}" for row in range(rows)],
            "speaker_id": [f"s{row % 6}" for row in range(rows)],
            "text": ["a" * int(length) for length in lengths],
            "duration_s": lengths * np.where(slow, 0.2, 0.1) * draw.uniform(0.9, 1.1, rows),
            "loudness_dbfs": draw.normal(-20.0, 3.0, rows),
            "emotion": pa.array(["anger", None] * (rows // 2)),
            "split": ["train"] * rows,
        }
    )


def replace(table: pa.Table, name: str, values: object) -> pa.Table:
    return table.set_column(table.column_names.index(name), name, pa.array(values))


def test_it_counts_what_is_there() -> None:
    table = make_table()
    profile = profile_table(table)
    assert (profile.utterances, profile.speakers) == (60, 6)
    assert profile.hours == pytest.approx(sum(table["duration_s"].to_pylist()) / 3600, abs=1e-6)
    assert profile.missing["emotion"] == 0.5
    assert "gender" not in profile.missing
    assert profile.labels == {"emotion": {"anger": 30}, "split": {"train": 60}}
    assert set(profile.levels) == {"anger"}
    assert profile.levels["anger"]["loudness_dbfs"] == pytest.approx(
        np.median(table["loudness_dbfs"].to_numpy()[::2]), abs=1e-6
    )
    assert profile.quantiles[SPEAKING_RATE][2] == pytest.approx(10.0, rel=0.1)
    assert profile.alphabet == "a"


def test_no_rows_give_a_profile_too() -> None:
    profile = profile_table(make_table().slice(0, 0))
    assert (profile.utterances, profile.speakers, profile.hours, profile.quantiles) == (0, 0, 0.0, {})


def test_nan_and_infinity_are_left_out_of_the_quantiles(tmp_path: Path) -> None:
    table = replace(make_table(), "loudness_dbfs", [float("nan"), float("inf"), *[-20.0] * 58])
    profile = profile_table(table)
    assert set(profile.quantiles["loudness_dbfs"]) == {-20.0}
    write_profile(profile, tmp_path)
    assert read_profile(tmp_path) == profile


def test_letters_beyond_ascii_are_in_the_alphabet() -> None:
    table = replace(make_table(2), "text", ["zażółć", "b a"])
    assert profile_table(table).alphabet == " abzóćłż"


def test_the_same_rows_give_the_same_bytes_plain_or_by_dictionary(tmp_path: Path) -> None:
    table = make_table()
    coded = replace(table, "speaker_id", table["speaker_id"].combine_chunks().dictionary_encode())
    for number, one in enumerate((table, coded)):
        write_profile(profile_table(one), tmp_path / str(number))
    assert (tmp_path / "0" / "profile.json").read_bytes() == (tmp_path / "1" / "profile.json").read_bytes()


@pytest.mark.parametrize("content", [None, "{}", "no JSON", '{"version": 1}'])
def test_what_is_no_profile_is_refused(tmp_path: Path, content: str | None) -> None:
    if content is not None:
        (tmp_path / "profile.json").write_text(content, encoding="utf-8")
    with pytest.raises(IntegrityError, match="is no profile"):
        read_profile(tmp_path)


def test_a_profile_of_another_version_is_refused(tmp_path: Path) -> None:
    write_profile(profile_table(make_table()).model_copy(update={"version": 99}), tmp_path)
    with pytest.raises(IntegrityError, match="version 99"):
        read_profile(tmp_path)


def test_texts_fit_their_own_durations_best() -> None:
    table = make_table(600)
    fits = [measure_text_fit(table, lag=lag) for lag in (-1, 0, 1)]
    assert fits[1] is not None
    assert fits[1] > 0.95
    assert all(abs(fit or 0.0) < 0.2 for fit in (fits[0], fits[2]))
    slipped = replace(table, "text", np.roll(table["text"].to_pylist(), 1).tolist())
    assert measure_text_fit(slipped, lag=-1) == pytest.approx(fits[1])


@pytest.mark.parametrize(
    "table",
    [make_table(10), make_table().drop_columns(["text"]), replace(make_table(), "text", ["same"] * 60)],
    ids=["too few rows", "no texts", "texts of one length"],
)
def test_a_fit_that_cannot_be_told_is_none(table: pa.Table) -> None:
    assert measure_text_fit(table) is None


@given(st.lists(st.one_of(st.none(), st.sampled_from(["a", "b", "ż", ""])), max_size=20), st.integers(0, 20))
def test_codes_are_equal_where_values_are(values: list[str | None], cut: int) -> None:
    column = pa.chunked_array([values[:cut], values[cut:]], type=pa.string())
    codes = read_codes(column).tolist()
    assert [code < 0 for code in codes] == [value is None for value in values]
    pairs = [(one, other) for one in range(len(values)) for other in range(one)]
    assert all((codes[one] == codes[other]) == (values[one] == values[other]) for one, other in pairs)
