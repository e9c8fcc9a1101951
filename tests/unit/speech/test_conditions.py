"""Conditions of sounds: the same every time, as loud as they say, and never out of range."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from pydantic import TypeAdapter

from voxloop.speech.conditions import SoundCondition, change_sound, make_babble
from voxloop.speech.golden import golden_waveform
from voxloop.speech.waveform import Waveform

ANY: TypeAdapter[SoundCondition] = TypeAdapter(SoundCondition)
KINDS: list[dict[str, Any]] = [
    {"kind": "noise", "snr_db": 10},
    {"kind": "babble", "snr_db": 10, "voices": 3},
    {"kind": "gain", "db": 20},
    {"kind": "codec", "codec": "opus", "quality": 0.5},
    {"kind": "codec", "codec": "vorbis", "quality": 0.5},
    {"kind": "codec", "codec": "mp3", "quality": 0.5},
    {"kind": "telephone"},
    {"kind": "speed", "factor": 1.1},
    {"kind": "clipping", "share": 0.05},
    {"kind": "silence", "seconds": 0.02},
]
SOUND = golden_waveform(0.6, 0)


def change(how: dict[str, Any], sound: Waveform = SOUND, seed: int = 1) -> Waveform:
    return change_sound(sound, ANY.validate_python(how), np.random.default_rng(seed))


def power(sound: Waveform) -> float:
    return float(np.mean(np.square(sound, dtype=np.float64)))


@pytest.mark.parametrize("how", KINDS, ids=lambda how: str(how.get("codec", how["kind"])))
def test_the_same_three_give_the_same_samples_and_something_is_changed(how: dict[str, Any]) -> None:
    changed = change(how)
    assert changed.dtype == np.float32
    assert np.array_equal(changed, change(how))
    assert len(changed) != len(SOUND) or not np.array_equal(changed, SOUND)


@pytest.mark.parametrize("how", KINDS[:2], ids=lambda how: str(how["kind"]))
@pytest.mark.parametrize("snr_db", [0, 10, 30])
def test_noise_is_as_loud_beside_the_whole_as_it_says(how: dict[str, Any], snr_db: float) -> None:
    quiet = SOUND * np.float32(0.1)
    noise = change({**how, "snr_db": snr_db}, quiet) - quiet
    assert 10 * np.log10(power(quiet) / power(noise)) == pytest.approx(snr_db, abs=0.05)
    assert not np.array_equal(noise, change({**how, "snr_db": snr_db}, quiet, seed=2) - quiet)


@pytest.mark.parametrize("how", KINDS, ids=lambda how: str(how.get("codec", how["kind"])))
@hypothesis_settings(max_examples=8, deadline=None)
@given(samples=st.integers(1, 3000), level=st.sampled_from([0.0, 1e-4, 0.3, 1.0]), seed=st.integers(0, 99))
def test_any_sound_stays_finite_and_in_range(how: dict[str, Any], samples: int, level: float, seed: int) -> None:
    sound = np.clip(level * np.random.default_rng(seed).standard_normal(samples), -1, 1).astype(np.float32)
    changed = change(how, sound)
    assert len(changed)
    assert np.isfinite(changed).all()
    assert np.abs(changed).max() <= 1.0


def test_a_gain_is_a_gain_and_what_is_too_loud_is_clipped() -> None:
    assert power(change({"kind": "gain", "db": -20})) == pytest.approx(power(SOUND) / 100, rel=1e-4)
    assert np.abs(change({"kind": "gain", "db": 40})).max() == 1.0


def test_the_loudest_share_is_clipped() -> None:
    clipped = change({"kind": "clipping", "share": 0.05})
    loudest = np.abs(clipped).max()
    assert np.mean(np.abs(clipped) >= loudest) == pytest.approx(0.05, abs=0.005)


def test_speed_and_silence_change_the_length() -> None:
    assert len(change({"kind": "speed", "factor": 1.1})) == pytest.approx(len(SOUND) / 1.1, abs=2)
    later = change({"kind": "silence", "seconds": 0.02})
    assert np.array_equal(later[320:], SOUND)
    assert not later[:320].any()


def test_babble_is_low_and_comes_and_goes() -> None:
    babble = make_babble(32_000, 4, np.random.default_rng(0))
    spectrum = np.square(np.abs(np.fft.rfft(babble)))
    assert spectrum[:3000].sum() > 0.9 * spectrum.sum()  # below 1.5 kHz of 8
    levels = np.square(babble).reshape(-1, 800).mean(axis=1)
    assert levels.max() > 4 * levels.min()


@pytest.mark.parametrize("how", [{"kind": "echo"}, {"kind": "gain"}, {"kind": "speed", "factor": 0}, {"kind": "noise"}])
def test_what_is_no_condition_is_refused(how: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="validation error"):
        ANY.validate_python(how)
