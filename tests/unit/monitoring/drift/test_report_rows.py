"""The rows a page is drawn from: which, how many, and what is said where those of the reference are gone."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.monitoring.drift.logs import DAY, HOUR, make_rows, write_rows
from tests.unit.monitoring.drift.test_policy import POLICY
from tests.unit.monitoring.drift.worlds import make_predictions
from voxloop.errors import RefusedError
from voxloop.monitoring.drift.columns import Coded
from voxloop.monitoring.drift.policy import ReportConfig
from voxloop.monitoring.drift.profile_file import ReferenceFile
from voxloop.monitoring.drift.report_note import ReportNote, read_note, write_page
from voxloop.monitoring.drift.report_rows import ReportRows, read_report_rows, sample_rows
from voxloop.monitoring.drift.season import Period, SeasonPolicy, ThinSlots
from voxloop.monitoring.drift.watch import make_reference
from voxloop.monitoring.prediction_files import hour_folder
from voxloop.store.digests import digest_bytes

NOON = DAY + 12 * HOUR


@pytest.fixture
def reference(tmp_path: Path) -> ReferenceFile:
    """A reference of three hours, and a window of 300 rows at noon."""
    for hour in range(3):
        write_rows(tmp_path, make_rows(DAY - (3 - hour) * HOUR, speakers=60, each=12, seed=hour))
    write_rows(tmp_path, make_rows(NOON, speakers=20, each=15, seed=9), 9)
    return make_reference(tmp_path, "emotion", DAY - 3 * HOUR, DAY, POLICY)


def read(place: Path, reference: ReferenceFile, most: int = 20_000) -> ReportRows:
    policy = POLICY.model_copy(update={"report": ReportConfig(rows=most, seed=5)})
    return read_report_rows(place, reference, policy, NOON, NOON + HOUR)


def test_where_there_are_few_rows_all_are_taken(tmp_path: Path, reference: ReferenceFile) -> None:
    rows = read(tmp_path, reference)
    assert (rows.reference.row_count, rows.window.row_count) == (2160, 300)
    assert rows.said == ("all 2,160 rows of the reference", "all 300 rows of the window")


def test_of_many_some_are_drawn_the_same_each_time(tmp_path: Path, reference: ReferenceFile) -> None:
    rows, again = read(tmp_path, reference, 500), read(tmp_path, reference, 500)
    assert (rows.reference.row_count, rows.window.row_count) == (500, 300)
    assert rows.said[0] == "500 of 2,160 rows of the reference, drawn with seed 5"
    assert np.array_equal(rows.reference.values["snr_db"], again.reference.values["snr_db"])  # type: ignore[arg-type]


@given(st.integers(100, 400), st.integers(0, 9))
def test_a_draw_is_of_whole_rows_each_once(most: int, seed: int) -> None:
    predictions = make_predictions(np.random.default_rng(1), np.full(30, 10), correlation=0.3)
    drawn, _ = sample_rows(predictions, "x", ReportConfig(rows=most, seed=seed), np.random.default_rng(seed))
    numbers, whole = drawn.values["number_0"], predictions.values["number_0"]
    assert isinstance(numbers, np.ndarray)
    assert isinstance(whole, np.ndarray)
    assert len(numbers) == min(most, 300)
    places = [int(np.flatnonzero(whole == value)[0]) for value in numbers]
    assert len({*places}) == len(places)
    labels, of_all = drawn.values["label"], predictions.values["label"]
    assert isinstance(labels, Coded)
    assert isinstance(of_all, Coded)
    assert np.array_equal(labels.codes, of_all.codes[places])
    assert np.array_equal(drawn.speakers.codes, predictions.speakers.codes[places])


def test_rows_of_the_reference_that_are_gone_are_said_and_too_few_are_refused(
    tmp_path: Path, reference: ReferenceFile
) -> None:
    for hour, left in ((3, "1,440"), (2, "720")):
        shutil.rmtree(hour_folder(tmp_path, "emotion", DAY - hour * HOUR))
        told = read(tmp_path, reference).said[0]
        assert told.startswith(f"{left} of the 2,160 rows that the reference was made of are in the prediction log")
        assert "may differ" in told
    shutil.rmtree(hour_folder(tmp_path, "emotion", DAY - HOUR))
    with pytest.raises(RefusedError, match="^0 of the 2,160 rows") as refused:
        read(tmp_path, reference)
    assert "make another reference" in refused.value.remedy


def test_only_the_slots_that_a_window_was_held_against_are_shown(tmp_path: Path) -> None:
    for hour in range(3):
        write_rows(tmp_path, make_rows(DAY - (3 - hour) * HOUR, speakers=60, each=12, seed=hour))
    write_rows(tmp_path, make_rows(DAY + 22 * HOUR, speakers=20, each=15, seed=9), 9)
    season = SeasonPolicy(by=Period.HOUR_OF_DAY, zone="UTC", thin_slots=ThinSlots.CANNOT_TELL)
    check = POLICY.check.model_copy(update={"least_reference_speakers": 50})
    policy = POLICY.model_copy(update={"season": season, "check": check})
    reference = make_reference(tmp_path, "emotion", DAY - 3 * HOUR, DAY, policy)
    rows = read_report_rows(tmp_path, reference, policy, DAY + 22 * HOUR, DAY + 23 * HOUR)
    assert rows.said == ("all 720 rows of the reference (22:00)", "all 300 rows of the window")
    assert {str(name)[:9] for name in rows.reference.speakers.sort().names} == {"speaker 1"}


def test_as_many_rows_that_are_others_are_said(tmp_path: Path, reference: ReferenceFile) -> None:
    shutil.rmtree(hour_folder(tmp_path, "emotion", DAY - HOUR))
    write_rows(tmp_path, make_rows(DAY - HOUR, speakers=60, each=12, seed=77))
    assert "or others than it counted" in read(tmp_path, reference).said[0]


def test_a_window_without_rows_is_refused(tmp_path: Path, reference: ReferenceFile) -> None:
    shutil.rmtree(hour_folder(tmp_path, "emotion", NOON))
    with pytest.raises(RefusedError, match="no row of 2026-11-29T12:00"):
        read(tmp_path, reference)


@pytest.mark.parametrize("spoil", ["page", "note", "no page", "no note", "another's note", None])
def test_a_page_that_is_not_what_was_drawn_is_none(tmp_path: Path, spoil: str | None) -> None:
    note = ReportNote(
        name="episode-x", start=DAY, end=NOON, digest=digest_bytes(b"<html>"), same=1, others=("a",), said=()
    )
    write_page(tmp_path, note, b"<html>")
    page, beside = tmp_path / "episode-x.html", tmp_path / "episode-x.note.json"
    if spoil == "page":
        page.write_bytes(b"<html >")
    elif spoil == "note":
        beside.write_text("{}")
    elif spoil == "another's note":
        beside.write_text(beside.read_text().replace("episode-x", "episode-y"))
    elif spoil is not None:
        (page if spoil == "no page" else beside).unlink()
    assert read_note(tmp_path, "episode-x") == (None if spoil else note)
