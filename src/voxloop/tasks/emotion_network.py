"""The network of the emotion family: log-mel, convolutions, attentive statistics, one or two linear ends."""

from __future__ import annotations

from typing import Literal, Self

import torch
from pydantic import Field, model_validator
from torch import Tensor, nn
from torch.nn import functional

from voxloop.config import StrictModel
from voxloop.speech.augmentation import Augmentation, AugmentationConfig
from voxloop.speech.log_mel import LogMel, LogMelConfig, mask_of
from voxloop.tasks.batch_statistics import BatchStatistics


class NetworkConfig(StrictModel):
    """Convolutions over mel and time, then attentive statistics pooling. One number a block in the two tuples."""

    channels: tuple[int, ...] = ()
    """Empty under a backbone, which stands in the convolutions' place; else there is at least one."""
    time_strides: tuple[int, ...] = ()
    hidden: int = Field(ge=1)
    attention: int = Field(ge=1)
    dropout: float = Field(ge=0.0, lt=1.0)
    norm: Literal["frame", "batch"] = "frame"
    """What a block is normalised by: each frame by itself, or all of a batch, which learns faster."""

    @model_validator(mode="after")
    def _same_length(self) -> Self:
        if len(self.channels) != len(self.time_strides):
            raise ValueError(f"{len(self.channels)} channels but {len(self.time_strides)} time_strides")
        return self


class Dimensions(StrictModel):
    """Arousal and valence, in this order, as the training rows have them: what the second end is scaled by."""

    means: tuple[float, float]
    spreads: tuple[float, float]
    """Standard deviations, 1 where all values are the same."""


class ConvBlock(nn.Module):
    """Convolution 3 x 3, normalisation of each frame or over the batch, ReLU; halves the mel axis."""

    def __init__(self, before: int, after: int, time_stride: int, norm: Literal["frame", "batch"] = "frame") -> None:
        super().__init__()
        self.time_stride = time_stride
        # The bias gives a frame of silence some variance; without it rounding alone would be normalised to 1.
        self.conv = nn.Conv2d(before, after, 3, stride=(2, time_stride), padding=1)
        self.scale = nn.Parameter(torch.ones(after, 1, 1))
        self.shift = nn.Parameter(torch.zeros(after, 1, 1))
        self.statistics = BatchStatistics(after) if norm == "batch" else None

    def forward(self, maps: Tensor, counts: Tensor) -> tuple[Tensor, Tensor]:
        """Maps float32 [batch, channels, mels, frames], zero past `counts` [batch]; the same of the output."""
        maps = self.conv(maps).float()
        counts = torch.div(counts - 1, self.time_stride, rounding_mode="floor") + 1
        mask = mask_of(counts, maps.shape[3])[:, None, None, :]
        if self.statistics is None:
            # A frame's own statistics, over channels and mels: layer normalisation (Ba et al., 2016).
            variance, mean = torch.var_mean(maps, dim=(1, 2), keepdim=True, correction=0)
        else:
            variance, mean = self.statistics(maps, mask)
        maps = (maps - mean) * torch.rsqrt(variance + 1e-5) * self.scale + self.shift
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


class DimensionEnd(nn.Module):
    """A linear layer whose outputs are on the scale of the corpus, standardised inside."""

    means: Tensor
    spreads: Tensor

    def __init__(self, features: int, dimensions: Dimensions) -> None:
        super().__init__()
        self.linear = nn.Linear(features, 2)
        self.register_buffer("means", torch.tensor(dimensions.means), persistent=False)
        self.register_buffer("spreads", torch.tensor(dimensions.spreads), persistent=False)

    def forward(self, pooled: Tensor) -> Tensor:
        """Return arousal and valence float32 [batch, 2] of [batch, features]."""
        values: Tensor = self.linear(pooled)
        return values.float() * self.spreads + self.means


class EmotionEnds(nn.Module):
    """What comes behind the frames of an encoder; a subclass has the encoder and says how an utterance is embedded."""

    temperature: Tensor
    """What logits are divided by outside training, float32 []: 1 until calibrated."""

    def add_ends(self, features: int, network: NetworkConfig, labels: int, dimensions: Dimensions | None) -> None:
        """Add the layers behind frames of so many features; after the encoder, whose weights are drawn first."""
        self.project = nn.Linear(features, network.hidden)
        self.pool = AttentiveStatistics(network.hidden, network.attention)
        self.classify = nn.Linear(2 * network.hidden, labels)
        self.dropout = nn.Dropout(network.dropout)
        self.register_buffer("temperature", torch.ones(()))
        self.estimate = None if dimensions is None else DimensionEnd(2 * network.hidden, dimensions)

    def forward(self, waveform: Tensor, num_samples: Tensor) -> Tensor | tuple[Tensor, Tensor]:
        """Return logits float32 [batch, labels], with arousal and valence float32 [batch, 2] behind where asked.

        Args:
            waveform: float32 [batch, samples].
            num_samples: int64 [batch].
        """
        pooled = self.dropout(self.embed(waveform, num_samples))
        logits: Tensor = self.classify(pooled).float()
        if not self.training:
            logits = logits / self.temperature
        return logits if self.estimate is None else (logits, self.estimate(pooled))

    def embed(self, waveform: Tensor, num_samples: Tensor) -> Tensor:
        """Return what an utterance sounds like, float32 [batch, 2 * hidden]."""
        raise NotImplementedError

    def pool_frames(self, frames: Tensor, counts: Tensor) -> Tensor:
        """Project and pool float [batch, frames, features] over the first `counts` [batch] frames."""
        pooled: Tensor = self.pool(functional.relu(self.project(self.dropout(frames))), counts)
        return pooled


class EmotionNetwork(EmotionEnds):
    """Waveform to logits, and to arousal and valence where asked; the log-mel spectrogram is inside.

    Args:
        log_mel: The spectrogram.
        network: Sizes.
        augmentation: What happens to spectrograms in training.
        labels: How many logits.
        dimensions: The scale of arousal and valence; None leaves them out.
    """

    def __init__(
        self,
        log_mel: LogMelConfig,
        network: NetworkConfig,
        augmentation: AugmentationConfig,
        labels: int,
        dimensions: Dimensions | None = None,
    ) -> None:
        super().__init__()
        self.log_mel = LogMel(log_mel)
        self.augmentation = Augmentation(augmentation)
        before = (1, *network.channels[:-1])
        triples = zip(before, network.channels, network.time_strides, strict=True)
        self.blocks = nn.ModuleList(ConvBlock(*triple, network.norm) for triple in triples)
        mels = log_mel.mels
        for _ in network.channels:
            mels = (mels + 1) // 2
        self.add_ends(network.channels[-1] * mels, network, labels, dimensions)

    def embed(self, waveform: Tensor, num_samples: Tensor) -> Tensor:
        """Return what an utterance sounds like, float32 [batch, 2 * hidden]."""
        spectrogram, counts = self.log_mel(waveform, num_samples)
        if self.training:
            spectrogram = self.augmentation(spectrogram, counts)
        maps = spectrogram.transpose(1, 2)[:, None]
        for block in self.blocks:
            maps, counts = block(maps, counts)
        return self.pool_frames(maps.flatten(1, 2).transpose(1, 2), counts)
