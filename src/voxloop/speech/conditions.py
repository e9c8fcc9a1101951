"""Conditions a model is not asked about in its data: noise, babble, another level, codecs, clipping, another speed.

What each does is a function of the sound, its numbers and the stream of chance it is given: the same three give the
same samples.
"""

from __future__ import annotations

from functools import singledispatch
from typing import Literal

import numpy as np
import numpy.typing as npt
import soxr
from numpy.random import Generator
from pydantic import Field

from voxloop.config import StrictModel
from voxloop.speech.recording import mix_noise, pass_codec, pass_telephone
from voxloop.speech.waveform import SAMPLE_RATE, Waveform

FLAT_HZ = 500.0
"""Up to here the long-term spectrum of speech is about flat."""
FALL_DB = 9.0
"""What it falls by above that, dB an octave (D. Byrne and others, "An international comparison of long-term average
speech spectra", J. Acoust. Soc. Am. 96, 1994, figure 3, about)."""
SYLLABLES_HZ = (3.0, 6.0)
"""How fast a talker's level goes up and down."""


class Noise(StrictModel):
    """White noise, as loud beside the whole utterance as `snr_db` says."""

    kind: Literal["noise"]
    snr_db: float = Field(ge=-20.0, le=90.0)


class Babble(StrictModel):
    """Several people talking behind the speaker: noise with the spectrum of speech that comes and goes in syllables.

    As the ICRA noises are made (W. A. Dreschler and others, "ICRA noises", Audiology 40, 2001): nobody can be
    understood in it, so that no recogniser is asked to leave words out.
    """

    kind: Literal["babble"]
    snr_db: float = Field(ge=-20.0, le=90.0)
    voices: int = Field(default=6, ge=1, le=64)


class Gain(StrictModel):
    """Another level, dB; what is too loud is clipped."""

    kind: Literal["gain"]
    db: float = Field(ge=-60.0, le=60.0)


class Coding(StrictModel):
    """A lossy codec: coded and decoded again. Quality from 0.01, the smallest file, to 1."""

    kind: Literal["codec"]
    codec: Literal["opus", "vorbis", "mp3"]
    quality: float = Field(ge=0.01, le=1.0)


class Telephone(StrictModel):
    """300 to 3,400 Hz, 8 kHz, mu-law."""

    kind: Literal["telephone"]


class Speed(StrictModel):
    """Played faster or slower: pitch, formants and tempo together."""

    kind: Literal["speed"]
    factor: float = Field(ge=0.5, le=2.0)


class Clipping(StrictModel):
    """A microphone driven too far: the loudest share of the samples is cut to the level of the loudest that stays."""

    kind: Literal["clipping"]
    share: float = Field(gt=0.0, lt=1.0)


class Silence(StrictModel):
    """Digital silence before the utterance, s."""

    kind: Literal["silence"]
    seconds: float = Field(gt=0.0, le=10.0)


SoundCondition = Noise | Babble | Gain | Coding | Telephone | Speed | Clipping | Silence
"""One of them, told apart by `kind`."""


def change_sound(waveform: Waveform, condition: SoundCondition, draw: Generator) -> Waveform:
    """Return float32 [m] in [-1, 1] at 16 kHz: the sound, float32 [n], as heard under a condition.

    Args:
        waveform: At least one sample.
        condition: Which.
        draw: What is drawn from, where the condition has chance in it.
    """
    return np.asarray(np.clip(_change(condition, waveform, draw), -1.0, 1.0), dtype=np.float32)


@singledispatch
def _change(condition: SoundCondition, _waveform: Waveform, _draw: Generator) -> Waveform:
    raise NotImplementedError(f"no way to make {type(condition).__name__}")


@_change.register
def _add_white(condition: Noise, waveform: Waveform, draw: Generator) -> Waveform:
    return mix_noise(waveform, draw.standard_normal(len(waveform), dtype=np.float32), condition.snr_db)


@_change.register
def _add_babble(condition: Babble, waveform: Waveform, draw: Generator) -> Waveform:
    return mix_noise(waveform, make_babble(len(waveform), condition.voices, draw), condition.snr_db)


@_change.register
def _turn_level(condition: Gain, waveform: Waveform, _draw: Generator) -> Waveform:
    return waveform * np.float32(10.0 ** (condition.db / 20.0))


@_change.register
def _code(condition: Coding, waveform: Waveform, _draw: Generator) -> Waveform:
    return pass_codec(waveform, condition.codec, condition.quality)


@_change.register
def _telephone(_condition: Telephone, waveform: Waveform, _draw: Generator) -> Waveform:
    return pass_telephone(waveform)


@_change.register
def _play(condition: Speed, waveform: Waveform, _draw: Generator) -> Waveform:
    played = soxr.resample(waveform, SAMPLE_RATE * condition.factor, SAMPLE_RATE, quality="HQ")
    return played if len(played) else waveform


@_change.register
def _clip(condition: Clipping, waveform: Waveform, _draw: Generator) -> Waveform:
    level = np.float32(np.quantile(np.abs(waveform), 1.0 - condition.share))
    return np.clip(waveform, -level, level)


@_change.register
def _wait(condition: Silence, waveform: Waveform, _draw: Generator) -> Waveform:
    return np.concatenate([np.zeros(round(condition.seconds * SAMPLE_RATE), dtype=np.float32), waveform])


def make_babble(samples: int, voices: int, draw: Generator) -> Waveform:
    """Return the noise of several talkers, float32 [samples], of no particular level."""
    time = np.arange(samples) / SAMPLE_RATE
    sound, gains = np.zeros(samples), _gains_of_speech(samples)
    for _ in range(voices):
        turn = 2.0 * np.pi * (draw.uniform(*SYLLABLES_HZ) * time + draw.random())
        spectrum = np.fft.rfft(draw.standard_normal(2 * len(gains) - 2)) * gains
        sound += np.square(0.5 - 0.5 * np.cos(turn)) * np.fft.irfft(spectrum)[:samples]
    return sound.astype(np.float32)


def _gains_of_speech(samples: int) -> npt.NDArray[np.float64]:
    """Return what makes white noise of at least so many samples sound like speech, by frequency."""
    size = 1 << max(samples - 1, 1).bit_length()  # transforms of other lengths take ten times as long
    hertz = np.maximum(np.fft.rfftfreq(size, 1.0 / SAMPLE_RATE), FLAT_HZ)
    return np.asarray(10.0 ** (-FALL_DB / 20.0 * np.log2(hertz / FLAT_HZ)), dtype=np.float64)
