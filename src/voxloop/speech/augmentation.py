"""Random changes of sounds and spectrograms in training, so that a network learns what they leave alone."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import soxr
import torch
from pydantic import Field
from torch import Tensor, nn

from voxloop.config import StrictModel
from voxloop.speech.waveform import SAMPLE_RATE

Samples = npt.NDArray[np.int16]

_LOUDEST = 32_767
_NEPERS = float(np.log(10.0) / 10.0)
"""Natural logarithm of a power ratio of one decibel."""


class AugmentationConfig(StrictModel):
    """Changes in training, each drawn anew for every utterance and epoch; 0 switches one off."""

    masks: int = Field(default=2, ge=0)
    mel_mask: int = Field(default=8, ge=0)
    """Widest masked band, in mel bands."""
    time_mask: int = Field(default=20, ge=0)
    """Longest masked stretch, in frames."""
    mel_shift: int = Field(default=0, ge=0)
    """Farthest shift along the mel axis, in bands: another length of the vocal tract."""
    filter_db: float = Field(default=0.0, ge=0.0)
    """Largest gain of a random smooth filter, in decibels: another microphone and room."""
    speed: float = Field(default=0.0, ge=0.0, lt=1.0)
    """Largest change of the playing speed, as a share: pitch, formants and tempo together."""
    gain_db: float = Field(default=0.0, ge=0.0)
    """Largest change of the level, in decibels."""
    noise_share: float = Field(default=0.0, ge=0.0, le=1.0)
    """Share of utterances that get noise."""
    noise_snr_db: float = Field(default=10.0)
    """Lowest ratio of speech to that noise; it is drawn from there to 30 dB above."""
    crop_seconds: float = Field(default=0.0, ge=0.0)
    """Longest piece that is heard of an utterance, from a random start."""


class Augmentation(nn.Module):
    """Filters, shifts and masks of spectrograms, drawn from torch's generator.

    D. S. Park et al., "SpecAugment", Interspeech 2019, for the masks; the shifts are a plain form of vocal tract length
    perturbation (N. Jaitly, G. Hinton, ICML workshop on deep learning for audio, 2013); the filters are the linear
    ones of FilterAugment (H. Nam, S.-H. Kim, Y.-H. Park, ICASSP 2022).
    """

    def __init__(self, config: AugmentationConfig) -> None:
        super().__init__()
        self.config = config

    def forward(self, spectrogram: Tensor, counts: Tensor) -> Tensor:
        """Change float32 [batch, frames, mels]; `counts` int64 [batch] are the true lengths."""
        if self.config.mel_shift:
            spectrogram = shift_mels(spectrogram, self.config.mel_shift)
        if self.config.filter_db:
            spectrogram = filter_mels(spectrogram, self.config.filter_db)
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


def filter_mels(spectrogram: Tensor, most: float, knots: int = 5) -> Tensor:
    """Add a gain of -most … most decibels to each band of log power [batch, frames, mels], linear between `knots`."""
    batch, _, mels = spectrogram.shape
    gains = (torch.rand(batch, 1, knots, device=spectrogram.device) * 2.0 - 1.0) * (most * _NEPERS)
    return spectrogram + nn.functional.interpolate(gains, size=mels, mode="linear", align_corners=True)


def random_stretch(lengths: Tensor, longest: int, size: int) -> Tensor:
    """Mark one stretch of 0 … `longest` positions inside each of `lengths` [batch]: bool [batch, size]."""
    width = (torch.rand(lengths.shape, device=lengths.device) * (longest + 1)).floor().minimum(lengths)
    start = (torch.rand(lengths.shape, device=lengths.device) * (lengths - width + 1)).floor()
    position = torch.arange(size, device=lengths.device)[None, :]
    return (position >= start[:, None]) & (position < (start + width)[:, None])


def vary_waveform(samples: Samples, config: AugmentationConfig, draw: np.random.Generator) -> Samples:
    """Crop, speed, level and noise, in this order, as far as `config` has them switched on.

    Speed is as in T. Ko et al., "Audio augmentation for speech recognition", Interspeech 2015, drawn evenly.

    Args:
        samples: int16 [n] at 16 kHz.
        config: How far each may go.
        draw: What is drawn from.

    Returns:
        int16 [m]; `samples` itself where everything is off.
    """
    if config.crop_seconds:
        samples = _crop(samples, round(config.crop_seconds * SAMPLE_RATE), draw)
    if not (config.speed or config.gain_db or config.noise_share):
        return samples
    sound = samples.astype(np.float32)
    if config.speed:
        factor = 1.0 + draw.uniform(-config.speed, config.speed)
        # Cubic interpolation takes half the time of soxr's next better filter; the images it leaves (-28 dB at 4 kHz)
        # cost no accuracy that was seen: docs/LOG.md.
        sound = soxr.resample(sound, SAMPLE_RATE * factor, SAMPLE_RATE, quality="QQ")
    if config.gain_db:
        sound = sound * np.float32(10.0 ** (draw.uniform(-config.gain_db, config.gain_db) / 20.0))
    if draw.random() < config.noise_share:
        sound = sound + _noise(sound, config.noise_snr_db + draw.uniform(0.0, 30.0), draw)
    varied: Samples = np.clip(np.rint(sound), -_LOUDEST, _LOUDEST).astype(np.int16)
    return varied if len(varied) else samples


def _crop(samples: Samples, longest: int, draw: np.random.Generator) -> Samples:
    if len(samples) <= longest:
        return samples
    start = int(draw.integers(len(samples) - longest + 1))
    return samples[start : start + longest]


def _noise(sound: npt.NDArray[np.float32], snr_db: float, draw: np.random.Generator) -> npt.NDArray[np.float32]:
    """White noise, or brown-ish: smoothed over up to 8 samples, at a ratio to the power of `sound`."""
    noise = draw.standard_normal(len(sound), dtype=np.float32)
    width = int(draw.integers(1, 9))
    # "full" and cut: "same" gives the length of the longer, which is the filter's for a sound of a few samples.
    noise = np.convolve(noise, np.full(width, 1.0 / width, dtype=np.float32))[: len(sound)]
    power = float(np.mean(np.square(sound))) / max(float(np.mean(np.square(noise))), 1e-12)
    return noise * np.float32(np.sqrt(power * 10.0 ** (-snr_db / 10.0)))
