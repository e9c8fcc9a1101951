"""The embedding of a sound: what moves it and what does not."""

from __future__ import annotations

import numpy as np
import pytest

from voxloop.errors import InputError
from voxloop.speech.golden import golden_waveform
from voxloop.speech.recording import mix_noise, pass_telephone
from voxloop.speech.sound_embedding import BANDS, EMBEDDED, embed_sound
from voxloop.speech.waveform import Waveform, to_int16


def embed(waveform: Waveform) -> np.ndarray:
    embedding = embed_sound((to_int16(waveform) / np.float32(32_768)).astype(np.float32))
    assert embedding is not None
    assert embedding.shape == (EMBEDDED,)
    assert embedding.dtype == np.float32
    assert np.isfinite(embedding).all()
    return embedding


def voice(index: int = 0) -> Waveform:
    return golden_waveform(3.0, index) * np.float32(0.5)


@pytest.mark.parametrize("gain_db", [-20.0, -10.0, 5.0])
def test_how_loud_somebody_speaks_is_not_in_it(gain_db: float) -> None:
    louder = voice() * np.float32(10 ** (gain_db / 20))
    assert np.abs(embed(louder) - embed(voice())).max() < 0.5
    assert embed(voice())[:BANDS].mean() == pytest.approx(0.0, abs=1e-4)


def test_silence_around_a_voice_is_not_in_it_and_silence_alone_has_none() -> None:
    still = np.zeros(16_000, dtype=np.float32)
    assert np.abs(embed(np.concatenate([still, voice(), still])) - embed(voice())).max() < 1.0
    assert embed_sound(still) is None


def test_a_telephone_empties_the_highest_bands_and_noise_fills_them() -> None:
    plain = embed(voice())
    called = embed(pass_telephone(voice()))
    noise = np.random.default_rng(1).standard_normal(len(voice()), dtype=np.float32)
    noisy = embed(mix_noise(voice(), noise, 10.0))
    assert (called[20:BANDS] < plain[20:BANDS]).all()
    assert (noisy[20:BANDS] > plain[20:BANDS]).all()


def test_white_noise_has_as_much_in_a_band_as_the_band_is_wide() -> None:
    """Power of unit-height triangles is that of half their width, which is known on the mel scale."""
    noise = np.random.default_rng(1).standard_normal(160_000).astype(np.float32) * np.float32(0.1)
    ends = 2595 * np.log10(1 + np.array([60.0, 7_600.0]) / 700)
    edges = 700 * (10 ** (np.linspace(float(ends[0]), float(ends[1]), BANDS + 2) / 2595) - 1)
    expected = 10 * np.log10(edges[2:] - edges[:-2])
    found = embed(noise)[:BANDS]
    # The lowest bands are a few bins wide: the mean of a logarithm is below the logarithm of the mean.
    assert np.abs((found - found[10:].mean()) - (expected - expected[10:].mean()))[10:].max() < 0.5


@pytest.mark.parametrize("wrong", [np.zeros((2, 2)), np.zeros(0), np.array([np.nan, 0.0])])
def test_what_is_no_sound_is_refused(wrong: np.ndarray) -> None:
    with pytest.raises(InputError):
        embed_sound(wrong.astype(np.float32))
