"""WAV and FLAC files that were changed after they were written, and what became of them when they were read."""

from __future__ import annotations

import io
import struct
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import soundfile
from numpy.random import Generator

from voxloop.speech.waveform import SAMPLE_RATE, AudioLimits, UnusableAudioError, decode_audio

RATES = (8_000, 11_025, 16_000, 22_050, 44_100, 48_000, 96_000)
FORMS = (
    *(("WAV", subtype) for subtype in ("PCM_16", "PCM_24", "PCM_32", "PCM_U8", "FLOAT", "DOUBLE", "ULAW", "ALAW")),
    *(("WAVEX", subtype) for subtype in ("PCM_16", "PCM_24", "FLOAT")),
    *(("FLAC", subtype) for subtype in ("PCM_S8", "PCM_16", "PCM_24") for _ in range(3)),
)
ORIGINALS = 120
LIMITS = AudioLimits(min_seconds=0.05, max_seconds=10.0)
_FIELDS: dict[int, tuple[str, tuple[int, ...]]] = {  # offset in a plain WAV header, and values somebody might put there
    22: ("H", (1, 2, 3, 4, 8)),
    24: ("I", RATES),
    28: ("I", tuple(rate * size for rate in RATES for size in (1, 2, 4))),
    32: ("H", (1, 2, 3, 4, 6, 8)),
    34: ("H", (8, 16, 24, 32, 64)),
}


@dataclass(frozen=True)
class Original:
    """A file as it was written."""

    content: bytes
    rate: int
    channels: int
    frames: int
    form: str


@dataclass(frozen=True)
class Outcome:
    """What became of a mutant.

    Args:
        form: Of the original.
        mutation: What was done to it.
        reason: Why it was refused; empty when it was read.
        differs: How what was read differs from what was written; empty when it does not.
        forged: Whether two edited fields agree with each other and with all the rest: nothing in the file tells it from
            one that was written so.
        changed: Whether it differs from the original at all.
        wall_s: How long reading took.
    """

    form: str
    mutation: str
    reason: str
    differs: str
    forged: bool
    changed: bool
    wall_s: float


@lru_cache(maxsize=ORIGINALS)
def make_original(number: int) -> Original:
    """Write a sound whose length no other one has, so that no header fits another's samples."""
    draw = np.random.default_rng([7, number])
    form, subtype = FORMS[number % len(FORMS)]
    rate = RATES[int(draw.integers(len(RATES)))]
    channels = int(draw.integers(1, 3))
    frames = int(rate * draw.uniform(0.1, 0.4)) // 7 * 7 + number % 7
    time_s = np.arange(frames)[:, None] / rate
    voice = 0.4 * np.sin(2 * np.pi * (200.0 + 40.0 * np.arange(channels)) * time_s)
    sound = voice + 0.02 * draw.standard_normal((frames, channels))
    buffer = io.BytesIO()
    soundfile.write(buffer, sound, rate, format=form, subtype=subtype)
    return Original(buffer.getvalue(), rate, channels, frames, f"{form} {subtype}")


def flip_bytes(original: Original, draw: Generator) -> bytes:
    content = bytearray(original.content)
    for place in draw.integers(len(content), size=int(draw.integers(1, 9))):
        content[place] ^= int(draw.integers(1, 256))
    return bytes(content)


def flip_header(original: Original, draw: Generator) -> bytes:
    content = bytearray(original.content)
    for place in draw.integers(4, 64, size=int(draw.integers(1, 4))):
        content[place] ^= 1 << int(draw.integers(8))
    return bytes(content)


def truncate(original: Original, draw: Generator) -> bytes:
    return original.content[: int(draw.integers(len(original.content)))]


def append(original: Original, draw: Generator) -> bytes:
    return original.content + draw.bytes(int(draw.integers(1, 400)))


def edit_header(original: Original, draw: Generator) -> bytes:
    """Put plausible values into one or two fields; in FLAC into STREAMINFO's rate, channels and length."""
    content = bytearray(original.content)
    for _ in range(int(draw.integers(1, 3))):
        if original.form.startswith("FLAC"):
            packed = int.from_bytes(content[18:26], "big")
            shift, bits, value = _draw_flac_field(original, draw)
            mask = (1 << bits) - 1 << shift
            content[18:26] = (packed & ~mask | value << shift).to_bytes(8, "big")
        else:
            offset = list(_FIELDS)[int(draw.integers(len(_FIELDS)))]
            kind, values = _FIELDS[offset]
            struct.pack_into(f"<{kind}", content, offset, values[int(draw.integers(len(values)))])
    return bytes(content)


def _draw_flac_field(original: Original, draw: Generator) -> tuple[int, int, int]:
    return (
        (44, 20, int(draw.choice(RATES))),
        (41, 3, int(draw.integers(8))),
        (36, 5, int(draw.choice([7, 15, 23]))),
        (0, 36, int(draw.integers(original.frames * 2))),
    )[int(draw.integers(4))]


def change_length(original: Original, draw: Generator) -> bytes:
    """Write another size into RIFF and data, or another count of samples into STREAMINFO and forget the signature."""
    content = bytearray(original.content)
    if original.form.startswith("FLAC"):
        packed = int.from_bytes(content[18:26], "big")
        content[18:26] = (packed >> 36 << 36 | int(draw.integers(1, original.frames * 2))).to_bytes(8, "big")
        if draw.random() < 0.5:
            content[26:42] = bytes(16)
        return bytes(content)
    place = content.index(b"data") + 4
    size = int(draw.integers(struct.unpack_from("<I", content, place)[0] * 2))
    struct.pack_into("<I", content, place, size)
    if draw.random() < 0.5:
        struct.pack_into("<I", content, 4, min(2**32 - 1, place + 4 + size - 8))
    return bytes(content)


def splice(original: Original, draw: Generator) -> bytes:
    """Put a piece of another file in, in place of as much, of something else, or of nothing."""
    other = make_original(int(draw.integers(ORIGINALS))).content
    start, end = sorted(int(place) for place in draw.integers(len(other), size=2))
    place = int(draw.integers(len(original.content)))
    taken = (0, end - start, int(draw.integers(1, 2_000)))[int(draw.integers(3))]
    return original.content[:place] + other[start:end] + original.content[place + taken :]


def swap_header(original: Original, draw: Generator) -> bytes:
    other = make_original(int(draw.integers(ORIGINALS))).content
    size = int(draw.choice([36, 44, 42, 60, 68, 86]))
    return other[:size] + original.content[size:]


def insert_chunk(original: Original, draw: Generator) -> bytes:
    """Add a chunk or a metadata block as the format wants it: of another kind, or a second of one there is."""
    body = draw.bytes(int(draw.integers(0, 60)) * 2)
    if original.form.startswith("FLAC"):
        block_kind = int(draw.choice([0, 1, 2, 4, 6, 127]))
        last = original.content[4] & 0x80
        info = bytes([original.content[4] & 0x7F]) + original.content[5:42]
        block = bytes([block_kind | last]) + len(body).to_bytes(3, "big") + body
        return original.content[:4] + info + block + original.content[42:]
    kind = [b"LIST", b"junk", b"fmt ", b"data", b"fact", b"cue "][int(draw.integers(6))]
    chunk = kind + struct.pack("<I", len(body)) + body
    place = int(draw.choice([12, original.content.index(b"data"), len(original.content)]))
    content = bytearray(original.content[:place] + chunk + original.content[place:])
    if draw.random() < 0.8:
        struct.pack_into("<I", content, 4, len(content) - 8)
    return bytes(content)


MUTATIONS: tuple[Callable[[Original, Generator], bytes], ...] = (
    flip_bytes,
    flip_header,
    truncate,
    append,
    edit_header,
    change_length,
    splice,
    swap_header,
    insert_chunk,
)


def try_mutant(seed: int, number: int) -> Outcome:
    """Make mutant `number` of a seed and read it."""
    draw = np.random.default_rng([seed, number])
    original = make_original(int(draw.integers(ORIGINALS)))
    mutation = MUTATIONS[number % len(MUTATIONS)]
    content = mutation(original, draw)
    started = time.perf_counter()
    reason, differs = "", ""
    try:
        wave = decode_audio(content, limits=LIMITS)
    except UnusableAudioError as refused:
        reason = refused.reason
    wall_s = time.perf_counter() - started
    if not reason:
        differs = _compare(content, original, len(wave))
    forged = bool(differs) and _is_forged(content, original)
    return Outcome(original.form, mutation.__name__, reason, differs, forged, content != original.content, wall_s)


def _compare(content: bytes, original: Original, samples: int) -> str:
    read = soundfile.info(io.BytesIO(content))
    found = (read.samplerate, read.channels, read.frames)
    written = (original.rate, original.channels, original.frames)
    expected = original.frames * SAMPLE_RATE / original.rate
    return "" if found == written and abs(samples - expected) < 2 else f"{written} was read as {found}, {samples}"


def _is_forged(content: bytes, original: Original) -> bool:
    """Return whether a WAV differs in two or more of its five fields, and they fit together all the same."""
    if not original.form.startswith("WAV") or len(content) != len(original.content):
        return False
    fields, written = (struct.unpack_from("<HIIHH", one, 22) for one in (content, original.content))
    channels, rate, bytes_per_second, block, bits = fields
    edited = sum(now != before for now, before in zip(fields, written, strict=True))
    rest = content[:22] + content[36:] == original.content[:22] + original.content[36:]
    return bool(rest and edited >= 2 and block * 8 == channels * bits and bytes_per_second == rate * block)
