"""Speech emotion: one of six labels for one utterance of one speaker."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Self

import numpy as np
import numpy.typing as npt
import torch
from pydantic import Field, model_validator
from torch import Tensor, nn
from torch.nn import functional

from voxloop.config import StrictModel
from voxloop.speech.augmentation import Augmentation, AugmentationConfig
from voxloop.speech.log_mel import LogMel, LogMelConfig, mask_of
from voxloop.tasks import Request, TensorSpec
from voxloop.tasks.recipe import Recipe

NAME = "emotion"
TARGET = "emotion"
LABELS = ("anger", "fear", "happiness", "neutral", "sadness", "surprise")
REQUEST = Request(
    inputs=(
        TensorSpec("waveform", "float32", ("batch", "samples")),
        TensorSpec("num_samples", "int64", ("batch",)),
    ),
    outputs=(TensorSpec("probabilities", "float32", ("batch", len(LABELS))),),
)


class NetworkConfig(StrictModel):
    """Convolutions over mel and time, then attentive statistics pooling. One number a block in the two tuples."""

    channels: tuple[int, ...] = Field(min_length=1)
    time_strides: tuple[int, ...] = Field(min_length=1)
    hidden: int = Field(ge=1)
    attention: int = Field(ge=1)
    dropout: float = Field(ge=0.0, lt=1.0)

    @model_validator(mode="after")
    def _same_length(self) -> Self:
        if len(self.channels) != len(self.time_strides):
            raise ValueError(f"{len(self.channels)} channels but {len(self.time_strides)} time_strides")
        return self


class EmotionConfig(Recipe):
    """Everything a training of this family depends on beside its data."""

    log_mel: LogMelConfig = LogMelConfig()
    network: NetworkConfig
    augmentation: AugmentationConfig = AugmentationConfig()


Config = EmotionConfig


class ConvBlock(nn.Module):
    """Convolution 3 x 3, normalisation of each frame over channels and mels, ReLU; halves the mel axis.

    Batch statistics would see the padding; a frame's own cannot (layer normalisation, Ba et al., 2016).
    """

    def __init__(self, before: int, after: int, time_stride: int) -> None:
        super().__init__()
        self.time_stride = time_stride
        # The bias gives a frame of silence some variance; without it rounding alone would be normalised to 1.
        self.conv = nn.Conv2d(before, after, 3, stride=(2, time_stride), padding=1)
        self.scale = nn.Parameter(torch.ones(after, 1, 1))
        self.shift = nn.Parameter(torch.zeros(after, 1, 1))

    def forward(self, maps: Tensor, counts: Tensor) -> tuple[Tensor, Tensor]:
        """Maps float32 [batch, channels, mels, frames], zero past `counts` [batch]; the same of the output."""
        maps = self.conv(maps).float()
        variance, mean = torch.var_mean(maps, dim=(1, 2), keepdim=True, correction=0)
        maps = (maps - mean) * torch.rsqrt(variance + 1e-5) * self.scale + self.shift
        counts = torch.div(counts - 1, self.time_stride, rounding_mode="floor") + 1
        mask = mask_of(counts, maps.shape[3])[:, None, None, :]
        return functional.relu(maps) * mask, counts


class AttentiveStatistics(nn.Module):
    """Weighted mean and standard deviation over time, a weight for each frame and feature.

    K. Okabe, T. Koshinaka, K. Shinoda, "Attentive statistics pooling for deep speaker embedding", Interspeech 2018.
    """

    def __init__(self, features: int, attention: int) -> None:
        super().__init__()
        self.score = nn.Sequential(nn.Linear(features, attention), nn.Tanh(), nn.Linear(attention, features))

    def forward(self, frames: Tensor, counts: Tensor) -> Tensor:
        """Pool float32 [batch, frames, features] over the first `counts` [batch] frames: [batch, 2 * features]."""
        outside = ~mask_of(counts, frames.shape[1])[:, :, None]
        frames = frames.float()
        weights = self.score(frames).float().masked_fill(outside, -1e9).softmax(dim=1)
        mean = (weights * frames).sum(dim=1)
        variance = (weights * (frames - mean[:, None, :]).square()).sum(dim=1)
        return torch.cat([mean, (variance + 1e-5).sqrt()], dim=1)


class EmotionNetwork(nn.Module):
    """Waveform to logits; the log-mel spectrogram is inside."""

    def __init__(self, config: EmotionConfig) -> None:
        super().__init__()
        network = config.network
        self.log_mel = LogMel(config.log_mel)
        self.augmentation = Augmentation(config.augmentation)
        before = (1, *network.channels[:-1])
        triples = zip(before, network.channels, network.time_strides, strict=True)
        self.blocks = nn.ModuleList(ConvBlock(*triple) for triple in triples)
        mels = config.log_mel.mels
        for _ in network.channels:
            mels = (mels + 1) // 2
        self.project = nn.Linear(network.channels[-1] * mels, network.hidden)
        self.pool = AttentiveStatistics(network.hidden, network.attention)
        self.classify = nn.Linear(2 * network.hidden, len(LABELS))
        self.dropout = nn.Dropout(network.dropout)

    def forward(self, waveform: Tensor, num_samples: Tensor) -> Tensor:
        """Return logits float32 [batch, labels] for waveform float32 [batch, samples], num_samples int64 [batch]."""
        spectrogram, counts = self.log_mel(waveform, num_samples)
        if self.training:
            spectrogram = self.augmentation(spectrogram, counts)
        maps = spectrogram.transpose(1, 2)[:, None]
        for block in self.blocks:
            maps, counts = block(maps, counts)
        frames = functional.relu(self.project(self.dropout(maps.flatten(1, 2).transpose(1, 2))))
        logits: Tensor = self.classify(self.dropout(self.pool(frames, counts)))
        return logits.float()


def build_network(config: EmotionConfig) -> EmotionNetwork:
    """Return a freshly initialised network; torch's generator decides its weights."""
    return EmotionNetwork(config)


def answer(logits: Tensor) -> Tensor:
    """Probabilities float32 [batch, labels] of logits [batch, labels]."""
    return logits.softmax(dim=1)


def label_weights(counts: Tensor) -> Tensor:
    """Weights in proportion to 1 / count, their mean over the utterances 1; a label that never occurs gets 0.

    Args:
        counts: int64 [labels], utterances of each label in training.
    """
    present = counts > 0
    weights = counts.sum() / (present.sum() * counts.clamp(min=1))
    return torch.where(present, weights, 0.0).float()


def loss(logits: Tensor, labels: Tensor, weights: Tensor) -> Tensor:
    """Class-weighted cross-entropy of logits [batch, labels] and labels int64 [batch]: a scalar."""
    return functional.cross_entropy(logits, labels, weight=weights)


def decode(probabilities: npt.ArrayLike, labels: Sequence[str] = LABELS) -> list[str]:
    """Return the likeliest of `labels` for each row of probabilities [n, labels]; a single row [labels] is n = 1."""
    rows = np.atleast_2d(np.asarray(probabilities))
    return [labels[index] for index in rows.argmax(axis=1)]


def uar(reference: Sequence[str], predicted: Sequence[str], labels: Sequence[str] = LABELS) -> float:
    """Unweighted average recall: the mean, over the labels in `reference`, of the share of each found again.

    B. Schuller, S. Steidl, A. Batliner, "The INTERSPEECH 2009 emotion challenge", Interspeech 2009. NaN for nothing.
    """
    hits, asked, _ = _counts(reference, predicted, labels)
    return float((hits[asked > 0] / asked[asked > 0]).mean()) if asked.any() else float("nan")


def wa(reference: Sequence[str], predicted: Sequence[str], labels: Sequence[str] = LABELS) -> float:
    """Weighted accuracy: the share of utterances given their own label (same source). NaN for nothing."""
    hits, asked, _ = _counts(reference, predicted, labels)
    return float(hits.sum() / asked.sum()) if asked.any() else float("nan")


def macro_f1(reference: Sequence[str], predicted: Sequence[str], labels: Sequence[str] = LABELS) -> float:
    """Mean F1 of the labels that occur in `reference` or `predicted`. NaN for nothing.

    J. Opitz, S. Burst, "Macro F1 and macro F1", arXiv:1911.03347 (the averaged F1, not the F1 of averages).
    """
    hits, asked, given = _counts(reference, predicted, labels)
    seen = asked + given > 0
    return float((2.0 * hits[seen] / (asked + given)[seen]).mean()) if seen.any() else float("nan")


def _counts(
    reference: Sequence[str], predicted: Sequence[str], labels: Sequence[str]
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Hits, references and predictions of each label, int64 [labels]; other words in `predicted` are misses."""
    pairs = list(zip(reference, predicted, strict=True))
    hits = [sum(wanted == label == found for wanted, found in pairs) for label in labels]
    asked = [sum(wanted == label for wanted, _ in pairs) for label in labels]
    given = [sum(found == label for _, found in pairs) for label in labels]
    return np.array(hits), np.array(asked), np.array(given)
