"""Whatever is missing, empty, not a number, repeated or reordered among changed answers: none of it makes a PASS."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from tests.unit.evaluation.cases import judge, make_answers, write_evaluation
from tests.unit.evaluation.changed_cases import make_changed, robust_policy, write_changed_rows
from voxloop.errors import VoxloopError
from voxloop.evaluation.answers import CHALLENGER, CHAMPION
from voxloop.evaluation.changed_answers import CHANGED_SCHEMA
from voxloop.evaluation.robustness import CHANGED_NAME, ROBUSTNESS_NAME, RobustnessReport
from voxloop.store.digests import digest_file
from voxloop.verdict import Verdict

Rows = list[dict[str, Any]]
POLICY = robust_policy()
TABLE = make_answers(repeats=2, challenger=0.97, champion=0.8)
few = hypothesis_settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture(scope="module")
def evaluation(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return an evaluation that passes, with its changed rows."""
    folder = write_evaluation(tmp_path_factory.mktemp("robust") / "e", TABLE)
    return write_changed_rows(folder, make_changed(folder))


def _one(rows: Rows, pick: int) -> dict[str, Any]:
    """Return a row of the challenger that the policy needs."""
    needed = [row for row in rows if row["model"] == CHALLENGER]
    return needed[pick % len(needed)] if needed else {}


def _drop_all(rows: Rows, pick: int) -> Rows:
    return []


def _drop_champion(rows: Rows, pick: int) -> Rows:
    return [row for row in rows if row["model"] != CHAMPION]


def _drop_condition(rows: Rows, pick: int) -> Rows:
    asked = ("noise", "telephone", "louder", "answered")[pick % 4]
    return [row for row in rows if row["asked"] != asked]


def _drop_one(rows: Rows, pick: int) -> Rows:
    return [row for row in rows if row is not _one(rows, pick)]


def _drop_utterance_everywhere(rows: Rows, pick: int) -> Rows:
    name = _one(rows, pick).get("utterance_id")
    return [row for row in rows if row["utterance_id"] != name]


def _drop_speaker_everywhere(rows: Rows, pick: int) -> Rows:
    return [row for row in rows if row["speaker_id"] != f"s{pick % 10:02d}"]


def _repeat(rows: Rows, pick: int) -> Rows:
    return rows + ([_one(rows, pick)] * (1 + pick % 3) if rows else [])


def _swap(rows: Rows, pick: int) -> Rows:
    """Let an utterance have another one's name: its answer is then beside another reference."""
    chosen = _one(rows, pick)
    return [{**row, "utterance_id": f"{row['utterance_id']}x"} if row is chosen else row for row in rows]


def _other_speaker(rows: Rows, pick: int) -> Rows:
    chosen = _one(rows, pick)
    return [{**row, "speaker_id": "s99"} if row is chosen else row for row in rows]


def _nan(rows: Rows, pick: int) -> Rows:
    number = ("NaN", "Infinity", "-Infinity")[pick % 3]
    broken = f'{{"emotion":"anger","probabilities":{{"anger":{number}}}}}'
    chosen = _one([row for row in rows if row["asked"] != "answered"], pick)
    return [{**row, "answer": broken} if row is chosen else row for row in rows]


def _no_answer(rows: Rows, pick: int) -> Rows:
    chosen = _one(rows, pick)
    return [{**row, "answer": None} if row is chosen else row for row in rows]


def _no_json(rows: Rows, pick: int) -> Rows:
    chosen = _one(rows, pick)
    return [{**row, "answer": ("anger", "[]", "{")[pick % 3]} if row is chosen else row for row in rows]


FAULTS = (
    _drop_all,
    _drop_champion,
    _drop_condition,
    _drop_one,
    _drop_utterance_everywhere,
    _drop_speaker_everywhere,
    _repeat,
    _swap,
    _other_speaker,
    _nan,
    _no_answer,
    _no_json,
)


def rewrite(folder: Path, out: Path, rows: Rows) -> Path:
    """Write an evaluation with other changed rows, and with the report that agrees with them if there can be one."""
    out.mkdir(exist_ok=True)
    for file in folder.iterdir():
        (out / file.name).write_bytes(file.read_bytes())
    try:
        return write_changed_rows(out, rows)
    except (VoxloopError, ValueError):  # no report can be made of them: the old one stays, under the new digest
        report = RobustnessReport.model_validate_json((folder / ROBUSTNESS_NAME).read_text())
        report.model_copy(update={"changed_digest": digest_file(out / CHANGED_NAME)}).write(out)
        return out


def test_the_evidence_that_is_spoilt_would_pass(evaluation: Path) -> None:
    assert judge(evaluation, POLICY).verdict is Verdict.PASS


@few
@given(
    faults=st.lists(st.sampled_from(FAULTS), min_size=1, max_size=3), pick=st.integers(0, 500), order=st.integers(0, 9)
)
def test_no_fault_in_the_changed_rows_passes(
    evaluation: Path, tmp_path: Path, faults: list[Any], pick: int, order: int
) -> None:
    rows = pq.read_table(evaluation / CHANGED_NAME).to_pylist()
    for fault in faults:
        rows = fault(rows, pick)
    shuffled = [rows[place] for place in np.random.default_rng(order).permutation(len(rows)).tolist()]
    assert judge(rewrite(evaluation, tmp_path / "e", shuffled), POLICY).verdict is not Verdict.PASS


@few
@given(
    file=st.sampled_from([ROBUSTNESS_NAME, CHANGED_NAME]),
    damage=st.sampled_from(["missing", "empty", "cut", "flipped"]),
    place=st.floats(0.05, 0.95),
)
def test_no_damaged_file_passes(evaluation: Path, tmp_path: Path, file: str, damage: str, place: float) -> None:
    folder = tmp_path / "e"
    folder.mkdir(exist_ok=True)
    for one in evaluation.iterdir():
        (folder / one.name).write_bytes(one.read_bytes())
    content = (folder / file).read_bytes()
    position = int(len(content) * place)
    if damage == "missing":
        (folder / file).unlink()
    elif damage == "flipped" and file == ROBUSTNESS_NAME:
        (folder / file).write_bytes(content.replace(b'"schema_version": 1', b'"schema_version": 2'))
    else:
        flipped = content[:position] + bytes([content[position] ^ 0xFF]) + content[position + 1 :]
        (folder / file).write_bytes({"empty": b"", "cut": content[:position], "flipped": flipped}[damage])
    assert judge(folder, POLICY).verdict is Verdict.CANNOT_TELL


@few
@given(order=st.integers(0, 1000), quality=st.sampled_from([0.5, 0.8, 0.95]))
def test_row_order_does_not_matter(evaluation: Path, tmp_path: Path, order: int, quality: float) -> None:
    rows = make_changed(evaluation, challenger=quality)
    folder = rewrite(evaluation, tmp_path / "e", rows)
    expected = judge(folder, POLICY)
    shuffled = pa.Table.from_pylist(rows, schema=CHANGED_SCHEMA)
    pq.write_table(shuffled.take(np.random.default_rng(order).permutation(len(shuffled))), folder / CHANGED_NAME)
    report = RobustnessReport.model_validate_json((folder / ROBUSTNESS_NAME).read_text())
    report.model_copy(update={"changed_digest": digest_file(folder / CHANGED_NAME)}).write(folder)
    found = judge(folder, POLICY)
    assert (found.verdict, found.reasons) == (expected.verdict, expected.reasons)
