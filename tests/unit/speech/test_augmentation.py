"""Variations of sounds and spectrograms: within their bounds, drawn from the generator alone, off by default."""

from __future__ import annotations

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from voxloop.speech.augmentation import AugmentationConfig, Samples, filter_mels, vary_waveform

EVERYTHING = AugmentationConfig(speed=0.1, gain_db=6.0, noise_share=0.5, noise_snr_db=10.0, crop_seconds=1.5)


def tone(samples: int, level: float = 3000.0) -> Samples:
    return (level * np.sin(2 * np.pi * 220.0 * np.arange(samples) / 16_000)).astype(np.int16)


def test_nothing_is_changed_unless_asked() -> None:
    sound = tone(8_000)
    assert vary_waveform(sound, AugmentationConfig(), np.random.default_rng(0)) is sound


@settings(max_examples=50, deadline=None)
@given(st.integers(1, 40_000), st.integers(0, 2**31))
def test_a_variation_is_a_function_of_its_generator(samples: int, seed: int) -> None:
    sound = tone(samples)
    once, again = (vary_waveform(sound, EVERYTHING, np.random.default_rng(seed)) for _ in range(2))
    np.testing.assert_array_equal(once, again)
    assert once.dtype == np.int16
    assert min(samples, 24_000) / 1.11 - 9 <= len(once) <= min(samples, 24_000) / 0.89 + 9  # the resampler rounds up
    assert len(once) >= 1
    np.testing.assert_array_equal(sound, tone(samples))


def test_a_crop_is_a_piece_of_the_sound() -> None:
    sound = np.arange(30_000, dtype=np.int16)
    config = AugmentationConfig(crop_seconds=1.0)
    pieces = [vary_waveform(sound, config, np.random.default_rng(seed)) for seed in range(40)]
    assert {len(piece) for piece in pieces} == {16_000}
    assert all((np.diff(piece) == 1).all() for piece in pieces)
    assert len({int(piece[0]) for piece in pieces}) > 20


def test_speed_moves_pitch_and_length_together() -> None:
    config = AugmentationConfig(speed=0.2)
    for seed in range(20):
        varied = vary_waveform(tone(16_000), config, np.random.default_rng(seed))
        crossings = np.count_nonzero(np.diff(np.signbit(varied)))
        assert abs(crossings - 440) <= 6  # as many periods, in another time
        assert 16_000 / 1.2 - 2 <= len(varied) <= 16_000 / 0.8 + 2


def test_gain_and_noise_keep_to_their_decibels() -> None:
    sound = tone(16_000)
    power = float(np.mean(np.square(sound, dtype=np.float64)))
    for seed in range(20):
        louder = vary_waveform(sound, AugmentationConfig(gain_db=6.0), np.random.default_rng(seed))
        assert abs(10 * np.log10(np.mean(np.square(louder, dtype=np.float64)) / power)) <= 6.05
        noisy = vary_waveform(sound, AugmentationConfig(noise_share=1.0), np.random.default_rng(seed))
        snr = -10 * np.log10(np.mean(np.square(noisy.astype(np.float64) - sound)) / power)
        assert 9.9 <= snr <= 40.1


def test_loud_sounds_are_clipped_and_not_wrapped() -> None:
    sound = tone(8_000, 30_000.0)
    for seed in range(10):
        louder = vary_waveform(sound, AugmentationConfig(gain_db=20.0), np.random.default_rng(seed))
        assert not (np.sign(louder) * np.sign(sound) < 0).any()


def test_silence_stays_silence() -> None:
    varied = vary_waveform(np.zeros(8_000, dtype=np.int16), EVERYTHING, np.random.default_rng(0))
    assert not varied.any()


def test_a_filter_is_smooth_within_its_decibels_and_alike_in_every_frame() -> None:
    torch.manual_seed(0)
    gains = filter_mels(torch.zeros(6, 4, 80), 10.0) / np.log(10.0) * 10.0
    assert gains.abs().max() <= 10.0
    torch.testing.assert_close(gains, gains[:, :1].expand_as(gains))
    assert gains.diff(dim=2).abs().max() <= 20.0 * 4 / 79 + 1e-4
    assert (gains[0] - gains[1]).abs().max() > 0.1
