"""The header of a FLAC file and of its frames (RFC 9639), checked against each other.

STREAMINFO's signature, the MD5 of all samples, says nothing about the rate they are played at, and a length cut short
in the header is obeyed without a word. Every frame states rate and channels again, guarded by a CRC, and counts itself.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from voxloop.speech.headers import Content, StatedSound
from voxloop.speech.limits import UnusableAudioError

_RATES = dict(
    enumerate((88_200, 176_400, 192_000, 8_000, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000, 96_000), start=1)
)
_RATE_BYTES = {12: (1, 1_000), 13: (2, 1), 14: (2, 10)}  # code: bytes that follow, Hz a unit
_BITS = {1: 8, 2: 12, 4: 16, 5: 20, 6: 24, 7: 32}
_STEREO_CODES = range(8, 11)  # left and side, side and right, middle and side


@dataclass(frozen=True)
class Frame:
    """What a frame states; `start` is its first sample, or its number where all frames have one size."""

    variable: bool
    start: int
    size: int
    rate: int | None
    channels: int
    bits: int | None


@dataclass(frozen=True)
class _Stream:
    block: int
    stated: StatedSound
    first: int  # byte at which the frames begin


def read_flac(content: Content, name: str) -> StatedSound:
    """Read the header of a FLAC.

    Checked: the chain of metadata blocks; that the first frame states the same rate, channels and bits; that the last
    one ends at the sample the header says is the last.

    Raises:
        UnusableAudioError: `truncated` when the file ends too early, `malformed` for the rest.
    """
    stream = _read_metadata(content, name)
    stated = stream.stated
    if stated.frames == 0:
        raise UnusableAudioError(name, "malformed", "its header states no length: it was written to a pipe")
    first = read_frame(content, stream.first)
    if first is None:
        raise UnusableAudioError(name, "malformed", "no frame follows its header")
    if not _agree(first, stated):
        found = f"{first.rate} Hz, {first.channels} channels, {first.bits} bits in its frames"
        said = f"{stated.rate} Hz, {stated.channels} channels, {stated.bits} bits in its header"
        raise UnusableAudioError(name, "malformed", f"{said}, {found}")
    last = next(_walk_back(content, stream), first)
    end = (last.start if last.variable else last.start * stream.block) + last.size
    if end != stated.frames:
        reason = "truncated" if end < stated.frames else "malformed"
        raise UnusableAudioError(name, reason, f"its frames hold {end} samples, its header says {stated.frames}")
    return stated


def _read_metadata(content: Content, name: str) -> _Stream:
    position, last, info = 4, False, b""
    while not last:
        head = content[position : position + 4]
        if len(head) < 4:
            raise UnusableAudioError(name, "truncated", "it ends within its header")
        last, kind, size = bool(head[0] & 0x80), head[0] & 0x7F, int.from_bytes(head[1:4], "big")
        if (kind == 0) != (not info) or kind == 127 or (kind == 0 and size != 34):
            raise UnusableAudioError(name, "malformed", f"its metadata block at byte {position} is out of place")
        if kind == 0:
            info = bytes(content[position + 4 : position + 38])
        position += 4 + size
    if position >= len(content):
        raise UnusableAudioError(name, "truncated", "it ends within its header")
    packed = int.from_bytes(info[10:18], "big")
    signature = info[18:34]
    stated = StatedSound(
        rate=packed >> 44,
        channels=(packed >> 41 & 0x7) + 1,
        frames=packed & (1 << 36) - 1,
        bits=(packed >> 36 & 0x1F) + 1,
        signature=signature if any(signature) else b"",
    )
    return _Stream(block=int.from_bytes(info[2:4], "big"), stated=stated, first=position)


def _agree(frame: Frame, stated: StatedSound) -> bool:
    """Return whether a frame states what the header does. A rate it leaves to the header could be any."""
    return frame.rate == stated.rate and frame.channels == stated.channels and frame.bits in {None, stated.bits}


def _walk_back(content: Content, stream: _Stream) -> Iterator[Frame]:
    """Yield the frames from the last one back: a sync code, a right CRC and the stream's own rate and channels."""
    position = len(content)
    while position > stream.first:
        position = max(content.rfind(sync, stream.first, position) for sync in (b"\xff\xf8", b"\xff\xf9"))
        if position < 0:
            return
        frame = read_frame(content, position)
        if frame is not None and _agree(frame, stream.stated):
            yield frame
        position += 1  # the next search ends before this sync code


def read_frame(content: Content, position: int) -> Frame | None:
    """Read the frame header at a byte; None when there is none: no sync code, a reserved value or a wrong CRC-8."""
    head = bytes(content[position : position + 16])
    if len(head) < 6 or head[0] != 0xFF or head[1] & 0xFE != 0xF8 or head[3] & 1:
        return None
    size_code, rate_code, channel_code, bits_code = head[2] >> 4, head[2] & 15, head[3] >> 4, head[3] >> 1 & 7
    number_size = _count_number_bytes(head[4])
    if not number_size or not size_code or rate_code == 15 or channel_code > 10 or bits_code == 3:
        return None
    place = 4 + number_size
    start = _read_number(head[4:place])
    extra = {6: 1, 7: 2}.get(size_code, 0)
    size = int.from_bytes(head[place : place + extra], "big") + 1 if extra else _find_block_size(size_code)
    place += extra
    length, unit = _RATE_BYTES.get(rate_code, (0, 0))
    rate = int.from_bytes(head[place : place + length], "big") * unit if length else _RATES.get(rate_code)
    place += length
    if place >= len(head) or _crc8(head[:place]) != head[place]:
        return None
    channels = 2 if channel_code in _STEREO_CODES else channel_code + 1
    return Frame(bool(head[1] & 1), start, size, rate, channels, _BITS.get(bits_code))


def _find_block_size(code: int) -> int:
    return 192 if code == 1 else 576 << code - 2 if code < 6 else 256 << code - 8


def _count_number_bytes(lead: int) -> int:
    """Return how long a number coded as UTF-8 codes characters is, by its first byte; 0 when that is none."""
    ones = 8 - (lead ^ 0xFF).bit_length()
    return {0: 1, 1: 0, 8: 0}.get(ones, ones)


def _read_number(coded: bytes) -> int:
    if len(coded) == 1:
        return coded[0]
    value = coded[0] & (0x7F >> len(coded))
    for byte in coded[1:]:
        value = value << 6 | byte & 0x3F
    return value


def _crc8(content: bytes) -> int:
    value = 0
    for byte in content:
        value = _CRC8[value ^ byte]
    return value


def _divide(value: int) -> int:
    for _ in range(8):
        value = value << 1 ^ (0x107 if value & 0x80 else 0)
    return value & 0xFF


_CRC8 = tuple(_divide(value) for value in range(256))
"""Remainders of each byte by x^8 + x^2 + x + 1."""
