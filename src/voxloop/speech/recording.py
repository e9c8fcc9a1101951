"""From a voice to a recording: the noise of the room, the gain of the microphone, a telephone, a codec.

They come in this order, as in the world: a telephone carries the room's noise with the voice, and so does a codec.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import Literal

import numpy as np
import soundfile
import soxr
from numpy.random import Generator

from voxloop.speech.waveform import SAMPLE_RATE, Waveform

Codec = Literal["none", "opus", "vorbis", "mp3"]

BAND = (300.0, 3_400.0)
"""What a telephone passes, Hz (ITU-T G.712)."""
TELEPHONE_RATE = 8_000
"""Hz."""
_FORMATS = {"opus": ("OGG", "OPUS"), "vorbis": ("OGG", "VORBIS"), "mp3": ("MP3", "MPEG_LAYER_III")}


@dataclass(frozen=True)
class Channel:
    """What lies between a voice and its recording.

    Args:
        noise_db: White noise beside the speech, dB; what an utterance gets differs from it by chance.
        snr_db: Speech over noise in every utterance, dB; exact, and instead of `noise_db` where it is given.
        telephone: Whether it is heard over a telephone.
        codec: What the recording is coded with, and decoded from.
        codec_quality: 0.01, the smallest file, to 1.
    """

    noise_db: float
    snr_db: float | None = None
    telephone: bool = False
    codec: Codec = "none"
    codec_quality: float = 0.5


def record(voice: Waveform, channel: Channel, draw: Generator) -> Waveform:
    """Return what the far end of the channel hears, as many samples as went in; what is too loud is clipped.

    `draw` gives as many numbers as there are samples and one more, whatever the channel is.
    """
    noisy = voice + _make_noise(voice, channel, draw)
    gain = np.float32(10.0 ** (draw.normal(-3.0, 3.0) / 20.0))
    heard = np.asarray(np.clip(noisy * gain, -1.0, 1.0), dtype=np.float32)
    if channel.telephone:
        heard = pass_telephone(heard)
    if channel.codec != "none":
        heard = pass_codec(heard, channel.codec, channel.codec_quality)
    return heard


def pass_telephone(waveform: Waveform) -> Waveform:
    """Send float32 [n] at 16 kHz through 300 to 3,400 Hz, 8 kHz and the 8-bit mu-law of ITU-T G.711, and back."""
    narrow = soxr.resample(_limit_band(waveform), SAMPLE_RATE, TELEPHONE_RATE, quality="HQ")
    line = _code(np.clip(narrow, -1.0, 1.0), TELEPHONE_RATE, "WAV", "ULAW")
    return _fit(soxr.resample(line, TELEPHONE_RATE, SAMPLE_RATE, quality="HQ"), len(waveform))


def pass_codec(waveform: Waveform, codec: Codec, quality: float) -> Waveform:
    """Code and decode float32 [n] at 16 kHz. The same samples give the same samples.

    At quality 0.1, 0.5 and 1 a second of the world's speech takes 4.3, 17 and 33 kB in Opus, 5.2, 8 and 12 kB in
    Vorbis, 4.5, 6 and 9 kB in MP3 (30 utterances). Opus takes as long as eight utterances take to speak.
    """
    form, subtype = _FORMATS[codec]
    return _fit(_code(waveform, SAMPLE_RATE, form, subtype, compression_level=1.0 - quality), len(waveform))


def _make_noise(voice: Waveform, channel: Channel, draw: Generator) -> Waveform:
    level = float(np.sqrt(np.mean(np.square(voice)))) + 1e-6
    noise = draw.standard_normal(len(voice), dtype=np.float32)
    if channel.snr_db is None:
        return noise * np.float32(level * 10.0 ** (channel.noise_db / 20.0))
    return noise * _noise_gain(level, noise, channel.snr_db)


def mix_noise(waveform: Waveform, noise: Waveform, snr_db: float) -> Waveform:
    """Return float32 [n] with noise, float32 [n], at exactly `snr_db` beside the power of the whole; not clipped."""
    level = float(np.sqrt(np.mean(np.square(waveform)))) + 1e-6
    return waveform + noise * _noise_gain(level, noise, snr_db)


def _noise_gain(level: float, noise: Waveform, snr_db: float) -> np.float32:
    power = max(float(np.mean(np.square(noise, dtype=np.float64))), 1e-12)
    return np.float32(level * 10.0 ** (-snr_db / 20.0) / np.sqrt(power))


def _limit_band(waveform: Waveform) -> Waveform:
    spectrum = np.fft.rfft(waveform)
    hertz = np.fft.rfftfreq(len(waveform), 1.0 / SAMPLE_RATE)
    spectrum[(hertz < BAND[0]) | (hertz > BAND[1])] = 0.0
    return np.asarray(np.fft.irfft(spectrum, len(waveform)), dtype=np.float32)


def _code(
    waveform: Waveform, rate: int, form: str, subtype: str, *, compression_level: float | None = None
) -> Waveform:
    coded = io.BytesIO()
    soundfile.write(coded, waveform, rate, format=form, subtype=subtype, compression_level=compression_level)
    coded.seek(0)
    decoded, _ = soundfile.read(coded, dtype="float32")
    return np.asarray(np.clip(decoded, -1.0, 1.0), dtype=np.float32)


def _fit(waveform: Waveform, length: int) -> Waveform:
    """Cut or fill up with silence: a codec works in frames, a resampler rounds."""
    return np.pad(waveform[:length], (0, max(0, length - len(waveform))))
