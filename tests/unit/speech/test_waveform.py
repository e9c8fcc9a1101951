from __future__ import annotations

import io
import pickle
import struct
from pathlib import Path

import numpy as np
import pytest
import soundfile
import soxr
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
        (b"RIFF\x04\x00\x00\x00WAVE", "malformed"),
        (b"FORM" + bytes(40), "not audio"),
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


FLAC = make_file(TONE, format="FLAC")
LONG = np.concatenate([make_tone(1.0, hertz=300.0 * step) for step in range(1, 5)])


def with_stream_info(content: bytes, shift: int, bits: int, value: int) -> bytes:
    """Return a FLAC with a field of STREAMINFO changed; the fields end with the 36 bits of the length."""
    packed = int.from_bytes(content[18:26], "big")
    mask = (1 << bits) - 1 << shift
    return content[:18] + (packed & ~mask | value << shift).to_bytes(8, "big") + content[26:]


UNSIGNED = FLAC[:26] + bytes(16) + FLAC[42:]


@pytest.mark.parametrize(
    ("content", "reason", "detail"),
    [
        (with_stream_info(FLAC, 44, 20, 44_100), "malformed", "44100 Hz, .* in its header, 16000 Hz"),
        (with_stream_info(FLAC, 41, 3, 1), "malformed", "2 channels"),
        (with_stream_info(FLAC, 36, 5, 23), "malformed", "24 bits"),
        (with_stream_info(FLAC, 0, 36, 7_000), "malformed", "hold 8000 samples, its header says 7000"),
        (with_stream_info(UNSIGNED, 0, 36, 7_000), "malformed", "hold 8000 samples"),
        (with_stream_info(UNSIGNED, 0, 36, 9_000), "truncated", "hold 8000 samples"),
        (with_stream_info(FLAC, 0, 36, 0), "malformed", "no length"),
        (FLAC[:26] + bytes(15) + b"x" + FLAC[42:], "malformed", "signature"),
        (FLAC[:40], "truncated", "within its header"),
        (FLAC[: len(FLAC) // 2], "truncated", "samples"),
        (make_file(LONG[:, None].repeat(2, axis=1) * 0, format="FLAC"), "expands too much", "times as many"),
        (make_file(np.sign(TONE) * 0.99999), "clipped", "full scale; at most 10%"),
        (make_file(TONE * 0.5 + 0.2), "dc offset", r"\+0\.200 of full scale"),
        (make_file(TONE * 1e-4, subtype="PCM_24"), "silent", "-89 dBFS"),
        (make_file(TONE, subtype="IMA_ADPCM"), "not audio", "coding 0x0011"),
        (WAV[:-8_000] + WAV[-8_000:] * 2, "malformed", "after the end of its RIFF"),
        (WAV[:12] + WAV[12:36] * 2 + WAV[36:], "malformed", "after the end of its RIFF"),
        (with_field(WAV, 4, "<I", len(WAV) * 2), "truncated", "its header promises"),
    ],
)
def test_header_and_content_must_agree(content: bytes, reason: str, detail: str) -> None:
    with pytest.raises(UnusableAudioError, match=detail) as refused:
        decode_audio(content)
    assert refused.value.reason == reason


@pytest.mark.parametrize(
    ("format", "subtype"),
    [
        *(("WAV", subtype) for subtype in ("PCM_U8", "PCM_16", "PCM_24", "PCM_32", "FLOAT", "DOUBLE", "ULAW", "ALAW")),
        *(("WAVEX", subtype) for subtype in ("PCM_16", "PCM_24", "FLOAT")),
        *(("FLAC", subtype) for subtype in ("PCM_S8", "PCM_16", "PCM_24")),
    ],
)
@pytest.mark.parametrize("rate", [8_000, 11_025, 12_345, 44_100, 96_000])
@pytest.mark.parametrize("channels", [1, 2, 5])
def test_every_sound_form_is_read_as_libsndfile_reads_it(format: str, subtype: str, rate: int, channels: int) -> None:  # noqa: A002
    tone = make_tone(0.301, rate)[:, None].repeat(channels, axis=1)
    content = make_file(tone, rate, format=format, subtype=subtype)
    samples, _ = soundfile.read(io.BytesIO(content), dtype="float32", always_2d=True)
    wanted = soxr.resample(samples.mean(axis=1), rate, SAMPLE_RATE, quality="HQ")
    assert decode_audio(content) == pytest.approx(wanted, abs=1e-6)


@pytest.mark.parametrize("form", ["WAV", "FLAC", "OGG"])
def test_a_segment_is_the_piece_of_the_whole(tmp_path: Path, form: str) -> None:
    path = tmp_path / "long.sound"
    path.write_bytes(make_file(LONG, format=form, subtype="VORBIS" if form == "OGG" else "PCM_16"))
    whole = decode_audio(path)
    for source in (path, path.read_bytes()):
        piece = decode_audio(source, start_s=1.25, seconds=1.5)
        assert piece == pytest.approx(whole[20_000:44_000], abs=0.01)
        assert decode_audio(source, start_s=3.0) == pytest.approx(whole[48_000:], abs=0.01)
        assert len(decode_audio(source, seconds=4.02)) == len(whole)  # tables round


@pytest.mark.parametrize(
    ("start_s", "seconds", "reason"),
    [
        (4.5, None, "out of range"),
        (3.0, 1.5, "out of range"),
        (-1.0, 1.0, "out of range"),
        (1.0, 0.1, "too short"),
        (0.0, 3.5, "too long"),
    ],
)
def test_a_segment_outside_is_refused(tmp_path: Path, start_s: float, seconds: float | None, reason: str) -> None:
    path = tmp_path / "long.flac"
    path.write_bytes(make_file(LONG, format="FLAC"))
    with pytest.raises(UnusableAudioError) as refused:
        decode_audio(path, limits=AudioLimits(max_seconds=3.0), start_s=start_s, seconds=seconds)
    assert refused.value.reason == reason


def test_a_segment_of_a_long_file_does_not_read_the_rest(tmp_path: Path) -> None:
    path = tmp_path / "hour.wav"
    path.write_bytes(make_file(np.tile(LONG, 300)))
    limits = AudioLimits(max_seconds=2.0)
    with pytest.raises(UnusableAudioError, match="too long; 1200 s"):
        decode_audio(path, limits=limits)
    assert len(decode_audio(path, limits=limits, start_s=1_000.0, seconds=2.0)) == 2 * SAMPLE_RATE


def test_one_channel_is_taken_alone() -> None:
    left, right = make_tone(hertz=300.0), make_tone(hertz=900.0)
    content = make_file(np.stack([left, right], axis=1))
    for column, tone in enumerate((left, right)):
        assert decode_audio(content, column=column) == pytest.approx(tone, abs=1e-4)
    with pytest.raises(UnusableAudioError, match="out of range; it has 2 channels, not 3"):
        decode_audio(content, column=2)


@pytest.mark.parametrize("rate", [8_000, 16_000, 48_000])
def test_channels_that_cancel_each_other_are_silence(rate: int) -> None:
    tone = make_tone(0.5, rate)
    content = make_file(np.stack([tone, -tone], axis=1), rate)
    with pytest.raises(UnusableAudioError, match="silent"):
        decode_audio(content)
    assert len(decode_audio(content, column=1)) == SAMPLE_RATE / 2


def test_a_sound_above_8_khz_alone_is_silence() -> None:
    with pytest.raises(UnusableAudioError, match="silent"):
        decode_audio(make_file(make_tone(0.5, 48_000, hertz=20_000.0) * np.hanning(24_000), 48_000))


@pytest.mark.parametrize(("spoilt", "reason"), [(np.sign(TONE), "clipped"), (TONE * 0.5 + 0.2, "dc offset")])
@pytest.mark.parametrize("channel", [0, 1, 4])
def test_one_bad_channel_spoils_the_sound(spoilt: np.ndarray, reason: str, channel: int) -> None:
    """Over all channels together its share would be a fifth."""
    channels = np.stack([TONE * 0.5] * 5, axis=1)
    channels[:, channel] = np.where(np.arange(8_000) < 3_000, spoilt, TONE) if reason == "clipped" else spoilt
    with pytest.raises(UnusableAudioError) as refused:
        decode_audio(make_file(channels))
    assert refused.value.reason == reason


@given(
    content=st.binary(max_size=200), head=st.sampled_from([b"", WAV[:44], FLAC[:60], b"OggS", b"ID3\x04", b"\xff\xfb"])
)
def test_any_bytes_are_refused_by_name_or_read(content: bytes, head: bytes) -> None:
    try:
        decode_audio(head + content)
    except UnusableAudioError as refused:
        assert refused.detail  # noqa: PT017


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
    assert len(wave) == len(TONE)


def test_the_error_survives_a_process_boundary() -> None:
    error = UnusableAudioError("a.wav", "silent", "every sample is zero")
    again = pickle.loads(pickle.dumps(error))  # noqa: S301 - what a process pool does with an exception
    assert (type(again), str(again), again.reason) == (UnusableAudioError, str(error), "silent")
