"""The estimate of the signal-to-noise ratio, held against noise of a known one."""

from __future__ import annotations

import numpy as np
import pytest

from voxloop.speech.golden import golden_waveform
from voxloop.speech.recording import mix_noise
from voxloop.speech.signal_to_noise import estimate_snr
from voxloop.speech.waveform import Waveform


def speech(seconds: float = 3.0, index: int = 0) -> Waveform:
    """Return a voice-like sound without noise of its own, which falls silent between its syllables."""
    sound = golden_waveform(seconds, index)
    return np.where(np.abs(sound) < 0.02, np.float32(0.0), sound)


@pytest.mark.parametrize("snr_db", [0.0, 10.0, 20.0, 30.0])
@pytest.mark.parametrize("level", [0.05, 1.0])
def test_within_three_decibels_of_what_was_mixed(snr_db: float, level: float) -> None:
    for index in range(4):
        voice = speech(index=index) * np.float32(level)
        noise = np.random.default_rng(index).standard_normal(len(voice), dtype=np.float32)
        found = estimate_snr(mix_noise(voice, noise, snr_db))
        assert found is not None
        assert found == pytest.approx(snr_db, abs=3.0)


def test_the_noisier_of_two_is_told() -> None:
    noise = np.random.default_rng(0).standard_normal(48_000, dtype=np.float32)
    found = [estimate_snr(mix_noise(speech(), noise, snr_db)) or 0.0 for snr_db in (30, 20, 10, 0, -5)]
    assert found == sorted(found, reverse=True)


def test_ends_of_the_scale_and_what_cannot_be_told() -> None:
    assert estimate_snr(speech()) == 60.0
    assert estimate_snr(np.random.default_rng(0).standard_normal(16_000).astype(np.float32)) == pytest.approx(-5, abs=5)
    assert estimate_snr(np.zeros(16_000, dtype=np.float32)) is None
    assert estimate_snr(speech(0.15)) is None
    assert estimate_snr(np.zeros(0, dtype=np.float32)) is None
