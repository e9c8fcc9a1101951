"""What speech can be: the rates, lengths, levels and samples of a recording that is taken."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from voxloop.speech.limits import AudioLimits, UnusableAudioError

_MAX_PEAK = 2.0  # float files may overshoot 1.0 a little (lossy codecs do); twice full scale is another scale
_FULL_SCALE = 32_767 / 32_768
_MIN_RATE, _MAX_RATE = 4_000, 192_000
_MAX_CHANNELS = 8
_SLACK = 0.025  # seconds by which a segment may end beyond its file: tables round


def check_sound(file: Any, size: int, name: str, limits: AudioLimits) -> None:
    """Hold what an opened `soundfile.SoundFile` says of itself against what speech can be, before it is decoded.

    Raises:
        UnusableAudioError: `empty`, `malformed` or `expands too much`.
    """
    rate, channels, frames = file.samplerate, file.channels, file.frames
    if frames <= 0:
        raise UnusableAudioError(name, "empty", "it holds no samples")
    if not (_MIN_RATE <= rate <= _MAX_RATE and 1 <= channels <= _MAX_CHANNELS):
        raise UnusableAudioError(name, "malformed", f"{channels} channels at {rate} Hz is not a recording of speech")
    if (expansion := 2 * frames * channels / size) > limits.max_expansion:
        found = f"{size} bytes become {expansion:.0f} times as many; at most {limits.max_expansion:.0f} are taken"
        raise UnusableAudioError(name, "expands too much", found)


def find_segment(file: Any, segment: tuple[float, float | None], name: str, limits: AudioLimits) -> tuple[int, int]:
    """Return the first frame of a segment, given as start and length in seconds, and how many frames it has.

    Raises:
        UnusableAudioError: `out of range`, `too short` or `too long`.
    """
    start_s, wanted = segment
    length = file.frames / file.samplerate
    seconds = length - start_s if wanted is None else wanted
    if start_s < 0.0 or seconds <= 0.0 or start_s + seconds > length + _SLACK:
        raise UnusableAudioError(
            name, "out of range", f"{seconds:.3f} s from {start_s:.3f} s on are not within its {length:.3f} s"
        )
    if seconds < limits.min_seconds:
        raise UnusableAudioError(name, "too short", f"{seconds:.3f} s; at least {limits.min_seconds} s are needed")
    if seconds > limits.max_seconds:
        raise UnusableAudioError(name, "too long", f"{seconds:.0f} s; at most {limits.max_seconds} s are taken")
    begin = round(start_s * file.samplerate)
    return begin, min(round((start_s + seconds) * file.samplerate), file.frames) - begin


def check_samples(samples: NDArray[np.float32], name: str, limits: AudioLimits) -> None:
    """Hold samples, float32 [n] or [n, channels] with full scale at 1.0, against what speech can be.

    Clipping and a constant offset are of one channel: the worst counts, a sound one beside it excuses nothing.

    Raises:
        UnusableAudioError: `not a number`, `silent`, `out of scale`, `clipped` or `dc offset`.
    """
    peak = check_level(samples, name, limits)
    if peak > _MAX_PEAK:
        raise UnusableAudioError(name, "out of scale", f"its peak is {peak:.1f}; full scale is 1.0")
    channels = samples.reshape(len(samples), -1).T
    offset = max((float(channel.mean()) for channel in channels), key=abs)
    if abs(offset) > limits.max_dc_offset:
        found = f"its mean is {offset:+.3f} of full scale; at most {limits.max_dc_offset} is taken"
        raise UnusableAudioError(name, "dc offset", found)
    if peak < _FULL_SCALE:
        return
    clipped = max(float(np.mean(np.abs(channel) >= _FULL_SCALE)) for channel in channels)
    if clipped > limits.max_clipped_share:
        found = f"{clipped:.1%} of its samples are at full scale; at most {limits.max_clipped_share:.0%} are taken"
        raise UnusableAudioError(name, "clipped", found)


def check_level(samples: NDArray[np.float32], name: str, limits: AudioLimits) -> float:
    """Check that samples, float32 [n] or [n, channels], are numbers and can be heard; return their peak.

    Raises:
        UnusableAudioError: `not a number` or `silent`.
    """
    high, low = float(samples.max()), float(samples.min())  # NaN and infinity both show in one of them
    peak = max(high, -low)
    if not np.isfinite(high + low):
        raise UnusableAudioError(name, "not a number", "it holds NaN or infinite samples")
    if peak == 0.0:
        raise UnusableAudioError(name, "silent", "every sample is zero")
    faintest = 20.0 * np.log10(peak / np.sqrt(samples.size))  # the level if all but one sample were zero
    if faintest < limits.min_level_dbfs and (level := measure_loudness(samples)) < limits.min_level_dbfs:
        raise UnusableAudioError(
            name, "silent", f"its level is {level:.0f} dBFS; speech has {limits.min_level_dbfs:.0f}"
        )
    return peak


def measure_loudness(waveform: NDArray[np.float32]) -> float:
    """Return the root mean square of float32 [n] in dB of full scale; silence is -120 dB."""
    power = float(np.mean(np.square(waveform), dtype=np.float64))
    return float(10.0 * np.log10(max(power, 1e-12)))
