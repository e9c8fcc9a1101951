"""Random changes of a spectrogram in training, so that a network learns what they leave alone."""

from __future__ import annotations

import torch
from pydantic import Field
from torch import Tensor, nn

from voxloop.config import StrictModel


class AugmentationConfig(StrictModel):
    """Changes of the spectrogram in training, each drawn anew for every utterance; 0 switches one off."""

    masks: int = Field(default=2, ge=0)
    mel_mask: int = Field(default=8, ge=0)
    """Widest masked band, in mel bands."""
    time_mask: int = Field(default=20, ge=0)
    """Longest masked stretch, in frames."""
    mel_shift: int = Field(default=0, ge=0)
    """Farthest shift along the mel axis, in bands: another length of the vocal tract."""


class Augmentation(nn.Module):
    """Masks and shifts, drawn from torch's generator.

    D. S. Park et al., "SpecAugment", Interspeech 2019, for the masks; the shifts are a plain form of vocal tract length
    perturbation (N. Jaitly, G. Hinton, ICML workshop on deep learning for audio, 2013).
    """

    def __init__(self, config: AugmentationConfig) -> None:
        super().__init__()
        self.config = config

    def forward(self, spectrogram: Tensor, counts: Tensor) -> Tensor:
        """Change float32 [batch, frames, mels]; `counts` int64 [batch] are the true lengths."""
        if self.config.mel_shift:
            spectrogram = shift_mels(spectrogram, self.config.mel_shift)
        mels = torch.full_like(counts, spectrogram.shape[2])
        for _ in range(self.config.masks):
            bands = random_stretch(mels, self.config.mel_mask, spectrogram.shape[2])
            times = random_stretch(counts, self.config.time_mask, spectrogram.shape[1])
            spectrogram = spectrogram.masked_fill(bands[:, None, :] | times[:, :, None], 0.0)
        return spectrogram


def shift_mels(spectrogram: Tensor, farthest: int) -> Tensor:
    """Move each spectrogram [batch, frames, mels] by -farthest … farthest bands; the edge band is repeated."""
    batch, _, mels = spectrogram.shape
    device = spectrogram.device
    shift = torch.randint(-farthest, farthest + 1, (batch, 1), device=device)
    source = (torch.arange(mels, device=device)[None, :] - shift).clamp(0, mels - 1)
    return spectrogram.gather(2, source[:, None, :].expand_as(spectrogram))


def random_stretch(lengths: Tensor, longest: int, size: int) -> Tensor:
    """Mark one stretch of 0 … `longest` positions inside each of `lengths` [batch]: bool [batch, size]."""
    width = (torch.rand(lengths.shape, device=lengths.device) * (longest + 1)).floor().minimum(lengths)
    start = (torch.rand(lengths.shape, device=lengths.device) * (lengths - width + 1)).floor()
    position = torch.arange(size, device=lengths.device)[None, :]
    return (position >= start[:, None]) & (position < (start + width)[:, None])
