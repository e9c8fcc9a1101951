"""The header of a WAV (Microsoft, "Multiple Channel Audio Data and WAVE Files", 2007), held against the file."""

from __future__ import annotations

import struct
from collections.abc import Iterator

from voxloop.speech.headers import Content, StatedSound
from voxloop.speech.limits import UnusableAudioError

_PCM, _FLOAT, _ALAW, _MULAW, _EXTENSIBLE = 1, 3, 6, 7, 0xFFFE
_BITS = {_PCM: (8, 16, 24, 32), _FLOAT: (32, 64), _ALAW: (8,), _MULAW: (8,)}
"""Codings in which every sample has the same size, and the sizes: of these alone the length follows from the bytes."""
_GUID_TAIL = bytes.fromhex("000000001000800000aa00389b71")


def read_wav(content: Content, name: str) -> StatedSound:
    """Read the header of a WAV.

    Checked: the sizes of file, RIFF and every chunk; that fmt and data are there once, in this order; that rate,
    channels and bits make the stated frame size and bytes a second; that data holds whole frames, as many as `fact`
    says.

    Raises:
        UnusableAudioError: `truncated` when the file is shorter than it says, `not audio` for a coding whose length
            cannot be checked, `malformed` for the rest.
    """
    chunks = dict.fromkeys((b"fmt ", b"data", b"fact"), b"")
    seen: list[bytes] = []
    size = 0
    for kind, start, length in _walk(content, name):
        if kind in chunks and kind in seen:
            raise UnusableAudioError(name, "malformed", f"it has two chunks {kind.decode()!r}")
        seen.append(kind)
        if kind == b"data":
            size = length
        elif kind in chunks:
            chunks[kind] = bytes(content[start : start + min(length, 64)])
    if b"data" not in seen or b"fmt " not in seen[: seen.index(b"data")]:
        raise UnusableAudioError(name, "malformed", "it has no chunk 'data' after a chunk 'fmt '")
    return _hold_together(chunks[b"fmt "], chunks[b"fact"], size, name)


def _walk(content: Content, name: str) -> Iterator[tuple[bytes, int, int]]:
    """Yield kind, start and size of each chunk; together they must fill the RIFF, and the RIFF the file."""
    end = 8 + int.from_bytes(content[4:8], "little")
    if end > len(content) + 1:
        raise UnusableAudioError(name, "truncated", f"its header promises {end} bytes, {len(content)} are there")
    if end < len(content) - 1:
        raise UnusableAudioError(name, "malformed", f"{len(content) - end} bytes follow after the end of its RIFF")
    position = 12
    while position + 8 <= len(content):
        kind, size = struct.unpack_from("<4sI", content, position)
        start, left = position + 8, len(content) - position - 8
        if not all(0x20 <= letter < 0x7F for letter in kind):
            raise UnusableAudioError(name, "malformed", f"it has a chunk of the unprintable name {kind!r}")
        if size > left:
            raise UnusableAudioError(
                name, "truncated", f"its chunk {kind.decode()!r} promises {size} bytes, {left} are there"
            )
        yield kind, start, size
        position = start + size + size % 2
    if position < len(content) - 1:
        raise UnusableAudioError(name, "malformed", f"{len(content) - position} bytes at its end are no chunk")


def _hold_together(fmt: bytes, fact: bytes, size: int, name: str) -> StatedSound:
    if len(fmt) < 16:
        raise UnusableAudioError(name, "malformed", f"its chunk 'fmt ' has {len(fmt)} bytes")
    kind, channels, rate, bytes_per_second, block, bits = struct.unpack_from("<HHIIHH", fmt)
    coding = _read_extension(fmt, channels, bits, name) if kind == _EXTENSIBLE else kind
    if coding not in _BITS:
        raise UnusableAudioError(name, "not audio", f"coding {coding:#06x} has no length that can be checked")
    if bits not in _BITS[coding] or block * 8 != channels * bits or bytes_per_second != rate * block or not block:
        raise UnusableAudioError(
            name,
            "malformed",
            f"{channels} channels of {bits} bits at {rate} Hz do not make {block}-byte frames, {bytes_per_second} B/s",
        )
    if size % block:
        raise UnusableAudioError(name, "malformed", f"{size} bytes of sound are no whole frames of {block} bytes")
    frames = size // block
    if fact and int.from_bytes(fact[:4], "little") not in {frames, frames * channels}:  # some count all channels
        counted = int.from_bytes(fact[:4], "little")
        raise UnusableAudioError(name, "malformed", f"its chunk 'fact' counts {counted} samples, there are {frames}")
    return StatedSound(rate=rate, channels=channels, frames=frames, bits=bits)


def _read_extension(fmt: bytes, channels: int, bits: int, name: str) -> int:
    """Return the coding that WAVE_FORMAT_EXTENSIBLE names, its other fields found sound."""
    if len(fmt) < 40:
        raise UnusableAudioError(name, "malformed", f"its extensible chunk 'fmt ' has {len(fmt)} bytes")
    extra, valid, mask, coding = struct.unpack_from("<HHIH", fmt, 16)
    if extra < 22 or valid > bits or mask.bit_count() > channels or fmt[26:40] != _GUID_TAIL:
        found = f"{valid} of {bits} bits, loudspeakers {mask:#x} for {channels} channels, {fmt[24:40].hex()}"
        raise UnusableAudioError(name, "malformed", f"its extensible format makes no sense: {found}")
    return int(coding)
