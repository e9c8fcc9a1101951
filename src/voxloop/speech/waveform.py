"""Sound files in, 16 kHz mono waveforms out; FLAC bytes for keeping.

libsndfile accepts about 14 % of randomly mutated WAV files with a silently changed rate, length or channel count, so
the sizes that a WAV header states are checked against each other and against the file before anything is decoded.
"""

from __future__ import annotations

import io
import struct
from pathlib import Path

import numpy as np
import soundfile
import soxr
from numpy.typing import NDArray

from voxloop.config import StrictModel
from voxloop.errors import InputError

SAMPLE_RATE = 16_000
"""Hz of every waveform inside voxloop."""

Waveform = NDArray[np.float32]
"""Mono samples, float32 [n], 16 kHz, in [-1, 1]."""

_MAX_PEAK = 2.0  # float files may overshoot 1.0 a little (lossy codecs do); twice full scale is another scale
_MIN_RATE, _MAX_RATE = 4_000, 192_000
_MAX_CHANNELS = 8


class AudioLimits(StrictModel):
    """Bounds on one utterance, in seconds. The upper one also bounds what a small file may expand to."""

    min_seconds: float = 0.2
    max_seconds: float = 60.0


class UnusableAudioError(InputError):
    """A sound that cannot be used. `reason` is the short name it is counted under in a quarantine.

    Args:
        name: The file, as a person would look for it.
        reason: `unreadable`, `not audio`, `empty`, `malformed`, `truncated`, `too short`, `too long`, `not a number`,
            `silent` or `out of scale`.
        detail: What exactly was found.
    """

    def __init__(self, name: str, reason: str, detail: str) -> None:
        self.name = name
        self.reason = reason
        self.detail = detail
        super().__init__(f"{name} is unusable: {reason}", rule=detail, remedy="give a whole WAV, FLAC, Ogg or MP3 file")

    def __reduce__(self) -> tuple[object, ...]:
        return (type(self), (self.name, self.reason, self.detail))


def decode_audio(source: Path | bytes, *, name: str = "", limits: AudioLimits | None = None) -> Waveform:
    """Decode a sound file, mix it to mono and resample it to 16 kHz.

    Args:
        source: A file, or the bytes of one.
        name: How errors call it; the file's own name when empty.
        limits: Bounds on its length.

    Returns:
        float32 [n] in [-1, 1] at 16 kHz.

    Raises:
        UnusableAudioError: It is no sound, is empty, silent, cut off, out of bounds, holds NaN, or its header
            contradicts itself.
    """
    name = name or (source.name if isinstance(source, Path) else "the sound")
    limits = limits or AudioLimits()
    content = _read(source, name) if isinstance(source, Path) else source
    if not content:
        raise UnusableAudioError(name, "empty", "it has no bytes")
    check_riff(content, name)
    samples, rate = _decode(content, name, limits)
    return _to_mono_16k(_check_samples(samples, name), rate)


def check_riff(content: bytes, name: str) -> None:
    """Check that a WAV header agrees with itself and with the file's length; other formats pass.

    Raises:
        UnusableAudioError: `truncated` when the data chunk is longer than the file, `malformed` for the rest.
    """
    if content[:4] != b"RIFF" or content[8:12] != b"WAVE":
        return
    position, block = 12, 0
    while position + 8 <= len(content):
        kind, size = struct.unpack_from("<4sI", content, position)
        if kind == b"fmt " and position + 24 <= len(content):
            block = _check_wav_format(content[position + 8 : position + 24], name)
        if kind == b"data":
            left = len(content) - position - 8
            if size > left:
                raise UnusableAudioError(
                    name, "truncated", f"its header promises {size} bytes of sound, {left} are there"
                )
            if block and size % block:
                raise UnusableAudioError(
                    name, "malformed", f"{size} bytes of sound are no whole frames of {block} bytes"
                )
            return
        position += 8 + size + size % 2
    raise UnusableAudioError(name, "malformed", "it is a WAV without a data chunk")


def _read(path: Path, name: str) -> bytes:
    try:
        return path.read_bytes()
    except OSError as refused:
        raise UnusableAudioError(name, "unreadable", refused.strerror or "it cannot be opened") from None


def _check_wav_format(chunk: bytes, name: str) -> int:
    kind, channels, rate, bytes_per_second, block, bits = struct.unpack("<HHIIHH", chunk)
    linear = kind in {1, 3}  # PCM and float: the only ones whose frame size follows from the other fields
    if linear and (block * 8 != channels * bits or bytes_per_second != rate * block):
        found = (
            f"{channels} channels of {bits} bits at {rate} Hz do not make {block}-byte frames, {bytes_per_second} B/s"
        )
        raise UnusableAudioError(name, "malformed", found)
    return block if linear else 0


def _decode(content: bytes, name: str, limits: AudioLimits) -> tuple[NDArray[np.float32], int]:
    try:
        with soundfile.SoundFile(io.BytesIO(content)) as file:
            _check_header(file.samplerate, file.channels, file.frames, name, limits)
            samples = file.read(dtype="float32", always_2d=True)
            if len(samples) != file.frames:
                raise UnusableAudioError(name, "truncated", f"{len(samples)} frames of {file.frames} could be read")
            return samples, int(file.samplerate)
    except (soundfile.SoundFileError, TypeError) as refused:
        raise UnusableAudioError(name, "not audio", str(refused).rpartition(": ")[2]) from None


def _check_header(rate: int, channels: int, frames: int, name: str, limits: AudioLimits) -> None:
    if frames <= 0:
        raise UnusableAudioError(name, "empty", "it holds no samples")
    if not (_MIN_RATE <= rate <= _MAX_RATE and 1 <= channels <= _MAX_CHANNELS):
        raise UnusableAudioError(name, "malformed", f"{channels} channels at {rate} Hz is not a recording of speech")
    seconds = frames / rate
    if seconds < limits.min_seconds:
        raise UnusableAudioError(name, "too short", f"{seconds:.3f} s; at least {limits.min_seconds} s are needed")
    if seconds > limits.max_seconds:
        raise UnusableAudioError(name, "too long", f"{seconds:.0f} s; at most {limits.max_seconds} s are taken")


def _check_samples(samples: NDArray[np.float32], name: str) -> NDArray[np.float32]:
    peak = float(np.max(np.abs(samples)))  # NaN and infinity both show in the maximum
    if not np.isfinite(peak):
        raise UnusableAudioError(name, "not a number", "it holds NaN or infinite samples")
    if peak == 0.0:
        raise UnusableAudioError(name, "silent", "every sample is zero")
    if peak > _MAX_PEAK:
        raise UnusableAudioError(name, "out of scale", f"its peak is {peak:.1f}; full scale is 1.0")
    return samples


def _to_mono_16k(samples: NDArray[np.float32], rate: int) -> Waveform:
    mono = samples.mean(axis=1, dtype=np.float32)
    if rate != SAMPLE_RATE:
        mono = soxr.resample(mono, rate, SAMPLE_RATE, quality="HQ")
    return np.asarray(np.clip(mono, -1.0, 1.0), dtype=np.float32)


def to_int16(waveform: Waveform) -> NDArray[np.int16]:
    """Round float32 [n] in [-1, 1] to int16 [n]; full scale is 32,768, louder samples are clipped."""
    return np.asarray(np.clip(np.rint(waveform * 32_768.0), -32_768, 32_767), dtype=np.int16)


def encode_flac(waveform: Waveform) -> bytes:
    """Encode float32 [n] at 16 kHz as 16-bit mono FLAC. The same samples give the same bytes."""
    buffer = io.BytesIO()
    soundfile.write(buffer, to_int16(waveform), SAMPLE_RATE, format="FLAC", subtype="PCM_16")
    return buffer.getvalue()


def decode_flac(content: bytes) -> Waveform:
    """Decode what `encode_flac` wrote: float32 [n], exact to the 16-bit step."""
    samples, _ = soundfile.read(io.BytesIO(content), dtype="float32")
    return np.asarray(samples, dtype=np.float32)
