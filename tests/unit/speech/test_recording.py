from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import get_args

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from voxloop.speech.recording import BAND, Channel, Codec, pass_codec, pass_telephone, record
from voxloop.speech.waveform import SAMPLE_RATE, Waveform

CODECS = tuple(codec for codec in get_args(Codec) if codec != "none")
CLEAN = Channel(noise_db=-90.0)


def make_voice(seconds: float = 1.0, seed: int = 1) -> Waveform:
    """A buzz of 120 Hz with all its harmonics, under an envelope: as wide as speech."""
    time = np.arange(round(seconds * SAMPLE_RATE)) / SAMPLE_RATE
    harmonics = sum(np.sin(2 * np.pi * 120 * number * time) / number for number in range(1, 60))
    return np.asarray(0.1 * harmonics * np.sin(np.pi * (3 + seed) * time) ** 2, dtype=np.float32)


def decibels(signal: Waveform, noise: Waveform) -> float:
    return float(10 * np.log10(np.mean(np.square(signal, dtype=float)) / np.mean(np.square(noise, dtype=float))))


def heard(voice: Waveform, channel: Channel, seed: int = 5) -> Waveform:
    return record(voice, channel, np.random.default_rng(seed))


@hypothesis_settings(max_examples=30, deadline=None)
@given(snr=st.floats(-10, 50), seed=st.integers(0, 2**32), seconds=st.floats(0.05, 2))
def test_the_measured_ratio_is_the_one_set(snr: float, seed: int, seconds: float) -> None:
    voice = 0.05 * make_voice(seconds) / np.float32(np.abs(make_voice(seconds)).max())  # far from clipping
    clean = heard(voice, Channel(noise_db=0, snr_db=200), seed)
    noisy = heard(voice, Channel(noise_db=0, snr_db=snr), seed)
    assert decibels(clean, noisy - clean) == pytest.approx(snr, abs=0.02)


def test_noise_beside_the_speech_is_as_loud_as_it_says_but_for_chance() -> None:
    voice = 0.2 * make_voice(4)
    clean, noisy = (heard(voice, Channel(noise_db=level)) for level in (-200, -20))
    assert decibels(clean, noisy - clean) == pytest.approx(20, abs=0.1)


def test_a_plain_channel_is_noise_and_gain_and_nothing_else() -> None:
    """The worlds of version 1 were recorded by this formula; figures in the log rest on their bytes."""
    voice, draw = make_voice(), np.random.default_rng(9)
    level = float(np.sqrt(np.mean(np.square(voice)))) + 1e-6
    noise = draw.standard_normal(len(voice), dtype=np.float32) * np.float32(level * 10.0 ** (-35.0 / 20.0))
    gain = np.float32(10.0 ** (draw.normal(-3.0, 3.0) / 20.0))
    expected = np.asarray(np.clip((voice + noise) * gain, -1.0, 1.0), dtype=np.float32)
    assert heard(voice, Channel(noise_db=-35.0), 9).tobytes() == expected.tobytes()


@pytest.mark.parametrize("codec", [None, *CODECS])
@pytest.mark.parametrize("telephone", [False, True])
def test_telephone_and_codec_come_last_and_change_nothing_before_them(telephone: bool, codec: Codec | None) -> None:
    voice = make_voice()
    channel = Channel(noise_db=-30, telephone=telephone, codec=codec or "none", codec_quality=0.4)
    expected = heard(voice, Channel(noise_db=-30))
    if telephone:
        expected = pass_telephone(expected)
    if codec is not None:
        expected = pass_codec(expected, codec, 0.4)
    assert heard(voice, channel).tobytes() == expected.tobytes()


def test_whatever_the_channel_the_same_numbers_are_drawn() -> None:
    def after(channel: Channel) -> float:
        draw = np.random.default_rng(3)
        record(make_voice(), channel, draw)
        return float(draw.random())

    assert len({after(channel) for channel in (CLEAN, Channel(-20, 5.0, telephone=True, codec="mp3"))}) == 1


def test_a_telephone_passes_its_band_and_nothing_else() -> None:
    voice = make_voice(2)
    line = pass_telephone(voice)
    power, before = (np.abs(np.fft.rfft(wave)) ** 2 for wave in (line, voice))
    hertz = np.fft.rfftfreq(len(voice), 1 / SAMPLE_RATE)
    inside = (hertz > BAND[0]) & (hertz < BAND[1])
    assert len(line) == len(voice)
    assert line.dtype == np.float32
    assert power[inside].sum() == pytest.approx(before[inside].sum(), rel=0.02)
    assert power[~inside].sum() < 2e-3 * power.sum()
    assert power[hertz > 4_050].sum() < 1e-6 * power.sum()


def test_a_telephone_has_the_steps_of_mu_law() -> None:
    """Eight bits a sample: about 38 dB over the noise of the steps, whatever the level (ITU-T G.712, figure 8)."""
    time = np.arange(SAMPLE_RATE) / SAMPLE_RATE
    for level in (0.5, 0.05):
        tone = np.asarray(level * np.sin(2 * np.pi * 1_004 * time), dtype=np.float32)
        inner = slice(1_600, -1_600)  # away from where the filters start and end
        assert 33 < decibels(tone[inner], (pass_telephone(tone) - tone)[inner]) < 42


@pytest.mark.parametrize("codec", CODECS)
def test_a_codec_keeps_length_and_place_and_loses_more_with_less_quality(codec: Codec) -> None:
    voice = make_voice(1.5)
    worst, middle, best = (pass_codec(voice, codec, quality) for quality in (0.01, 0.5, 1.0))
    assert {len(wave) for wave in (worst, middle, best)} == {len(voice)}
    assert decibels(voice, best - voice) > decibels(voice, worst - voice) + 3
    assert decibels(voice, middle - voice) > 10  # a shift of one sample at 16 kHz would leave less
    assert np.abs(worst).max() <= 1.0


@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.parametrize("samples", [800, 16_001])
def test_a_codec_keeps_any_length(codec: Codec, samples: int) -> None:
    assert len(pass_codec(make_voice(1.1)[:samples], codec, 0.5)) == samples


def test_a_codec_gives_the_same_samples_in_any_order_and_thread() -> None:
    tasks = [(make_voice(0.5, seed), codec) for seed in range(4) for codec in CODECS]
    alone = [pass_codec(voice, codec, 0.5).tobytes() for voice, codec in tasks]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(lambda task: pass_codec(task[0], task[1], 0.5).tobytes(), reversed(tasks)))
    assert together[::-1] == alone
