"""Which input a personality model's answers hang on: the one it reads, not the one beside it."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from onnx import TensorProto, helper, numpy_helper

from tests.unit.evaluation.family_cases import PERSONALITY
from tests.unit.evaluation.tiny_models import write_champion, write_model
from tests.unit.jobs.datasets import write_dataset
from voxloop.data.schema import TRAITS, Utterance, make_row
from voxloop.errors import InputError, IntegrityError
from voxloop.evaluation.card_importance import (
    IMPORTANCES_NAME,
    find_importances,
    measure_importances,
    write_importances,
)
from voxloop.evaluation.report import Evaluation, read_json_record
from voxloop.jobs.card import card
from voxloop.jobs.evaluate import evaluate
from voxloop.jobs.gate import gate
from voxloop.tasks import personality


def write_pitch_model(folder: Path) -> Path:
    """Write a model whose every trait is 4 plus the pitch; the rate it ignores."""
    folder.mkdir()
    weights = np.array([[1.0] * 5, [0.0] * 5], dtype=np.float32)
    graph = helper.make_graph(
        [
            helper.make_node("MatMul", ["features", "weights"], ["moved"]),
            helper.make_node("Add", ["moved", "four"], ["traits"]),
        ],
        "pitch",
        [helper.make_tensor_value_info("features", TensorProto.FLOAT, ["batch", 2])],
        [helper.make_tensor_value_info("traits", TensorProto.FLOAT, ["batch", 5])],
        [
            numpy_helper.from_array(weights, "weights"),
            numpy_helper.from_array(np.array(4.0, dtype=np.float32), "four"),
        ],
    )
    onnx.save(
        helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), folder / "model.onnx"
    )
    record = {
        "schema_version": 2,
        "task": "personality",
        "labels": list(TRAITS),
        "sample_rate": 16_000,
        "request": personality.request(PERSONALITY).as_json(),
        "encoding": PERSONALITY.model_dump(mode="json"),
    }
    (folder / "model.json").write_text(json.dumps(record))
    return folder


@pytest.fixture
def dataset(tmp_path: Path) -> Path:
    rng = np.random.default_rng(5)
    rows, known = [], []
    for speaker in range(20):
        pitch = float(rng.normal())
        identity = f"s{speaker:02d}"
        told = Utterance(
            utterance_id=identity,
            speaker_id=identity,
            waveform=np.full(1_600, 0.1, dtype=np.float32),
            recorded_at=datetime(2025, 1, 1, tzinfo=UTC),
            source="by hand",
            licence="CC0-1.0",
            text="one two",
            traits=dict.fromkeys(TRAITS, 4.0 + pitch),
        )
        rows.append(make_row(told, "test"))
        known.append({"utterance_id": identity, "pitch": pitch, "rate": float(rng.normal())})
    pq.write_table(pa.Table.from_pylist(known), tmp_path / "features.parquet")
    return write_dataset(tmp_path / "dataset", rows)


def test_the_input_that_is_read_matters(tmp_path: Path, dataset: Path) -> None:
    model, features = write_pitch_model(tmp_path / "model"), tmp_path / "features.parquet"
    found = measure_importances(model, dataset, "ccc", features)
    assert found is not None
    assert [(one.name, one.drop > 0.5) for one in found.inputs] == [("pitch", True), ("rate", False)]
    assert (found.inputs[1].drop, found.inputs[1].sd) == (0.0, 0.0)
    assert measure_importances(model, dataset, "ccc", features) == found


def test_an_answer_that_is_no_number_is_named(tmp_path: Path, dataset: Path) -> None:
    with pytest.raises(InputError, match="the model has no answer to s00"):
        measure_importances(write_pitch_model(tmp_path / "model"), dataset, "ccc")


def test_as_many_rows_as_are_allowed_are_asked(tmp_path: Path, dataset: Path) -> None:
    model, features = write_pitch_model(tmp_path / "model"), tmp_path / "features.parquet"
    found = measure_importances(model, dataset, None, features, most=12)
    assert found is not None
    assert (found.measure, found.rows, found.all_rows) == ("ccc", 12, 20)


def evaluate_pitch(folder: Path, dataset: Path) -> Path:
    """Return the evaluation of a model that hears the pitch alone."""
    model, champion = write_pitch_model(folder / "model"), write_champion(folder / "champion", ever=False)
    features = folder / "features.parquet"
    return evaluate(model, dataset, champion, folder / "evaluation", task="personality", features=features)


@pytest.mark.usefixtures("home")
def test_the_card_that_the_approver_reads_shows_what_answers_hang_on(tmp_path: Path, dataset: Path) -> None:
    evaluation = evaluate_pitch(tmp_path, dataset)
    gate(evaluation, tmp_path / "verdict", task="personality")
    (shown,) = json.loads((tmp_path / "verdict" / "card.json").read_text())["sets"]
    assert [one["name"] for one in shown["importances"]["inputs"]] == ["pitch", "rate"]
    assert "What the answers hang on" in (tmp_path / "verdict" / "card.html").read_text()
    given: dict[str, Any] = {"model": tmp_path / "model", "dataset": dataset, "features": tmp_path / "features.parquet"}
    alone = card(evaluation, tmp_path / "card", verdict=tmp_path / "verdict", players=0, **given)
    assert (alone / "card.json").read_bytes() == (tmp_path / "verdict" / "card.json").read_bytes()
    (evaluation / IMPORTANCES_NAME).unlink()
    gate(evaluation, tmp_path / "without", task="personality")
    (shown,) = json.loads((tmp_path / "without" / "card.json").read_text())["sets"]
    assert shown["importances"] is None


@pytest.mark.usefixtures("home")
def test_what_was_measured_twice_is_equal_byte_for_byte_and_of_one_evaluation(tmp_path: Path, dataset: Path) -> None:
    folder = evaluate_pitch(tmp_path, dataset)
    first, report = (folder / IMPORTANCES_NAME).read_bytes(), read_json_record(Evaluation, folder / "evaluation.json")
    (again := tmp_path / "again").mkdir()
    assert write_importances(tmp_path / "model", dataset, report, again, tmp_path / "features.parquet") == ""
    assert (again / IMPORTANCES_NAME).read_bytes() == first
    for other in ({"model_digest": "b" * 64}, {"answers_digest": "b" * 64}):
        with pytest.raises(IntegrityError, match="evaluate again"):
            find_importances(folder, report.model_copy(update=other))


@pytest.mark.usefixtures("home")
def test_an_evaluation_is_one_without_them(tmp_path: Path, dataset: Path) -> None:
    report = read_json_record(Evaluation, evaluate_pitch(tmp_path, dataset) / "evaluation.json")
    (bare := tmp_path / "bare").mkdir()
    assert "the model has no answer to s00" in write_importances(tmp_path / "model", dataset, report, bare)
    of_sound = report.model_copy(update={"task": "emotion"})
    assert write_importances(tmp_path / "model", dataset, of_sound, bare) == ""
    assert list(bare.iterdir()) == []
    assert find_importances(bare, report) is None


def test_a_family_without_named_inputs_has_none(tmp_path: Path, dataset: Path) -> None:
    assert measure_importances(write_model(tmp_path / "model"), dataset, "uar") is None
