"""Scoring through real ONNX graphs."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnx
import pytest

from tests.unit.evaluation.tiny_models import LABELS, make_rows, write_model
from voxloop.errors import InputError
from voxloop.evaluation.exported_model import ExportedModel
from voxloop.evaluation.scoring import Rows, Scored, Scoring, ScoringConfig
from voxloop.speech.waveform import to_int16
from voxloop.tasks import Answer

CONFIG = ScoringConfig(batch=4, pool=8, threads=1)


def ask(model: ExportedModel, batch: int) -> list[Answer | None]:
    requests = [model.task.make_request(row, to_int16(wave), model.encoding) for row, wave in make_rows(LABELS * 5)]
    return model.answer(requests, batch=batch)


def score(models: dict[str, ExportedModel], rows: Rows) -> Scored:
    return Scoring(models, CONFIG).score("test", rows)


def test_answers_come_in_the_order_asked_whatever_the_batches(tmp_path: Path) -> None:
    model = ExportedModel(write_model(tmp_path / "model"), threads=1)
    one_by_one = ask(model, 1)
    assert [answer["emotion"] for answer in one_by_one if answer] == list(LABELS * 5)
    for batch in (4, 64):
        for ours, alone in zip(ask(model, batch), one_by_one, strict=True):
            assert ours is not None
            assert alone is not None
            assert ours["probabilities"] == pytest.approx(alone["probabilities"], abs=1e-5)


def test_every_model_answers_every_row_with_its_own_label_order(tmp_path: Path) -> None:
    models = {
        "challenger": ExportedModel(write_model(tmp_path / "one"), threads=1),
        "champion": ExportedModel(write_model(tmp_path / "two", labels=LABELS[::-1]), threads=1),
    }
    found = score(models, make_rows(LABELS * 7))
    assert (len(found.table), found.unlabelled, found.disputed) == (2 * 21, 0, None)
    for row in found.table.to_pylist():
        answer, reference = json.loads(row["answer"]), json.loads(row["reference"])
        assert (
            answer["emotion"] == reference["emotion"] == max(answer["probabilities"], key=answer["probabilities"].get)
        )


def test_no_rows_give_no_answers(tmp_path: Path) -> None:
    models = {"challenger": ExportedModel(write_model(tmp_path / "model"), threads=1)}
    assert len(score(models, []).table) == 0


def test_rows_without_a_label_are_counted(tmp_path: Path) -> None:
    models = {"challenger": ExportedModel(write_model(tmp_path / "model"), threads=1)}
    found = score(models, make_rows((*LABELS, None, None)))
    assert (len(found.table), found.unlabelled) == (3, 2)


def test_numbers_that_are_not_finite_are_no_answer(tmp_path: Path) -> None:
    folder = write_model(tmp_path / "model")
    graph = onnx.load(folder / "model.onnx")
    sharp = next(tensor for tensor in graph.graph.initializer if tensor.name == "sharp")
    sharp.CopyFrom(onnx.numpy_helper.from_array(np.array(np.nan, dtype=np.float32), "sharp"))
    onnx.save(graph, folder / "model.onnx")
    found = score({"challenger": ExportedModel(folder, threads=1)}, make_rows(LABELS))
    assert found.table["answer"].to_pylist() == [None, None, None]


def test_a_label_the_model_does_not_know_is_refused(tmp_path: Path) -> None:
    model = ExportedModel(write_model(tmp_path / "model", labels=LABELS[:2]), threads=1)
    with pytest.raises(InputError, match="u002 is labelled 'sadness'"):
        score({"challenger": model}, make_rows(LABELS))


def test_another_sample_rate_is_refused(tmp_path: Path) -> None:
    model = ExportedModel(write_model(tmp_path / "model"), threads=1)
    with pytest.raises(InputError, match="u000 has 8000 Hz"):
        score({"challenger": model}, make_rows(LABELS, sample_rate=8_000))


def test_an_encoding_of_another_model_is_refused(tmp_path: Path) -> None:
    folder = write_model(tmp_path / "model")
    record = json.loads((folder / "model.json").read_text())
    record["encoding"]["labels"] = ["joy", "neutral", "sadness"]
    (folder / "model.json").write_text(json.dumps(record))
    with pytest.raises(InputError, match="its encoding"):
        ExportedModel(folder, threads=1)


def test_a_record_without_an_encoding_is_refused(tmp_path: Path) -> None:
    folder = write_model(tmp_path / "model")
    record = json.loads((folder / "model.json").read_text())
    record["encoding"] = {"labels": "all"}
    (folder / "model.json").write_text(json.dumps(record))
    with pytest.raises(InputError, match=r"model\.json: encoding"):
        ExportedModel(folder, threads=1)


def test_bytes_that_are_no_graph_are_refused(tmp_path: Path) -> None:
    folder = write_model(tmp_path / "model")
    (folder / "model.onnx").write_bytes(b"nothing")
    with pytest.raises(InputError, match=r"model\.onnx is cut or no ONNX graph"):
        ExportedModel(folder, threads=1)


def test_a_folder_without_a_graph_is_refused(tmp_path: Path) -> None:
    folder = write_model(tmp_path / "model")
    (folder / "model.onnx").unlink()
    with pytest.raises(InputError, match=r"model\.onnx cannot be read"):
        ExportedModel(folder, threads=1)


def test_a_graph_with_another_request_is_refused(tmp_path: Path) -> None:
    folder = write_model(tmp_path / "model")
    graph = onnx.load(folder / "model.onnx")
    graph.graph.input[0].name = "audio"
    graph.graph.node[0].input[0] = "audio"
    onnx.save(graph, folder / "model.onnx")
    with pytest.raises(InputError, match="has the inputs"):
        ask(ExportedModel(folder, threads=1), 1)


def test_a_graph_with_fewer_answers_than_labels_is_refused(tmp_path: Path) -> None:
    folder = write_model(tmp_path / "model", labels=LABELS, heard=LABELS[:2])
    with pytest.raises(InputError, match=r"answers probabilities with shape \(1, 2\)"):
        ask(ExportedModel(folder, threads=1), 1)
