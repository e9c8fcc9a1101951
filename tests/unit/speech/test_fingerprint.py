"""Fingerprints: their shape, and what they do not hear."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.data.leak_datasets import make_voice
from voxloop.speech.fingerprint import HOP, Fingerprint, measure_fingerprint
from voxloop.speech.waveform import SAMPLE_RATE


def error(one: Fingerprint, other: Fingerprint, shift: int = 0) -> float:
    """Return the share of differing bits, `other` moved on by some words."""
    length = min(len(one.words), len(other.words) - shift)
    differ = np.bitwise_count(one.words[:length] ^ other.words[shift : shift + length])
    return float(differ.sum() / (32 * length))


def test_a_word_of_32_bits_every_12_ms() -> None:
    found = measure_fingerprint(make_voice(1, seconds=2.0))
    assert found.words.dtype == np.uint32
    assert found.loud.dtype == np.bool_
    assert len(found.words) == len(found.loud)
    assert len(found.words) == pytest.approx(2.0 * SAMPLE_RATE / HOP, abs=8)
    assert found.loud_frames > 0.9 * len(found.words)


def test_the_same_sound_gives_the_same_words() -> None:
    assert np.array_equal(measure_fingerprint(make_voice(1)).words, measure_fingerprint(make_voice(1)).words)


def test_every_bit_is_used() -> None:
    words = np.concatenate([measure_fingerprint(make_voice(seed)).words for seed in range(5)])
    shares = [float(np.mean((words >> np.uint32(bit)) & np.uint32(1))) for bit in range(32)]
    assert min(shares) > 0.3
    assert max(shares) < 0.7


@given(seed=st.integers(0, 50), decibels=st.floats(-40.0, 6.0))
def test_level_is_not_heard(seed: int, decibels: float) -> None:
    voice = make_voice(seed, seconds=0.8)
    quiet = (voice * np.float32(10 ** (decibels / 20))).astype(np.float32)
    assert error(measure_fingerprint(voice), measure_fingerprint(quiet)) < 0.01


@given(seed=st.integers(0, 50), samples=st.integers(0, 4 * HOP))
def test_a_shift_moves_the_words(seed: int, samples: int) -> None:
    voice = make_voice(seed)
    later = np.concatenate([np.zeros(samples, dtype=np.float32), voice])
    found = error(measure_fingerprint(voice), measure_fingerprint(later), shift=round(samples / HOP))
    assert found < 0.12  # half a hop at worst


def test_two_sounds_differ_in_half_of_their_bits() -> None:
    assert error(measure_fingerprint(make_voice(1)), measure_fingerprint(make_voice(2))) == pytest.approx(0.5, abs=0.06)


def test_what_lies_outside_the_telephone_band_is_not_heard() -> None:
    voice = make_voice(3)
    time = np.arange(len(voice)) / SAMPLE_RATE
    hum = (0.2 * np.sin(2 * np.pi * 50 * time) + 0.2 * np.sin(2 * np.pi * 6_000 * time)).astype(np.float32)
    assert error(measure_fingerprint(voice), measure_fingerprint(voice + hum)) < 0.02


def test_a_pause_has_no_vote() -> None:
    voice = make_voice(4)
    pause = np.zeros(SAMPLE_RATE, dtype=np.float32)
    found = measure_fingerprint(np.concatenate([voice, pause, voice]))
    alone = measure_fingerprint(voice)
    assert found.loud_frames == pytest.approx(2 * alone.loud_frames, abs=24)  # 12 words of smoothing at each edge


@pytest.mark.parametrize("length", [1, 100, 511, 512, 3_199, 3_200])
def test_a_short_sound_has_a_fingerprint_too(length: int) -> None:
    found = measure_fingerprint(make_voice(5)[:length])
    assert len(found.words) >= 1


@pytest.mark.parametrize("value", [0.0, 0.3])
def test_a_constant_has_no_vote_beyond_its_edges(value: float) -> None:
    found = measure_fingerprint(np.full(2 * SAMPLE_RATE, value, dtype=np.float32))
    assert found.loud_frames < 0.25 * len(found.words)
