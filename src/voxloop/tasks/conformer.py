"""A FastConformer encoder in plain torch, in which no answer depends on how far its batch was padded.

A. Gulati et al., "Conformer", Interspeech 2020; D. Rekesh et al., "Fast Conformer with linearly scalable attention",
ASRU 2023, for the separable subsampling and the short kernels. Two things are done otherwise. Norms are over the
channels of one frame, because statistics of a batch see padding and differ between ranks. Positions are rotations
(J. Su et al., "RoFormer", arXiv:2104.09864), which need no table of relative distances and export to plain operators.
"""

from __future__ import annotations

from typing import Self

import torch
from pydantic import Field, model_validator
from torch import Tensor, nn
from torch.nn import functional

from voxloop.config import StrictModel
from voxloop.speech.log_mel import mask_of


class ConformerConfig(StrictModel):
    """Shape of the encoder."""

    channels: tuple[int, ...] = Field(min_length=1)
    """Of each convolution in front; each halves time and mels, so three of them subsample by 8.

    A frame writes one symbol at most: with two, a small network stayed on CTC's plateau three times as long
    (docs/LOG.md). So frames must be faster than symbols: 80 ms for pieces of words, 40 ms for most characters."""
    width: int = Field(ge=2)
    layers: int = Field(ge=1)
    heads: int = Field(ge=1)
    expansion: int = Field(default=4, ge=1)
    """Width of the feed-forward layers, in widths."""
    kernel: int = Field(default=9, ge=1)
    """Frames under the depthwise convolution of a layer."""
    dropout: float = Field(default=0.1, ge=0.0, lt=1.0)

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.width % (2 * self.heads):
            raise ValueError(f"width ({self.width}) must be a multiple of twice the heads ({self.heads})")
        if self.kernel % 2 == 0:
            raise ValueError(f"kernel ({self.kernel}) must be odd: a frame stands in its middle")
        return self

    def count_outputs(self, frames: int) -> int:
        """Return how many output frames there are for so many frames of the spectrogram."""
        for _ in self.channels:
            frames = (frames - 1) // 2 + 1
        return frames

    @property
    def receptive_frames(self) -> int:
        """Frames of the spectrogram that the convolutions in front look at for one of theirs."""
        return int(2 ** (len(self.channels) + 1)) - 1


class Halving(nn.Module):
    """Convolution 3 x 3 with stride 2 over time and mels, depthwise and pointwise unless it is the first; ReLU."""

    def __init__(self, before: int, after: int) -> None:
        super().__init__()
        if before == 1:
            self.conv: nn.Module = nn.Conv2d(1, after, 3, stride=2, padding=1)
        else:
            depthwise = nn.Conv2d(before, before, 3, stride=2, padding=1, groups=before)
            self.conv = nn.Sequential(depthwise, nn.Conv2d(before, after, 1))

    def forward(self, maps: Tensor, counts: Tensor) -> tuple[Tensor, Tensor]:
        """Maps [batch, channels, frames, mels], zero past `counts` int64 [batch]; the same of the output."""
        maps = functional.relu(self.conv(maps))
        counts = torch.div(counts - 1, 2, rounding_mode="floor") + 1
        return maps * mask_of(counts, maps.shape[2])[:, None, :, None], counts


class FeedForward(nn.Sequential):
    """Norm, expansion, SiLU, back: [batch, frames, width] -> the same."""

    def __init__(self, config: ConformerConfig) -> None:
        width, inner = config.width, config.width * config.expansion
        dropout = nn.Dropout(config.dropout)
        super().__init__(
            nn.LayerNorm(width), nn.Linear(width, inner), nn.SiLU(), dropout, nn.Linear(inner, width), dropout
        )


class Attention(nn.Module):
    """Every frame looks at every frame of its own utterance; queries and keys are turned by their positions."""

    def __init__(self, config: ConformerConfig) -> None:
        super().__init__()
        self.heads = config.heads
        self.norm = nn.LayerNorm(config.width)
        self.project = nn.Linear(config.width, 3 * config.width)
        self.join = nn.Linear(config.width, config.width)
        self.dropout = nn.Dropout(config.dropout)

    def forward(self, frames: Tensor, inside: Tensor, turns: tuple[Tensor, Tensor]) -> Tensor:
        """Frames [batch, frames, width], inside bool [batch, frames], turns as of `rotations`."""
        batch, length, width = frames.shape
        split = self.project(self.norm(frames)).view(batch, length, 3, self.heads, width // self.heads)
        query, key, value = split.permute(2, 0, 3, 1, 4).unbind(0)
        query, key = (rotate(part, turns).to(value.dtype) for part in (query, key))
        found = functional.scaled_dot_product_attention(query, key, value, attn_mask=inside[:, None, None, :])
        joined: Tensor = self.dropout(self.join(found.transpose(1, 2).reshape(batch, length, width)))
        return joined


class Convolution(nn.Module):
    """Gated depthwise convolution over time."""

    def __init__(self, config: ConformerConfig) -> None:
        super().__init__()
        width, kernel = config.width, config.kernel
        self.norm = nn.LayerNorm(width)
        self.open = nn.Linear(width, 2 * width)
        self.depthwise = nn.Conv1d(width, width, kernel, padding=kernel // 2, groups=width)
        self.second_norm = nn.LayerNorm(width)
        self.close = nn.Linear(width, width)
        self.dropout = nn.Dropout(config.dropout)

    def forward(self, frames: Tensor, inside: Tensor) -> Tensor:
        """Frames [batch, frames, width], inside bool [batch, frames]; frames outside are seen as zeros."""
        gated = functional.glu(self.open(self.norm(frames)), dim=2) * inside[:, :, None]
        mixed = self.depthwise(gated.transpose(1, 2)).transpose(1, 2)
        closed: Tensor = self.dropout(self.close(functional.silu(self.second_norm(mixed))))
        return closed


class ConformerLayer(nn.Module):
    """Half a feed-forward, attention, convolution, half a feed-forward, norm."""

    def __init__(self, config: ConformerConfig) -> None:
        super().__init__()
        self.before = FeedForward(config)
        self.attention = Attention(config)
        self.convolution = Convolution(config)
        self.after = FeedForward(config)
        self.norm = nn.LayerNorm(config.width)

    def forward(self, frames: Tensor, inside: Tensor, turns: tuple[Tensor, Tensor]) -> Tensor:
        """Frames [batch, frames, width] -> the same."""
        frames = frames + 0.5 * self.before(frames)
        frames = frames + self.attention(frames, inside, turns)
        frames = frames + self.convolution(frames, inside)
        normed: Tensor = self.norm(frames + 0.5 * self.after(frames))
        return normed


class Conformer(nn.Module):
    """Spectrograms to logits of symbols."""

    def __init__(self, config: ConformerConfig, mels: int, symbols: int) -> None:
        super().__init__()
        self.config = config
        before = (1, *config.channels[:-1])
        self.halvings = nn.ModuleList(Halving(*pair) for pair in zip(before, config.channels, strict=True))
        for _ in config.channels:
            mels = (mels + 1) // 2
        self.project = nn.Linear(config.channels[-1] * mels, config.width)
        self.dropout = nn.Dropout(config.dropout)
        self.layers = nn.ModuleList(ConformerLayer(config) for _ in range(config.layers))
        self.classify = nn.Linear(config.width, symbols)

    def forward(self, spectrogram: Tensor, counts: Tensor) -> tuple[Tensor, Tensor]:
        """Return logits of each symbol in each frame, and how many frames each row has.

        Args:
            spectrogram: float32 [batch, frames, mels], zero past each row's end.
            counts: int64 [batch], frames of each row.

        Returns:
            Logits [batch, frames, symbols], and int64 [batch].
        """
        maps = spectrogram[:, None]
        for halving in self.halvings:
            maps, counts = halving(maps, counts)
        frames = self.dropout(self.project(maps.transpose(1, 2).flatten(2)))
        inside = mask_of(counts, frames.shape[1])
        turns = rotations(frames, self.config.width // self.config.heads)
        for layer in self.layers:
            frames = layer(frames, inside, turns)
        return self.classify(frames), counts


def rotations(frames: Tensor, size: int) -> tuple[Tensor, Tensor]:
    """Cosine and sine of every position's angles, float32 [frames, size // 2] each, for frames [batch, frames, width].

    The slowest of the frequencies 10000^(-2i/size) are those of RoFormer, section 3.2.2.
    """
    position = torch.arange(frames.shape[1], device=frames.device, dtype=torch.float32)
    place = torch.arange(0, size, 2, device=frames.device, dtype=torch.float32)
    angles = position[:, None] * torch.pow(10_000.0, -place / size)[None, :]
    return angles.cos(), angles.sin()


def rotate(heads: Tensor, turns: tuple[Tensor, Tensor]) -> Tensor:
    """Turn pairs of features [batch, heads, frames, size], one from each half, by the angles of their positions."""
    cosine, sine = turns
    left, right = heads.chunk(2, dim=3)
    return torch.cat([left * cosine - right * sine, right * cosine + left * sine], dim=3)
