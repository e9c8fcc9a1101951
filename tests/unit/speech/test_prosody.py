"""Prosody of sounds whose prosody is known."""

from __future__ import annotations

import math
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.soak import in_soak
from voxloop.errors import InputError
from voxloop.speech.prosody import ProsodyConfig, find_peaks, measure_prosody
from voxloop.speech.waveform import SAMPLE_RATE, Waveform


def hum(hertz: float | np.ndarray, seconds: float = 1.0, amplitude: float = 0.2) -> Waveform:
    """A voice-like tone: eight harmonics of a fundamental, which may move."""
    times = np.arange(round(SAMPLE_RATE * seconds))
    phase = np.cumsum(np.broadcast_to(hertz, times.shape)) / SAMPLE_RATE
    harmonics = sum(np.sin(2 * np.pi * k * phase) / k for k in range(1, 9))
    return np.asarray(amplitude * harmonics, dtype=np.float32)


def noise(seconds: float = 1.0, amplitude: float = 0.1) -> Waveform:
    draw = np.random.default_rng(7)
    return (amplitude * draw.standard_normal(round(SAMPLE_RATE * seconds))).astype(np.float32)


def silence(seconds: float) -> Waveform:
    return np.zeros(round(SAMPLE_RATE * seconds), dtype=np.float32)


@pytest.mark.parametrize("hertz", [70.0, 100.0, 145.0, 220.0, 330.0, 450.0])
def test_the_pitch_of_a_steady_voice_is_found(hertz: float) -> None:
    measured = measure_prosody(hum(hertz))
    assert measured.f0_mean_hz == pytest.approx(hertz, rel=0.01)
    assert measured.f0_sd_semitones < 0.1
    assert measured.voiced_share > 0.95


def test_pitch_is_found_in_noise() -> None:
    assert measure_prosody(hum(180.0) + noise(amplitude=0.03)).f0_mean_hz == pytest.approx(180.0, rel=0.03)


def test_melody_is_measured_in_semitones() -> None:
    octave = 150.0 * 2.0 ** np.linspace(0.0, 1.0, 2 * SAMPLE_RATE)
    measured = measure_prosody(hum(octave, 2.0))
    assert measured.f0_range_semitones == pytest.approx(0.9 * 12, abs=0.3)  # from the 5th to the 95th percentile
    assert measured.f0_sd_semitones == pytest.approx(12 / math.sqrt(12), abs=0.2)  # of a uniform distribution


def test_noise_has_no_pitch() -> None:
    measured = measure_prosody(noise())
    assert math.isnan(measured.f0_mean_hz)
    assert measured.voiced_share < 0.02
    assert measured.syllables_per_second == 0.0
    assert measured.energy_mean_db == pytest.approx(-20.0, abs=0.5)


def test_silence_is_one_pause() -> None:
    measured = measure_prosody(silence(1.0))
    assert measured.pause_share == 1.0
    assert measured.sounding_seconds == 0.0
    assert math.isnan(measured.energy_mean_db)
    assert math.isnan(measured.f0_mean_hz)


def test_a_pause_is_measured_and_the_ends_are_not_pauses() -> None:
    spoken = np.concatenate([silence(0.8), hum(120), silence(0.5), hum(120), silence(0.8)])
    measured = measure_prosody(spoken)
    assert measured.pause_share == pytest.approx(0.5 / 2.5, abs=0.02)
    assert measured.sounding_seconds == pytest.approx(2.0, abs=0.08)


def test_the_closure_of_a_stop_is_no_pause() -> None:
    assert measure_prosody(np.concatenate([hum(120), silence(0.1), hum(120)])).pause_share == 0.0


@pytest.mark.parametrize("rate", [2, 4, 6])
def test_syllables_are_counted(rate: int) -> None:
    times = np.arange(3 * SAMPLE_RATE) / SAMPLE_RATE
    swelling = 0.55 - 0.45 * np.cos(2 * np.pi * rate * times)
    measured = measure_prosody((hum(120, 3.0) * swelling).astype(np.float32))
    assert measured.syllables_per_second == pytest.approx(rate, rel=0.05)


@pytest.mark.parametrize(
    ("levels", "peaks"),
    [
        ([0.0, 0.0, 0.0], [0]),
        ([-9.0, 0.0, -9.0], [1]),
        ([-9.0, 0.0, -1.0, 0.5, -9.0], [3]),
        ([-9.0, 0.0, -5.0, -1.0, -9.0, -1.0], [1, 3, 5]),
        ([0.0, -9.0], [0]),
    ],
)
def test_peaks_rise_out_of_the_dips_beside_them(levels: list[float], peaks: list[int]) -> None:
    assert find_peaks(np.array(levels), rise=2.0) == peaks


@settings(max_examples=15, deadline=None)
@given(gain=st.floats(0.1, 4.0))
def test_only_the_level_depends_on_loudness(gain: float) -> None:
    spoken = np.concatenate([hum(140, 0.5), silence(0.3), hum(160, 0.4)])
    plain, louder = measure_prosody(spoken), measure_prosody(spoken * np.float32(gain))
    assert louder.energy_mean_db - plain.energy_mean_db == pytest.approx(20 * math.log10(gain), abs=0.01)
    assert louder.f0_mean_hz == pytest.approx(plain.f0_mean_hz, rel=1e-3)
    assert louder.pause_share == plain.pause_share
    assert louder.syllables_per_second == plain.syllables_per_second


@settings(max_examples=25, deadline=None)
@given(samples=st.lists(st.floats(-1, 1, width=32), min_size=1, max_size=3_000))
def test_any_sound_has_measures_within_their_bounds(samples: list[float]) -> None:
    measured = measure_prosody(np.array(samples, dtype=np.float32))
    assert 0.0 <= measured.pause_share <= 1.0
    assert math.isnan(measured.voiced_share) or 0.0 <= measured.voiced_share <= 1.0
    config = ProsodyConfig()
    assert math.isnan(measured.f0_mean_hz) or config.lowest_hz * 0.95 < measured.f0_mean_hz < config.highest_hz * 1.05


@pytest.mark.parametrize(
    "broken", [np.zeros((2, 400), np.float32), np.zeros(0, np.float32), np.array([0.1, np.nan], np.float32)]
)
def test_what_is_no_waveform_is_refused(broken: Waveform) -> None:
    with pytest.raises(InputError, match="waveform"):
        measure_prosody(broken)


def test_it_is_thirty_times_faster_than_real_time() -> None:
    spoken = hum(130, 10.0)
    measure_prosody(spoken)  # numba compiles on the first call
    started = time.thread_time()
    measure_prosody(spoken)
    assert time.thread_time() - started < 10.0 / 30


def test_the_import_alone_needs_no_librosa() -> None:
    program = "import sys, voxloop.speech.prosody; sys.exit('librosa' in sys.modules or 'numba' in sys.modules)"
    subprocess.run([sys.executable, "-c", program], check=True)


@in_soak("two minutes of the processor")
@pytest.mark.slow
def test_processes_that_compile_at_once_leave_a_cache_that_works(tmp_path: Path) -> None:
    """Two test workers in a fresh environment ended in segmentation faults, and so did every process after them."""
    program = (
        "import numpy as np; from voxloop.speech.prosody import ProsodyConfig, measure_prosody;"
        "measure_prosody(np.sin(np.arange(16000, dtype=np.float32) * np.float32(0.05)), ProsodyConfig())"
    )
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(tmp_path)}
    for _ in range(2):
        together = [subprocess.Popen([sys.executable, "-c", program], env=environment) for _ in range(4)]
        assert [process.wait() for process in together] == [0, 0, 0, 0]
