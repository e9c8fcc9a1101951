from __future__ import annotations

import io
import pickle
import struct
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from voxloop.errors import InputError
from voxloop.speech.waveform import (
    SAMPLE_RATE,
    AudioLimits,
    UnusableAudioError,
    decode_audio,
    decode_flac,
    encode_flac,
    to_int16,
)


def make_file(samples: np.ndarray, rate: int = SAMPLE_RATE, *, format: str = "WAV", subtype: str = "PCM_16") -> bytes:  # noqa: A002
    buffer = io.BytesIO()
    soundfile.write(buffer, samples, rate, format=format, subtype=subtype)
    return buffer.getvalue()


def make_tone(seconds: float = 0.5, rate: int = SAMPLE_RATE, hertz: float = 440.0) -> np.ndarray:
    return (0.5 * np.sin(2 * np.pi * hertz * np.arange(round(seconds * rate)) / rate)).astype(np.float32)


TONE = make_tone()
WAV = make_file(TONE)


def with_field(content: bytes, offset: int, kind: str, value: int) -> bytes:
    return content[:offset] + struct.pack(kind, value) + content[offset + struct.calcsize(kind) :]


@given(arrays.arrays(np.float32, st.integers(1, 400), elements=st.floats(-1, 1, width=32)))
def test_flac_keeps_every_16_bit_sample(samples: np.ndarray) -> None:
    content = encode_flac(samples)
    assert content == encode_flac(samples)
    assert np.array_equal(to_int16(decode_flac(content)), to_int16(samples))


@pytest.mark.parametrize(
    ("format", "subtype", "rate"),
    [("WAV", "PCM_16", 16_000), ("WAV", "FLOAT", 48_000), ("FLAC", "PCM_16", 8_000), ("OGG", "VORBIS", 44_100)],
)
def test_formats_and_rates_become_16_khz_mono(format: str, subtype: str, rate: int) -> None:  # noqa: A002
    tone = make_tone(0.5, rate)
    stereo = np.stack([tone, tone], axis=1)
    wave = decode_audio(make_file(stereo, rate, format=format, subtype=subtype))
    assert wave.dtype == np.float32
    assert len(wave) == pytest.approx(SAMPLE_RATE / 2, abs=2)
    spectrum = np.abs(np.fft.rfft(wave))
    assert np.fft.rfftfreq(len(wave), 1 / SAMPLE_RATE)[spectrum.argmax()] == pytest.approx(440.0, abs=4.0)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "empty"),
        (b"this is a text\n", "not audio"),
        (b"RIFF\x00\x00\x00\x00WAVE", "malformed"),
        (make_file(np.zeros(0, np.float32)), "empty"),
        (make_file(np.zeros(8_000, np.float32)), "silent"),
        (make_file(np.where(np.arange(8_000) == 9, np.nan, TONE), subtype="FLOAT"), "not a number"),
        (make_file(np.where(np.arange(8_000) == 9, np.inf, TONE), subtype="FLOAT"), "not a number"),
        (make_file(TONE * 100, subtype="FLOAT"), "out of scale"),
        (make_file(make_tone(0.05)), "too short"),
        (make_file(make_tone(2.5)), "too long"),
        (make_file(np.tile(TONE[:, None], (1, 9))), "malformed"),
        (WAV[:-100], "truncated"),
        (with_field(WAV, 24, "<I", 44_100), "malformed"),
        (with_field(WAV, 22, "<H", 2), "malformed"),
        (with_field(WAV, 34, "<H", 8), "malformed"),
        (with_field(WAV, 34, "<H", 17), "malformed"),
        (with_field(WAV, 40, "<I", 15_999), "malformed"),
    ],
)
def test_what_cannot_be_used_is_refused_with_its_reason(content: bytes, reason: str) -> None:
    with pytest.raises(UnusableAudioError, match=f"^clip.wav is unusable: {reason}; ") as refused:
        decode_audio(content, name="clip.wav", limits=AudioLimits(min_seconds=0.1, max_seconds=2.0))
    assert refused.value.reason == reason
    assert isinstance(refused.value, InputError)
    assert "\n" not in str(refused.value)


def test_a_file_is_named_by_its_name(tmp_path: Path) -> None:
    (tmp_path / "note.wav").write_text("not a sound")
    with pytest.raises(UnusableAudioError, match=r"^note\.wav is unusable: not audio"):
        decode_audio(tmp_path / "note.wav")
    with pytest.raises(UnusableAudioError, match=r"^none\.wav is unusable: unreadable; No such file"):
        decode_audio(tmp_path / "none.wav")
    with pytest.raises(UnusableAudioError, match="is unusable: unreadable; Is a directory"):
        decode_audio(tmp_path)


@hypothesis_settings(max_examples=300, deadline=None)
@given(st.data())
def test_a_mutated_header_is_refused_or_changes_nothing_about_rate_and_length(data: st.DataObject) -> None:
    """Of WAVs with one byte of the format and length fields changed, none is read at another rate or length."""
    place = data.draw(st.sampled_from([*range(22, 36), *range(40, 44)]))
    mutated = with_field(WAV, place, "<B", data.draw(st.integers(0, 255)))
    try:
        wave = decode_audio(mutated)
    except UnusableAudioError:
        return
    if mutated[40:44] == WAV[40:44]:
        assert len(wave) == len(TONE)
    else:
        assert len(wave) == struct.unpack("<I", mutated[40:44])[0] // 2 < len(TONE)


def test_the_error_survives_a_process_boundary() -> None:
    error = UnusableAudioError("a.wav", "silent", "every sample is zero")
    again = pickle.loads(pickle.dumps(error))  # noqa: S301 - what a process pool does with an exception
    assert (type(again), str(again), again.reason) == (UnusableAudioError, str(error), "silent")
