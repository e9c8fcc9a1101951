"""The audio of a row beside what the row says: every cut and every kind of lie is seen without decoding."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from voxloop.adapters.validation_audio import crc16, find_fault, is_whole, read_stream_info
from voxloop.speech.waveform import encode_flac, measure_loudness
from voxloop.store.digests import digest_bytes


def make_row(samples: int, seed: int = 0) -> dict[str, Any]:
    waveform = (0.1 * np.random.default_rng(seed).standard_normal(samples)).astype(np.float32)
    audio = encode_flac(waveform)
    return {
        "audio": audio,
        "sha256": digest_bytes(audio),
        "sample_rate": 16_000,
        "num_samples": samples,
        "duration_s": samples / 16_000,
        "loudness_dbfs": measure_loudness(waveform),
        "text": "words",
    }


ROW = make_row(20_000)


def with_audio(audio: bytes) -> dict[str, Any]:
    return {**ROW, "audio": audio, "sha256": digest_bytes(audio)}


# Below, at and above whole frames of 4,096 samples, and beyond 128 frames, where a frame's number takes two bytes.
@pytest.mark.parametrize("samples", [1, 191, 4_095, 4_096, 4_097, 8_192, 20_000, 130 * 4_096 + 7])
def test_what_was_encoded_is_whole(samples: int) -> None:
    row = make_row(samples)
    assert find_fault(row, loudness_tolerance_db=0.5) == "none"
    info = read_stream_info(row["audio"])
    assert info is not None
    assert (info.rate, info.channels, info.samples) == (16_000, 1, samples)


@given(st.integers(min_value=0, max_value=len(ROW["audio"]) - 1))
def test_no_cut_is_taken_for_whole(length: int) -> None:
    assert find_fault(with_audio(ROW["audio"][:length])) in {"truncated", "not FLAC"}


def test_a_flipped_bit_in_the_last_frame_is_no_whole_frame() -> None:
    info = read_stream_info(ROW["audio"])
    assert info is not None
    for place in random.Random(1).sample(range(1, 500), 50):  # noqa: S311 - places
        spoilt = bytearray(ROW["audio"])
        spoilt[-place] ^= 4
        assert not is_whole(bytes(spoilt), info)


@given(st.binary(max_size=9_000))
def test_the_crc_is_that_of_one_bit_after_another(content: bytes) -> None:
    slow = 0
    for byte in content[:600]:
        slow ^= byte << 8
        for _ in range(8):
            slow = (slow << 1 ^ 0x8005) & 0xFFFF if slow & 0x8000 else slow << 1
    assert crc16(content[:600]) == slow
    assert crc16(content + crc16(content).to_bytes(2, "big")) == 0


def test_the_crc_of_ascii_digits_is_the_published_one() -> None:
    assert crc16(b"123456789") == 0xFEE8  # CRC-16/UMTS, also called BUYPASS


@pytest.mark.parametrize(
    ("row", "fault"),
    [
        ({**ROW, "sha256": "0" * 64}, "digest"),
        ({**ROW, "sample_rate": 8_000}, "rate"),
        ({**ROW, "num_samples": 19_999}, "samples"),
        (with_audio(b"RIFF" + ROW["audio"]), "not FLAC"),
        (with_audio(b""), "not FLAC"),
        ({**ROW, "audio": None}, "missing"),
        ({**ROW, "loudness_dbfs": -40.0}, "loudness"),
        ({**ROW, "loudness_dbfs": None}, "loudness"),
    ],
    ids=["digest", "rate", "samples", "wav", "empty", "missing", "loudness", "no loudness"],
)
def test_each_lie_has_its_name(row: dict[str, Any], fault: str) -> None:
    assert find_fault(row, loudness_tolerance_db=0.5) == fault


def test_a_row_of_words_alone_has_the_digest_of_its_text() -> None:
    silent = dict.fromkeys(("audio", "sample_rate", "num_samples", "duration_s", "loudness_dbfs"))
    words = {**silent, "text": "ż", "sha256": digest_bytes("ż".encode())}
    assert find_fault(words) == "no sound"
    assert find_fault({**words, "text": "z"}) == "digest"
