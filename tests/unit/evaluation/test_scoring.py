"""Scoring through real ONNX graphs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnx
import pytest

from tests.unit.evaluation.tiny_models import LABELS, make_rows, write_model
from voxloop.errors import InputError
from voxloop.evaluation.scoring import ExportedModel, ScoringConfig, score_rows

CONFIG = ScoringConfig(batch=4, pool=8, threads=1)


def decode(probabilities: np.ndarray, labels: Sequence[str]) -> list[str]:
    return [labels[index] for index in probabilities.argmax(axis=1)]


def test_answers_come_in_the_order_asked_whatever_the_batches(tmp_path: Path) -> None:
    model = ExportedModel(write_model(tmp_path / "model"), threads=1)
    waveforms = [waveform for _, waveform in make_rows(LABELS * 5)]
    one_by_one = np.concatenate([model.probabilities([waveform], batch=1) for waveform in waveforms])
    for batch in (1, 4, 64):
        np.testing.assert_allclose(model.probabilities(waveforms, batch=batch), one_by_one, atol=1e-5)
    assert decode(one_by_one, LABELS) == list(LABELS * 5)


def test_every_model_answers_every_row_with_its_own_label_order(tmp_path: Path) -> None:
    models = {
        "challenger": ExportedModel(write_model(tmp_path / "one"), threads=1),
        "champion": ExportedModel(write_model(tmp_path / "two", labels=LABELS[::-1]), threads=1),
    }
    table = score_rows(models, make_rows(LABELS * 7), labels=LABELS, decode=decode, config=CONFIG)
    assert len(table) == 2 * 21
    for row in table.to_pylist():
        assert row["predicted"] == row["reference"] == LABELS[int(np.argmax(row["probabilities"]))]


def test_no_rows_give_no_answers(tmp_path: Path) -> None:
    models = {"challenger": ExportedModel(write_model(tmp_path / "model"), threads=1)}
    assert len(score_rows(models, [], labels=LABELS, decode=decode, config=CONFIG)) == 0


def test_probabilities_that_are_not_finite_are_no_answer(tmp_path: Path) -> None:
    model = ExportedModel(write_model(tmp_path / "model"), threads=1)
    rows = list(make_rows(LABELS))
    rows[1][1][5] = np.nan
    table = score_rows({"challenger": model}, rows, labels=LABELS, decode=decode, config=CONFIG)
    assert table["predicted"].to_pylist() == [LABELS[0], None, LABELS[2]]
    assert np.isnan(table["probabilities"].to_pylist()[1]).all()


def test_a_label_the_model_does_not_know_is_refused(tmp_path: Path) -> None:
    model = ExportedModel(write_model(tmp_path / "model", labels=LABELS[:2]), threads=1)
    with pytest.raises(InputError, match="u002 is labelled 'sadness'"):
        score_rows({"challenger": model}, make_rows(LABELS), labels=LABELS[:2], decode=decode, config=CONFIG)


def test_another_sample_rate_is_refused(tmp_path: Path) -> None:
    model = ExportedModel(write_model(tmp_path / "model"), threads=1)
    rows = make_rows(LABELS, sample_rate=8_000)
    with pytest.raises(InputError, match="u000 has 8000 Hz"):
        score_rows({"challenger": model}, rows, labels=LABELS, decode=decode, config=CONFIG)


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
        ExportedModel(folder, threads=1).probabilities([np.zeros(400, dtype=np.float32)], batch=1)


def test_a_graph_with_fewer_answers_than_labels_is_refused(tmp_path: Path) -> None:
    folder = write_model(tmp_path / "model", labels=LABELS, heard=LABELS[:2])
    with pytest.raises(InputError, match=r"answers with shape \(1, 2\)"):
        ExportedModel(folder, threads=1).probabilities([np.zeros(400, dtype=np.float32)], batch=1)
