"""Arousal and valence: only where asked, only where known, and no padding in them."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from voxloop.errors import CorpusError
from voxloop.speech.augmentation import AugmentationConfig
from voxloop.tasks import Example, emotion, get_task
from voxloop.tasks.recipe import BatchingConfig, OptimiserConfig
from voxloop.training.examples import collate
from voxloop.training.export import Answering

CONFIG = emotion.EmotionConfig(
    epochs=1,
    patience=1,
    optimiser=OptimiserConfig(learning_rate=1e-3),
    batching=BatchingConfig(audio_seconds=10.0),
    network=emotion.NetworkConfig(
        channels=(4, 6), time_strides=(2, 2), hidden=12, attention=6, dropout=0.0, norm="batch"
    ),
    dimensions=True,
)
SOUND = np.zeros(8_000, dtype=np.int16)


def row(emotion_: str | None = "anger", **features: float | None) -> dict[str, Any]:
    return {"utterance_id": "u", "emotion": emotion_, "features": features}


ROWS = [
    row(arousal=1.0, valence=7.0),
    row("fear", arousal=5.0),
    row("sadness", valence=None),
    row("anger", valence=3.0),
]
ENCODING = emotion.learn_encoding(ROWS, CONFIG)


def examples(rows: list[dict[str, Any]]) -> list[Example]:
    found = [emotion.encode(one, SOUND, ENCODING, CONFIG) for one in rows]
    assert all(found)
    return [one for one in found if one is not None]


def test_the_scale_is_that_of_the_rows_that_have_one() -> None:
    assert ENCODING.dimensions is not None
    assert ENCODING.dimensions.means == (3.0, 5.0)
    assert ENCODING.dimensions.spreads == (2.0, 2.0)


def test_what_is_not_asked_for_is_not_there() -> None:
    plain = CONFIG.model_copy(update={"dimensions": False})
    encoding = emotion.learn_encoding(ROWS, plain)
    assert encoding.dimensions is None
    assert [spec.name for spec in emotion.request(encoding).outputs] == ["probabilities"]
    example = emotion.encode(ROWS[0], SOUND, encoding, plain)
    assert example is not None
    assert set(example.targets) == {"label"}
    assert emotion.reference(ROWS[0], encoding) == {"emotion": "anger"}
    assert "ccc_arousal" not in emotion.measure([{"emotion": "anger"}], [{"emotion": "anger"}], encoding)


def test_asking_for_what_no_row_has_is_refused() -> None:
    with pytest.raises(CorpusError, match="no training row has valence"):
        emotion.learn_encoding([row(arousal=1.0), row(None, valence=2.0)], CONFIG)


def test_the_loss_knows_only_what_is_known() -> None:
    targets = collate(examples(ROWS)).targets
    logits = torch.randn(4, 6)
    values = torch.tensor([[3.0, 5.0], [3.0, 99.0], [99.0, 99.0], [99.0, 3.0]]).requires_grad_()
    plain = emotion.losses(logits, targets, CONFIG)
    loss = emotion.losses((logits, values), targets, CONFIG)
    # Both one spread off; arousal alone one spread off; nothing known; valence alone exact.
    torch.testing.assert_close(loss - plain, torch.tensor([1.0, 1.0, 0.0, 0.0]))
    half = CONFIG.model_copy(update={"dimension_weight": 0.5})
    torch.testing.assert_close(emotion.losses((logits, values), targets, half) - plain, (loss - plain) / 2)
    torch.autograd.backward(loss.sum())
    assert values.grad is not None
    assert values.grad.isfinite().all()
    assert values.grad.ne(0.0).tolist() == [[True, True], [True, False], [False, False], [False, False]]


def test_answers_carry_the_dimensions_through() -> None:
    torch.manual_seed(0)
    network = emotion.build_network(CONFIG, ENCODING).eval()
    names = [spec.name for spec in emotion.request(ENCODING).outputs]
    assert names == ["probabilities", "dimensions"]
    batch = collate(examples(ROWS))
    with torch.inference_mode():
        outputs = Answering(network, get_task(emotion.NAME))(
            *(batch.inputs[name] for name in ("waveform", "num_samples"))
        )
    arrays = {name: output.numpy() for name, output in zip(names, outputs, strict=True)}
    answers = emotion.decode(arrays, ENCODING)
    assert [(one["arousal"], one["valence"]) for one in answers] == [
        tuple(pair) for pair in arrays["dimensions"].tolist()
    ]
    found = emotion.measure([emotion.reference(one, ENCODING) or {} for one in ROWS], answers, ENCODING)
    assert set(found) == {"uar", "wa", "macro_f1", "ccc_arousal", "ccc_valence"}
    assert all(-1.0 <= found[f"ccc_{name}"] <= 1.0 for name in emotion.DIMENSIONS)


def test_ccc_is_over_the_rows_that_have_a_value() -> None:
    references = [emotion.reference(one, ENCODING) or {} for one in ROWS]
    answers = [{"emotion": "anger", "arousal": value, "valence": 0.0} for value in (1.0, 5.0, 99.0, -99.0)]
    found = emotion.measure(references, answers, ENCODING)
    assert found["ccc_arousal"] == pytest.approx(1.0)
    assert found["ccc_valence"] == 0.0
    assert math.isnan(emotion.measure(references[2:3], answers[2:3], ENCODING)["ccc_arousal"])


@settings(max_examples=20, deadline=None)
@given(lengths=st.lists(st.integers(200, 30_000), min_size=2, max_size=3), padding=st.integers(0, 20_000))
def test_an_answer_does_not_depend_on_its_batch(lengths: list[int], padding: int) -> None:
    torch.manual_seed(0)
    network = emotion.build_network(CONFIG, ENCODING).eval()
    batch = torch.zeros(len(lengths), max(lengths) + padding)
    for place, length in enumerate(lengths):
        batch[place, :length] = 0.1 * torch.randn(length, generator=torch.Generator().manual_seed(place))
    with torch.inference_mode():
        together = network(batch, torch.tensor(lengths))
        for place, length in enumerate(lengths):
            alone = network(batch[place : place + 1, :length], torch.tensor([length]))
            for one, other in zip(together, alone, strict=True):
                torch.testing.assert_close(one[place], other[0], atol=1e-4, rtol=0)


def test_label_smoothing_is_torchs() -> None:
    smooth = CONFIG.model_copy(update={"label_smoothing": 0.2})
    logits, labels = torch.randn(5, 6), torch.arange(5)
    uniform = -logits.log_softmax(dim=1).mean(dim=1)
    sharp = emotion.losses(logits, {"label": labels}, CONFIG)
    torch.testing.assert_close(emotion.losses(logits, {"label": labels}, smooth), 0.8 * sharp + 0.2 * uniform)


def test_batch_statistics_are_those_of_the_sound_alone() -> None:
    """Padding changes neither what a training step computes nor what it remembers."""
    quiet = CONFIG.model_copy(update={"augmentation": AugmentationConfig(masks=0)})
    outputs, memories = [], []
    sounds = 0.1 * torch.randn(2, 16_000, generator=torch.Generator().manual_seed(0))
    for padding in (0, 12_000):
        torch.manual_seed(0)
        network = emotion.build_network(quiet, ENCODING)
        padded = torch.nn.functional.pad(sounds, (0, padding))
        outputs.append(network(padded, torch.tensor([16_000, 9_000])))
        memories.append({name: value for name, value in network.state_dict().items() if "running" in name})
    for one, other in zip(*outputs, strict=True):
        torch.testing.assert_close(one, other, atol=1e-5, rtol=1e-4)
    assert memories[0]
    torch.testing.assert_close(memories[0], memories[1], atol=1e-5, rtol=1e-4)
