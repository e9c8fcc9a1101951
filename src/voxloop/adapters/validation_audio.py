"""Whether the audio of a row is what the row says, without decoding it: the digest, the header, and the last frame.

A FLAC header (STREAMINFO) tells rate and samples as they were when encoding began, so a stream that was cut off still
tells the whole length. Its last frame does not: every frame ends in a CRC-16 and is numbered. Format: RFC 9639.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from voxloop.speech.waveform import decode_flac, measure_loudness
from voxloop.store.digests import digest_bytes

COLUMNS = ("audio", "sha256", "sample_rate", "num_samples", "duration_s", "loudness_dbfs", "text")
SOUND, NO_SOUND = "none", "no sound"
"""What `find_fault` calls a row that is in order, with sound and without."""
_HEADER = 42  # bytes of "fLaC", the block header and STREAMINFO
_SYNC = b"\xff\xf8"  # frames of fixed block size, as libsndfile writes them
_CRC_BLOCK = 4096


@dataclass(frozen=True)
class StreamInfo:
    """What a FLAC header says: the frames' block size, rate in Hz, channels, samples a channel."""

    block: int
    rate: int
    channels: int
    samples: int


def find_faults(dataset: Path, shards: list[str], *, listen_every: int, loudness_tolerance_db: float) -> pa.Array:
    """Return, for every row of some shards in order, what is wrong with its audio: `none`, `no sound`, or a fault.

    Args:
        dataset: The dataset folder.
        shards: Parquet files under it that hold `COLUMNS`, of their promised types.
        listen_every: Decode the audio of every so many rows; 0 for none.
        loudness_tolerance_db: How far the level of decoded audio may lie from `loudness_dbfs`.
    """
    faults = [
        find_fault(row, loudness_tolerance_db if listen_every and number % listen_every == 0 else None)
        for number, row in enumerate(_iter_rows(dataset, shards))
    ]
    return pa.array(faults, type=pa.string()).dictionary_encode()


def find_fault(row: dict[str, Any], loudness_tolerance_db: float | None = None) -> str:
    """Return what is wrong with the audio of one row.

    Args:
        row: Values of `COLUMNS`.
        loudness_tolerance_db: Decode it and hold its level against this; None leaves it coded.

    Returns:
        `none`; `no sound` for a sound row of words alone; or the fault: `missing`, `digest`, `not FLAC`, `rate`,
        `channels`, `samples`, `truncated`, `undecodable`, `loudness`.
    """
    audio = row["audio"]
    if audio is None:
        return _find_fault_of_words(row)
    if row["sha256"] != digest_bytes(audio):
        return "digest"
    fault = _find_fault_of_stream(audio, row)
    if fault == SOUND and loudness_tolerance_db is not None:
        fault = _listen(audio, row, loudness_tolerance_db)
    return fault


def read_stream_info(audio: bytes) -> StreamInfo | None:
    """Return what the header of a FLAC stream says; None when it is no FLAC."""
    if len(audio) < _HEADER or audio[:4] != b"fLaC" or audio[4] & 0x7F != 0:
        return None
    (block,) = struct.unpack_from(">H", audio, 8)
    packed = int.from_bytes(audio[18:26], "big")  # 20 bits of rate, 3 of channels, 5 of sample size, 36 of samples
    return StreamInfo(block, packed >> 44, (packed >> 41 & 0x7) + 1, packed & 0xF_FFFF_FFFF)


def is_whole(audio: bytes, info: StreamInfo) -> bool:
    """Return whether the last frame of a FLAC stream is complete and ends at the last sample the header promises."""
    position = audio.rfind(_SYNC)
    # A frame of 16-bit samples is never much larger than the samples themselves.
    while position >= max(_HEADER, len(audio) - 4 * info.block - 64):
        if crc16(audio[position:]) == 0:
            return _last_sample(audio[position : position + 16], info.block) == info.samples
        position = audio.rfind(_SYNC, 0, position)
    return False


def crc16(content: bytes) -> int:
    """Return the CRC-16 of FLAC frames (polynomial 0x8005, from 0); 0 for content that ends in its own CRC."""
    table, crc = _crc_table(), 0
    for start in range(0, len(content), _CRC_BLOCK):
        block = np.frombuffer(content[start : start + _CRC_BLOCK], dtype=np.uint8).copy()
        if len(block) == 1:
            return int(table[0, block[0] ^ crc >> 8]) ^ (crc << 8 & 0xFFFF)
        block[0] ^= crc >> 8  # what came before acts like two bytes added to the front of what follows
        block[1] ^= crc & 0xFF
        crc = int(np.bitwise_xor.reduce(table[np.arange(len(block) - 1, -1, -1), block]))
    return crc


@lru_cache(maxsize=1)
def _crc_table() -> NDArray[np.uint16]:
    """Return the CRC of one byte followed by k zeros, uint16 [k, byte]: a CRC is the sum of its bytes' shares."""
    row = np.arange(256, dtype=np.uint32) << 8
    for _ in range(8):
        row = np.where(row & 0x8000, row << 1 ^ 0x8005, row << 1) & 0xFFFF
    table = np.empty((_CRC_BLOCK, 256), dtype=np.uint16)
    table[0] = row
    for zeros in range(1, _CRC_BLOCK):
        before = table[zeros - 1].astype(np.uint32)
        table[zeros] = (before << 8 & 0xFFFF) ^ table[0][before >> 8]
    return table


def _last_sample(frame: bytes, block: int) -> int:
    """Return the number of the sample after a frame, from its header: frame number times block size, plus its size."""
    first = frame[4]
    extra = 0 if first < 0x80 else 7 - (first ^ 0xFF).bit_length()  # the number is coded like a character of UTF-8
    number = first if extra == 0 else first & (0x3F >> extra)
    for byte in frame[5 : 5 + extra]:
        number = number << 6 | byte & 0x3F
    return number * block + _block_size(frame[2] >> 4, frame[5 + extra : 7 + extra])


def _block_size(code: int, rest: bytes) -> int:
    if code in {6, 7}:
        return int.from_bytes(rest[: code - 5], "big") + 1
    if code == 1:
        return 192
    return 576 << (code - 2) if code < 6 else 256 << (code - 8)


def _find_fault_of_words(row: dict[str, Any]) -> str:
    if any(row[name] is not None for name in ("sample_rate", "num_samples", "duration_s", "loudness_dbfs")):
        return "missing"
    return NO_SOUND if row["sha256"] == digest_bytes((row["text"] or "").encode()) else "digest"


def _find_fault_of_stream(audio: bytes, row: dict[str, Any]) -> str:
    info = read_stream_info(audio)
    if info is None:
        return "not FLAC"
    if info.rate != row["sample_rate"]:
        return "rate"
    if info.channels != 1:
        return "channels"
    if info.samples != row["num_samples"]:
        return "samples"
    return SOUND if is_whole(audio, info) else "truncated"


def _listen(audio: bytes, row: dict[str, Any], tolerance_db: float) -> str:
    try:
        waveform = decode_flac(audio)
    except Exception:  # noqa: BLE001 - whatever libsndfile makes of it, it is no sound
        return "undecodable"
    if len(waveform) != row["num_samples"]:
        return "samples"
    said = row["loudness_dbfs"]
    heard = measure_loudness(waveform)
    return SOUND if said is not None and math.isclose(heard, said, abs_tol=tolerance_db) else "loudness"


def _iter_rows(dataset: Path, shards: list[str]) -> Iterator[dict[str, Any]]:
    for shard in shards:
        with pq.ParquetFile(dataset / shard) as file:
            for group in range(file.num_row_groups):  # a few MiB of audio at a time
                yield from file.read_row_group(group, columns=list(COLUMNS)).to_pylist()
