"""What is read of the prediction log, and everything by which a window cannot be told."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.unit.monitoring.drift.logs import DAY, HOUR, WRITER, make_rows, write_rows
from voxloop.monitoring.drift.columns import COLUMNS, Coded
from voxloop.monitoring.drift.window import LogWindow, read_predictions
from voxloop.monitoring.prediction_files import Loss, write_loss
from voxloop.speech.sound_embedding import EMBEDDED

NINE = DAY + 9 * HOUR


def spell(coded: object) -> list[str]:
    assert isinstance(coded, Coded)
    return [str(coded.names[code]) for code in coded.codes]


def read(place: Path, start: Any = NINE) -> LogWindow:
    return read_predictions(place, "emotion", start, start + HOUR, most_lost=0.01, tolerance=timedelta(seconds=300))


def test_answers_are_read_and_shadows_failures_and_what_was_not_measured_are_told_apart(tmp_path: Path) -> None:
    rows = make_rows(NINE, speakers=4, each=5, seed=1)
    rows[0] |= {"is_shadow": True}
    rows[1] |= {"status": 503, "answer": None, "label": None, "confidence": None}
    rows[2] |= {"is_measured": False, "snr_db": None, "f0_mean_hz": None}
    rows[3] |= {"speaker": None, "snr_db": None}
    rows[4] |= {"embedding": [0.5] * EMBEDDED}
    rows[5] |= {"embedding": [0.5] * 3}
    write_rows(tmp_path, rows)
    window = read(tmp_path)
    told = window.predictions
    assert window.problems == ()
    assert told.row_count == 18
    assert {*told.values} == {*COLUMNS}
    assert spell(told.speakers)[1] == f"key {'0' * 16}"
    assert told.skipped["snr_db"].tolist() == [True] + [False] * 17
    assert "duration_s" not in told.skipped
    ratios, known = told.values["snr_db"], told.known_values()["snr_db"]
    assert isinstance(ratios, np.ndarray)
    assert isinstance(known, np.ndarray)
    assert np.isnan(ratios[:2]).all()
    assert len(known) == 17
    assert told.embeddings is not None
    assert np.isnan(told.embeddings).all(axis=1).tolist() == [True, True, False] + [True] * 15
    assert (told.embeddings[2] == 0.5).all()
    assert spell(told.values["label"]) == [row["label"] for row in rows[2:]]
    assert set(spell(told.models)) == {"e" * 64}


def test_an_empty_window_is_named(tmp_path: Path) -> None:
    for window in (read(tmp_path), read(tmp_path / "nowhere")):
        assert window.problems == ("there are no rows",)
        assert window.predictions.row_count == 0


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (lambda table: table.append_column("mood", pa.array(["good"] * len(table))), "columns nobody knows: mood"),
        (lambda table: table.drop_columns(["snr_db"]), "columns are missing: snr_db"),
        (lambda table: table.replace_schema_metadata({b"voxloop.prediction_schema": b"9"}), "another schema: 9 (1)"),
    ],
)
def test_files_of_another_kind_are_named(tmp_path: Path, change: Any, named: str) -> None:
    path = write_rows(tmp_path, make_rows(NINE, speakers=4, each=5, seed=1))
    pq.write_table(change(pq.read_table(path)), path)
    assert any(named in problem for problem in read(tmp_path).problems)


def test_what_is_lost_or_cannot_be_read_is_counted(tmp_path: Path) -> None:
    path = write_rows(tmp_path, make_rows(NINE, speakers=10, each=20, seed=1))
    write_loss(tmp_path, Loss(WRITER, NINE, NINE + HOUR / 2, 2, {"killed": 2}), 1)
    assert read(tmp_path).problems == ()
    write_loss(tmp_path, Loss(WRITER, NINE, NINE + HOUR / 2, 1, {"killed": 1}), 2)
    assert read(tmp_path).problems == ("3 rows are lost beside 200, of 1.0% at most",)
    (path.parent / f"{WRITER}-00000002-9.parquet").write_bytes(b"PAR1")
    write_loss(tmp_path, Loss(WRITER, NINE, NINE + HOUR / 2, None, {}), 3)
    assert len(read(tmp_path).problems) == 3


def test_a_clock_that_jumps_between_request_and_answer_is_seen(tmp_path: Path) -> None:
    rows = make_rows(NINE, speakers=4, each=5, seed=1)
    for row in rows[:3]:
        row["at"] += timedelta(seconds=301)
    write_rows(tmp_path, rows)
    assert read(tmp_path).problems[0].startswith("3 rows are more than 300 s from the time in their request's id")


def test_a_clock_that_runs_backwards_is_seen(tmp_path: Path) -> None:
    rows = make_rows(NINE, speakers=10, each=10, seed=1)
    write_rows(tmp_path, rows[:60], 7)
    write_rows(tmp_path, rows[58:], 8)  # a moment back is how rows come: some wait to be measured
    assert read(tmp_path).problems == ()
    write_rows(tmp_path, rows[20:40], 9)
    (problem,) = read(tmp_path).problems
    assert problem == "1 times a later batch has rows more than 300 s older: a clock ran backwards"
