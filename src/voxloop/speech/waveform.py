"""Sound files in, 16 kHz mono waveforms out; FLAC bytes for keeping."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterator
from contextlib import closing, contextmanager
from mmap import ACCESS_READ, mmap
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
import soxr
from numpy.typing import NDArray

from voxloop.speech.headers import Container, Content, StatedSound, read_header
from voxloop.speech.limits import AudioLimits, UnusableAudioError
from voxloop.speech.sound_checks import check_level, check_samples, check_sound, find_segment, measure_loudness

__all__ = [  # some are at home in `limits` and `sound_checks`, and asked for here
    "SAMPLE_RATE",
    "AudioLimits",
    "UnusableAudioError",
    "Waveform",
    "check_samples",
    "decode_audio",
    "decode_flac",
    "encode_flac",
    "measure_loudness",
    "to_int16",
]

SAMPLE_RATE = 16_000
"""Hz of every waveform inside voxloop."""

Waveform = NDArray[np.float32]
"""Mono samples, float32 [n], 16 kHz, in [-1, 1]."""


def decode_audio(
    source: Path | bytes,
    *,
    name: str = "",
    limits: AudioLimits | None = None,
    start_s: float = 0.0,
    seconds: float | None = None,
    column: int | None = None,
) -> Waveform:
    """Decode a sound file or a segment of one, mix it to mono and resample it to 16 kHz.

    Args:
        source: A file, or the bytes of one.
        name: How errors call it; the file's own name when empty.
        limits: Bounds on it.
        start_s: Where the segment begins, in seconds.
        seconds: How long it is; None to the file's end.
        column: The one channel to take, from 0; None mixes all there are.

    Returns:
        float32 [n] in [-1, 1] at 16 kHz.

    Raises:
        UnusableAudioError: It is no sound, is empty, silent, cut off, out of bounds, clipped, holds NaN, or its header
            and its content contradict each other.
    """
    name = name or (source.name if isinstance(source, Path) else "the sound")
    limits = limits or AudioLimits()
    with _open(source, name, whole=not start_s and seconds is None) as content:
        container, stated = read_header(content, name)
        samples, rate = _decode(content, container, stated, name, limits, (start_s, seconds))
    if column is not None:
        if column >= samples.shape[1]:
            raise UnusableAudioError(name, "out of range", f"it has {samples.shape[1]} channels, not {column + 1}")
        samples = samples[:, column : column + 1]
    check_samples(samples, name, limits)
    waveform = _to_mono_16k(samples, rate)
    if not len(waveform):
        raise UnusableAudioError(name, "empty", "at 16 kHz it holds no samples")
    if rate != SAMPLE_RATE or samples.shape[1] > 1:  # channels may cancel each other, and what lies above 8 kHz is gone
        check_level(waveform, name, limits)
    return waveform


@contextmanager
def _open(source: Path | bytes, name: str, *, whole: bool) -> Iterator[Content]:
    """Give the bytes; for a segment the file is mapped, of which only what is needed is read."""
    if isinstance(source, bytes):
        content: Content = source
    else:
        try:
            content = source.read_bytes() if whole else _map(source)
        except OSError as refused:
            raise UnusableAudioError(name, "unreadable", refused.strerror or "it cannot be opened") from None
    if not len(content):
        raise UnusableAudioError(name, "empty", "it has no bytes")
    if isinstance(content, bytes):
        yield content
    else:
        with closing(content):
            yield content


def _map(path: Path) -> Content:
    with path.open("rb") as stream:
        return mmap(stream.fileno(), 0, access=ACCESS_READ) if stream.seek(0, io.SEEK_END) else b""


def _decode(
    content: Content,
    container: Container,
    stated: StatedSound | None,
    name: str,
    limits: AudioLimits,
    segment: tuple[float, float | None],
) -> tuple[NDArray[np.float32], int]:
    try:
        with soundfile.SoundFile(io.BytesIO(content) if isinstance(content, bytes) else content) as file:
            found = (file.format.replace("WAVEX", "WAV"), file.samplerate, file.channels, file.frames)
            if stated is not None and found != (container, stated.rate, stated.channels, stated.frames):
                raise UnusableAudioError(name, "malformed", f"its header says {stated}, the decoder sees {found}")
            check_sound(file, len(content), name, limits)
            begin, frames = find_segment(file, segment, name, limits)
            if begin:
                file.seek(begin)
            whole = frames == file.frames
            samples = _read_samples(file, frames, stated.signature if stated and whole else b"", name)
            return samples, int(file.samplerate)
    except (soundfile.SoundFileError, TypeError) as refused:
        raise UnusableAudioError(name, "not audio", str(refused).rpartition(": ")[2]) from None


def _read_samples(file: Any, frames: int, signature: bytes, name: str) -> NDArray[np.float32]:
    """Read float32 [frames, channels]; with a signature, the MD5 of the samples must be it."""
    if not signature:
        samples = file.read(frames, dtype="float32", always_2d=True)
    else:
        bits = int(file.subtype.rpartition("_")[2].removeprefix("S"))
        whole = file.read(frames, dtype="int16" if bits <= 16 else "int32", always_2d=True)
        if hashlib.md5(_pack(whole, bits), usedforsecurity=False).digest() != signature:
            raise UnusableAudioError(name, "malformed", "its samples are not those its signature was made of")
        samples = np.multiply(
            whole, np.float32(-1.0 / np.iinfo(whole.dtype).min), dtype=np.float32, casting="same_kind"
        )
    if len(samples) != frames:
        raise UnusableAudioError(name, "truncated", f"{len(samples)} frames of {frames} could be read")
    return np.asarray(samples, dtype=np.float32)


def _pack(samples: NDArray[np.signedinteger[Any]], bits: int) -> bytes:
    """Return left-aligned samples as FLAC signs them: little-endian, as few bytes as hold the bits."""
    width = samples.dtype.itemsize
    used = (bits + 7) // 8
    little = np.ascontiguousarray(samples, dtype=samples.dtype.newbyteorder("<"))
    return little.tobytes() if used == width else little.view(np.uint8).reshape(-1, width)[:, width - used :].tobytes()


def _to_mono_16k(samples: NDArray[np.float32], rate: int) -> Waveform:
    mono = samples[:, 0] if samples.shape[1] == 1 else samples.mean(axis=1, dtype=np.float32)
    if rate != SAMPLE_RATE:
        mono = soxr.resample(mono, rate, SAMPLE_RATE, quality="HQ")
    return np.clip(mono, np.float32(-1.0), np.float32(1.0), out=mono)


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
