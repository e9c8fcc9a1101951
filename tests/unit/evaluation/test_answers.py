"""Answers survive the way to disk and back, and what is malformed is refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.unit.evaluation.cases import LABELS, make_answers
from voxloop.errors import InputError
from voxloop.evaluation.answers import ANSWERS_SCHEMA, CHALLENGER, CHAMPION, answers_of, read_answers, write_answers


def test_row_order_leaves_no_trace_in_the_bytes(tmp_path: Path) -> None:
    table = make_answers(speakers=3)
    shuffled = table.take(np.random.default_rng(0).permutation(len(table)))
    write_answers(table, tmp_path / "one.parquet")
    write_answers(shuffled, tmp_path / "other.parquet")
    assert (tmp_path / "one.parquet").read_bytes() == (tmp_path / "other.parquet").read_bytes()


def test_answers_of_a_model_are_its_own_in_the_order_of_utterances(tmp_path: Path) -> None:
    table = make_answers(speakers=3, challenger=1.0, champion=0.0)
    write_answers(table, tmp_path / "answers.parquet")
    read = read_answers(tmp_path / "answers.parquet")
    ours, theirs = answers_of(read, CHALLENGER), answers_of(read, CHAMPION)
    assert ours.utterance_ids.tolist() == sorted(ours.utterance_ids.tolist())
    assert (ours.correct.mean(), theirs.correct.mean()) == (1.0, 0.0)
    assert ours.per_label(LABELS) == dict.fromkeys(LABELS, 15)
    assert ours.speaker_count() == 3


def test_an_answer_without_numbers_is_not_finite() -> None:
    rows = make_answers(speakers=1, repeats=1, champion=None).to_pylist()
    rows[0]["probabilities"][2] = float("nan")
    rows[1]["predicted"] = None
    rows[2]["probabilities"] = None
    rows[3]["probabilities"] = []
    found = answers_of(pa.Table.from_pylist(rows, schema=ANSWERS_SCHEMA), CHALLENGER)
    assert found.finite.tolist() == [False, False, False, False, True, True]
    assert found.correct[1] == 0.0


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"answers\.parquet is missing"):
        read_answers(tmp_path / "answers.parquet")


def test_bytes_that_are_no_parquet_are_refused(tmp_path: Path) -> None:
    (tmp_path / "answers.parquet").write_bytes(b"PAR1 but not really")
    with pytest.raises(InputError, match="cannot be read"):
        read_answers(tmp_path / "answers.parquet")


def test_another_schema_is_refused(tmp_path: Path) -> None:
    pq.write_table(make_answers(speakers=1).drop_columns(["speaker_id"]), tmp_path / "answers.parquet")
    with pytest.raises(InputError, match="speaker_id"):
        read_answers(tmp_path / "answers.parquet")


def test_another_type_is_refused(tmp_path: Path) -> None:
    table = make_answers(speakers=1)
    table = table.set_column(4, "duration_s", table["duration_s"].cast(pa.string()))
    pq.write_table(table, tmp_path / "answers.parquet")
    with pytest.raises(InputError, match="schema"):
        read_answers(tmp_path / "answers.parquet")
