"""The emotion family: measures by hand, and a network that does not see padding."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from voxloop.config import find_config, load_config
from voxloop.speech.augmentation import AugmentationConfig, random_stretch, shift_mels
from voxloop.tasks import emotion
from voxloop.tasks.recipe import BatchingConfig, OptimiserConfig

NETWORK = emotion.NetworkConfig(channels=(4, 6, 8), time_strides=(2, 2, 1), hidden=12, attention=6, dropout=0.3)
CONFIG = emotion.EmotionConfig(
    epochs=1,
    patience=1,
    optimiser=OptimiserConfig(learning_rate=1e-3),
    batching=BatchingConfig(audio_seconds=10.0),
    network=NETWORK,
)
ENCODING = emotion.EmotionEncoding(labels=emotion.LABELS, weights=(1.0,) * 6)


@pytest.fixture(scope="module")
def network() -> emotion.EmotionEnds:
    torch.manual_seed(0)
    return emotion.build_network(CONFIG, ENCODING).eval()


@pytest.mark.parametrize(
    ("reference", "predicted", "uar", "wa", "macro_f1"),
    [
        ("aaaf", "aaaf", 1.0, 1.0, 1.0),
        ("aaaf", "aaaa", 0.5, 0.75, (6 / 7 + 0) / 2),
        ("aaff", "afff", 0.75, 0.75, (2 / 3 + 4 / 5) / 2),
        ("aa", "ff", 0.0, 0.0, 0.0),
        ("af", "a?", 0.5, 0.5, 0.5),
    ],
)
def test_measures_agree_with_a_count_by_hand(
    reference: str, predicted: str, uar: float, wa: float, macro_f1: float
) -> None:
    words = {"a": "anger", "f": "fear", "?": ""}
    asked, given_ = [words[letter] for letter in reference], [words[letter] for letter in predicted]
    assert emotion.uar(asked, given_) == pytest.approx(uar)
    assert emotion.wa(asked, given_) == pytest.approx(wa)
    assert emotion.macro_f1(asked, given_) == pytest.approx(macro_f1)


def test_nothing_measured_is_not_a_number() -> None:
    assert all(math.isnan(measure([], [])) for measure in (emotion.uar, emotion.wa, emotion.macro_f1))


def test_decode_names_the_likeliest_label_of_each_row() -> None:
    probabilities = np.eye(6, dtype=np.float32)[[5, 0]]
    answers = emotion.decode({"probabilities": probabilities}, ENCODING)
    assert [answer["emotion"] for answer in answers] == ["surprise", "anger"]
    assert answers[0]["probabilities"] == dict(zip(emotion.LABELS, (0.0, 0.0, 0.0, 0.0, 0.0, 1.0), strict=True))
    other = emotion.EmotionEncoding(labels=("no", "yes"), weights=(1.0, 1.0))
    assert emotion.decode({"probabilities": np.array([[0.1, 0.9]])}, other)[0]["emotion"] == "yes"


def test_weights_make_every_label_count_the_same() -> None:
    counts = dict(zip(emotion.LABELS, (10, 0, 30, 20, 5, 35), strict=True))
    rows = [{"emotion": label} for label, count in counts.items() for _ in range(count)]
    weights = dict(zip(emotion.LABELS, emotion.learn_encoding(rows, CONFIG).weights, strict=True))
    shares = {label: weights[label] * count for label, count in counts.items() if count}
    assert weights[emotion.LABELS[1]] == 0.0
    assert shares == pytest.approx(dict.fromkeys(shares, 20.0))
    assert sum(shares.values()) / sum(counts.values()) == pytest.approx(1.0)


@settings(max_examples=25, deadline=None)
@given(lengths=st.lists(st.integers(200, 30_000), min_size=2, max_size=4), padding=st.integers(0, 20_000))
def test_an_answer_does_not_depend_on_its_batch(
    network: emotion.EmotionNetwork, lengths: list[int], padding: int
) -> None:
    batch = torch.zeros(len(lengths), max(lengths) + padding)
    for row, length in enumerate(lengths):
        batch[row, :length] = 0.1 * torch.randn(length, generator=torch.Generator().manual_seed(row))
    with torch.inference_mode():
        together = network(batch, torch.tensor(lengths))
        for row, length in enumerate(lengths):
            alone = network(batch[row : row + 1, :length], torch.tensor([length]))
            torch.testing.assert_close(together[row], alone[0], atol=1e-4, rtol=0)


def test_no_gradient_comes_from_padding(network: emotion.EmotionNetwork) -> None:
    waveform = (0.1 * torch.randn(2, 16_000)).requires_grad_()
    network(waveform, torch.tensor([16_000, 9_000]))[1].square().sum().backward()
    assert waveform.grad is not None
    assert waveform.grad[1, :8_000].any()
    assert not waveform.grad[1, 9_000:].any()


def test_the_answer_is_a_distribution() -> None:
    (answer,) = emotion.answer(torch.randn(3, 6))
    torch.testing.assert_close(answer.sum(dim=1), torch.ones(3))


def test_augmentation_changes_training_alone() -> None:
    torch.manual_seed(0)
    config = CONFIG.model_copy(update={"augmentation": AugmentationConfig(masks=2, mel_mask=40, time_mask=30)})
    trained = emotion.build_network(
        config.model_copy(update={"network": NETWORK.model_copy(update={"dropout": 0.0})}), ENCODING
    )
    request = (0.1 * torch.randn(1, 16_000), torch.tensor([16_000]))
    assert not torch.equal(trained(*request), trained(*request))
    trained.eval()
    assert torch.equal(trained(*request), trained(*request))


@given(st.lists(st.integers(1, 50), min_size=1, max_size=6), st.integers(0, 20))
@settings(max_examples=50, deadline=None)
def test_masks_stay_inside_and_within_their_length(lengths: list[int], longest: int) -> None:
    mask = random_stretch(torch.tensor(lengths), longest, 50)
    widths = mask.sum(dim=1)
    assert (widths <= longest).all()
    assert not any(mask[row, length:].any() for row, length in enumerate(lengths))


def test_a_mel_shift_moves_every_band_alike() -> None:
    torch.manual_seed(1)
    ramp = torch.arange(20.0).expand(8, 3, 20)
    moved = shift_mels(ramp, 4)
    offsets = moved[:, :, 10] - 10.0
    assert (offsets.abs() <= 4).all()
    assert len(set(offsets.flatten().tolist())) > 1
    torch.testing.assert_close(moved[:, :, 6:14], ramp[:, :, 6:14] + offsets[:, :1, None])


def test_a_stride_for_every_block() -> None:
    with pytest.raises(ValidationError, match="2 channels but 1 time_strides"):
        emotion.NetworkConfig(channels=(1, 2), time_strides=(1,), hidden=1, attention=1, dropout=0.0)


@pytest.mark.parametrize(("size", "least", "most"), [("smoke", 1e4, 2e5), ("small", 2e5, 4e6), ("base", 3e7, 1.2e8)])
def test_the_sizes_are_what_they_are_named(size: str, least: float, most: float) -> None:
    config = load_config(emotion.EmotionConfig, find_config("tasks", "emotion", size))
    built = emotion.build_network(config, ENCODING)
    assert least <= sum(parameter.numel() for parameter in built.parameters()) <= most
