"""Temperature: fitted by likelihood, in the graph, and silent about which label is likeliest."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import numpy as np
import onnxruntime as ort
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from voxloop.speech.augmentation import AugmentationConfig
from voxloop.tasks import emotion, get_task
from voxloop.tasks.calibration import (
    HOTTEST,
    expected_calibration_error,
    fit_temperature,
    negative_log_likelihood,
)
from voxloop.tasks.recipe import BatchingConfig, OptimiserConfig
from voxloop.training.export import Answering, write_graph

CONFIG = emotion.EmotionConfig(
    epochs=1,
    patience=1,
    optimiser=OptimiserConfig(learning_rate=1e-3),
    batching=BatchingConfig(audio_seconds=10.0),
    network=emotion.NetworkConfig(channels=(4, 6), time_strides=(2, 2), hidden=12, attention=6, dropout=0.3),
)
ENCODING = emotion.EmotionEncoding(labels=emotion.LABELS, weights=(1.0,) * 6)


def sure_of_itself(factor: float, count: int = 4000) -> tuple[Tensor, Tensor]:
    """Labels drawn from the softmax of logits, and those logits times `factor`."""
    torch.manual_seed(0)
    logits = 1.5 * torch.randn(count, 6)
    return factor * logits, torch.multinomial(logits.softmax(dim=1), 1)[:, 0]


@pytest.mark.parametrize("factor", [0.3, 1.0, 4.0])
def test_the_temperature_is_found_again(factor: float) -> None:
    assert fit_temperature(*sure_of_itself(factor)) == pytest.approx(factor, rel=0.06)


@given(st.integers(0, 2**31), st.integers(1, 40), st.floats(0.2, 5.0))
@settings(max_examples=50, deadline=None)
def test_no_other_temperature_is_likelier(seed: int, count: int, scale: float) -> None:
    torch.manual_seed(seed)
    logits, labels = scale * torch.randn(count, 4), torch.randint(0, 4, (count,))
    best = fit_temperature(logits, labels)
    assert 1.0 / HOTTEST <= best <= HOTTEST
    reached = negative_log_likelihood(logits.double() / best, labels)
    for other in (1.0, 0.9 * best, 1.1 * best):
        if 1.0 / HOTTEST <= other <= HOTTEST:
            assert reached <= negative_log_likelihood(logits.double() / other, labels) + 1e-9


def test_without_an_error_the_temperature_stays_finite() -> None:
    logits = 5.0 * torch.eye(6)
    assert fit_temperature(logits, torch.arange(6)) == pytest.approx(1.0 / HOTTEST)
    assert fit_temperature(logits, torch.arange(6).flip(0)) == pytest.approx(HOTTEST)


def test_ece_by_hand() -> None:
    probabilities = torch.tensor([[0.9, 0.1], [0.9, 0.1], [0.4, 0.6], [0.4, 0.6]])
    labels = torch.tensor([0, 1, 1, 1])
    assert expected_calibration_error(probabilities, labels) == pytest.approx((2 * 0.4 + 2 * 0.4) / 4)
    assert expected_calibration_error(torch.eye(3), torch.arange(3)) == 0.0
    assert math.isnan(expected_calibration_error(torch.zeros(0, 3), torch.zeros(0, dtype=torch.int64)))


def batches(logits: Tensor, labels: Tensor) -> Iterator[tuple[Tensor, dict[str, Tensor]]]:
    for start in range(0, len(labels), 64):
        yield logits[start : start + 64], {"label": labels[start : start + 64]}


def test_calibration_lowers_nll_and_keeps_the_likeliest_label() -> None:
    torch.manual_seed(1)
    network = emotion.build_network(CONFIG, ENCODING).eval()
    asked = (0.1 * torch.randn(5, 16_000), torch.full((5,), 16_000))
    with torch.inference_mode():
        before = emotion.answer(network(*asked))[0]
    report = emotion.calibrate(network, batches(*sure_of_itself(4.0)))
    with torch.inference_mode():
        after = emotion.answer(network(*asked))[0]
    assert report["temperature"] == pytest.approx(float(network.temperature)) == pytest.approx(4.0, rel=0.06)
    assert report["nll_after"] < report["nll_before"] - 0.5
    assert report["ece_after"] < 0.03
    assert report["ece_before"] > 0.1
    assert torch.equal(before.argmax(dim=1), after.argmax(dim=1))
    assert (after.max(dim=1).values < before.max(dim=1).values).all()


def test_calibrating_twice_changes_little() -> None:
    """A training that starts from a calibrated network is calibrated on top of it."""
    network = emotion.build_network(CONFIG, ENCODING).eval()
    logits, labels = sure_of_itself(3.0)
    temperatures = [
        emotion.calibrate(network, batches(logits / network.temperature, labels))["temperature"] for _ in range(2)
    ]
    assert temperatures[1] == pytest.approx(temperatures[0], rel=1e-5)


def test_training_does_not_feel_the_temperature() -> None:
    config = CONFIG.model_copy(update={"network": CONFIG.network.model_copy(update={"dropout": 0.0})})
    silent = config.model_copy(update={"augmentation": AugmentationConfig(masks=0)})
    network = emotion.build_network(silent, ENCODING)
    asked = (0.1 * torch.randn(2, 16_000), torch.full((2,), 16_000))
    logits = network(*asked)
    network.temperature.fill_(2.0)
    torch.testing.assert_close(network(*asked), logits)
    torch.testing.assert_close(network.eval()(*asked), logits / 2.0)


@pytest.mark.parametrize("norm", ["frame", "batch"])
def test_the_exported_graph_has_the_temperature(norm: Literal["frame", "batch"], tmp_path: Path) -> None:
    torch.manual_seed(0)
    sizes = CONFIG.network.model_copy(update={"norm": norm})
    network = emotion.build_network(CONFIG.model_copy(update={"network": sizes}), ENCODING).eval()
    network.temperature.fill_(0.05)
    golden = list(emotion.golden_inputs(ENCODING, [0.5, 0.8]))
    model = Answering(network, get_task(emotion.NAME)).eval()
    write_graph(model, emotion.request(ENCODING), golden, tmp_path / "model.onnx", opset=20)
    asked = {name: np.stack([one[name] for one in golden[:1]]) for name in golden[0]}
    session = ort.InferenceSession(str(tmp_path / "model.onnx"), providers=["CPUExecutionProvider"])
    with torch.inference_mode():
        logits = network(*(torch.from_numpy(array) for array in asked.values()))
    np.testing.assert_allclose(session.run(None, asked)[0], logits.softmax(dim=1).numpy(), atol=1e-5)
    assert (logits * 0.05).softmax(dim=1).max() < logits.softmax(dim=1).max()
