"""Answers survive the way to disk and back, and what is malformed is refused."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.unit.evaluation.cases import make_answer, make_answers
from voxloop.errors import InputError
from voxloop.evaluation.answers import (
    ANSWERS_SCHEMA,
    CHALLENGER,
    CHAMPION,
    Answers,
    answers_of,
    describe_row,
    read_answers,
    write_answers,
)
from voxloop.tasks import Answer


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
    ours, theirs = answers_of(read, "test", CHALLENGER), answers_of(read, "test", CHAMPION)
    assert ours.utterance_ids.tolist() == sorted(ours.utterance_ids.tolist())
    assert all(said is not None and said["emotion"] == wanted["emotion"] for said, wanted in pairs(ours))
    assert all(said is not None and said["emotion"] != wanted["emotion"] for said, wanted in pairs(theirs))
    assert (len(ours), ours.speaker_count(), ours.unanswered) == (90, 3, 0)
    assert set(ours.columns["gender"]) == {"female", "male"}
    assert len(answers_of(read, "another", CHALLENGER)) == 0


def pairs(found: Answers) -> list[tuple[Answer | None, Answer]]:
    return list(zip(found.answers, found.references, strict=True))


@pytest.mark.parametrize("number", ["NaN", "Infinity", "1e999"])
def test_an_answer_that_is_no_number_is_no_answer(number: str) -> None:
    rows = make_answers(speakers=1, repeats=1, champion=None).to_pylist()
    rows[0]["answer"] = f'{{"emotion":"anger","probabilities":{{"anger":{number}}}}}'
    rows[1]["answer"] = None
    found = answers_of(pa.Table.from_pylist(rows, schema=ANSWERS_SCHEMA), "test", CHALLENGER)
    assert [answer is None for answer in found.answers] == [True, True, False, False, False, False]


def test_what_a_model_says_of_nan_is_written_as_no_answer() -> None:
    row = {"utterance_id": "u", "speaker_id": "s"}
    said = make_answer("anger", correct=True)
    said["probabilities"]["fear"] = math.nan
    assert describe_row("test", CHALLENGER, row, {"emotion": "anger"}, said)["answer"] is None


@pytest.mark.parametrize("text", ["nothing", "[1]", '"anger"'])
def test_an_answer_that_is_no_object_is_refused(text: str) -> None:
    rows = make_answers(speakers=1, repeats=1, champion=None).to_pylist()
    rows[0]["reference"] = text
    with pytest.raises(InputError, match="JSON object"):
        answers_of(pa.Table.from_pylist(rows, schema=ANSWERS_SCHEMA), "test", CHALLENGER)


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


@pytest.mark.parametrize("columns", ["device", "device model"])
def test_a_column_that_was_added_reads_as_null_where_it_is_not(tmp_path: Path, columns: str) -> None:
    whole = make_answers(speakers=1)
    pq.write_table(whole.drop_columns(columns.split()), tmp_path / "answers.parquet")
    if columns == "device":
        assert read_answers(tmp_path / "answers.parquet").equals(whole)
        return
    with pytest.raises(InputError, match="schema in model;"):
        read_answers(tmp_path / "answers.parquet")


def test_another_type_is_refused(tmp_path: Path) -> None:
    table = make_answers(speakers=1)
    table = table.set_column(
        table.schema.get_field_index("duration_s"), "duration_s", table["duration_s"].cast(pa.string())
    )
    pq.write_table(table, tmp_path / "answers.parquet")
    with pytest.raises(InputError, match="schema"):
        read_answers(tmp_path / "answers.parquet")
