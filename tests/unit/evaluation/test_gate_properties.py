"""Whatever is missing, empty, not a number, repeated, damaged or reordered: none of it makes a PASS."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from tests.unit.evaluation.cases import (
    LABELS,
    POLICY,
    SLICES,
    WORD,
    changed_policy,
    judge,
    make_answers,
    reference_of,
    write_evaluation,
    write_report,
)
from voxloop.evaluation.answers import ANSWERS_SCHEMA, CHALLENGER, CHAMPION
from voxloop.evaluation.judgement import Bootstrap
from voxloop.verdict import Verdict

# What may go wrong with the evidence of a model that would pass. Each takes rows and gives rows.
Rows = list[dict[str, Any]]


def _drop_all(rows: Rows, pick: int) -> Rows:
    return []


def _drop_champion(rows: Rows, pick: int) -> Rows:
    return [row for row in rows if row["model"] != CHAMPION]


def _drop_challenger(rows: Rows, pick: int) -> Rows:
    return [row for row in rows if row["model"] != CHALLENGER]


def _drop_one(rows: Rows, pick: int) -> Rows:
    return [row for index, row in enumerate(rows) if index != pick % len(rows)] if rows else rows


def _drop_label(rows: Rows, pick: int) -> Rows:
    return [row for row in rows if row["reference"] != reference_of(LABELS[pick % len(LABELS)])]


def _keep_few_speakers(rows: Rows, pick: int) -> Rows:
    return [row for row in rows if row["speaker_id"] < f"s{pick % 8:02d}"]


def _repeat(rows: Rows, pick: int) -> Rows:
    return rows + ([rows[pick % len(rows)]] * (1 + pick % 3) if rows else [])


def _nan(rows: Rows, pick: int) -> Rows:
    if not rows:
        return rows
    number = "NaN" if pick % 2 else "Infinity"
    chosen = rows[pick % len(rows)]
    broken = {**chosen, "answer": f'{{"emotion":"anger","probabilities":{{"anger":{number}}}}}'}
    return [broken if index == pick % len(rows) else row for index, row in enumerate(rows)]


def _no_answer(rows: Rows, pick: int) -> Rows:
    if not rows:
        return rows
    broken = {**rows[pick % len(rows)], "answer": None}
    return [broken if index == pick % len(rows) else row for index, row in enumerate(rows)]


def _other_reference(rows: Rows, pick: int) -> Rows:
    if not rows:
        return rows
    chosen = rows[pick % len(rows)]
    other = next(label for label in LABELS if reference_of(label) != chosen["reference"])
    return [{**row, "reference": reference_of(other)} if row is chosen else row for row in rows]


def _other_set(rows: Rows, pick: int) -> Rows:
    return [
        {**row, "evaluation_set": "elsewhere"} if index == pick % len(rows) else row for index, row in enumerate(rows)
    ]


def _other_gender(rows: Rows, pick: int) -> Rows:
    return [{**row, "gender": None} if index == pick % len(rows) else row for index, row in enumerate(rows)]


FAULTS = (
    _drop_all,
    _drop_champion,
    _drop_challenger,
    _drop_one,
    _drop_label,
    _keep_few_speakers,
    _repeat,
    _nan,
    _no_answer,
    _other_reference,
    _other_set,
    _other_gender,
)
GOOD_ROWS = make_answers(repeats=3, challenger=0.98, champion=0.7).to_pylist()
slow_but_sure = hypothesis_settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@slow_but_sure
@given(
    faults=st.lists(st.sampled_from(FAULTS), min_size=1, max_size=3),
    pick=st.integers(0, 500),
    shuffle=st.integers(0, 9),
    bootstrap=st.sampled_from([None, WORD]),
)
def test_no_fault_in_the_rows_passes(
    tmp_path: Path, faults: list[Any], pick: int, shuffle: int, bootstrap: Bootstrap | None
) -> None:
    """Even where the report was written anew to agree with the spoilt answers."""
    rows = GOOD_ROWS
    for fault in faults:
        rows = fault(rows, pick)
    table = pa.Table.from_pylist(rows, schema=ANSWERS_SCHEMA)
    table = table.take(np.random.default_rng(shuffle).permutation(len(table)))
    policy = changed_policy(slices=SLICES) if shuffle % 2 else POLICY
    assert judge(write_evaluation(tmp_path / "e", table), policy, bootstrap).verdict is not Verdict.PASS


@slow_but_sure
@given(
    file=st.sampled_from(["evaluation.json", "answers.parquet"]),
    damage=st.sampled_from(["missing", "empty", "cut", "flipped"]),
    place=st.floats(0.05, 0.95),
)
def test_no_damaged_file_passes(tmp_path: Path, file: str, damage: str, place: float) -> None:
    folder = write_evaluation(tmp_path / "e", make_answers())
    path = folder / file
    content = path.read_bytes()
    position = int(len(content) * place)
    if damage == "missing":
        path.unlink()
    elif damage == "empty":
        path.write_bytes(b"")
    elif damage == "cut":
        path.write_bytes(content[:position])
    elif file == "answers.parquet":
        path.write_bytes(content[:position] + bytes([content[position] ^ 0xFF]) + content[position + 1 :])
    else:
        path.write_bytes(content.replace(b'"schema_version": 3', b'"schema_version": 4'))
    assert judge(folder).verdict is Verdict.CANNOT_TELL


@slow_but_sure
@given(shuffle=st.integers(0, 1000), quality=st.sampled_from([0.4, 0.8, 0.97]))
def test_row_order_does_not_matter(tmp_path: Path, shuffle: int, quality: float) -> None:
    """Not even when the answers were written in another order than `evaluate` writes."""
    table = make_answers(challenger=quality)
    expected = judge(write_evaluation(tmp_path / "e", table))
    shuffled = table.take(np.random.default_rng(shuffle).permutation(len(table)))
    pq.write_table(shuffled, tmp_path / "e" / "answers.parquet")
    write_report(tmp_path / "e")
    found = judge(tmp_path / "e")
    assert (found.verdict, found.reasons) == (expected.verdict, expected.reasons)
