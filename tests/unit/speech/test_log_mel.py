"""The log-mel module against torch's own transform, and that no padding gets into it."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from torch.nn import functional

from voxloop.speech.log_mel import LogMel, LogMelConfig, fourier_kernels, hz_to_mel, mel_filterbank, mel_to_hz

WHOLE_TAPS = LogMelConfig()
BROKEN_TAPS = LogMelConfig(window=400, hop=160, fft=512, mels=64)
NARROW = LogMelConfig(range_db=6.0)
MODULES = {
    name: LogMel(config) for name, config in (("whole", WHOLE_TAPS), ("broken", BROKEN_TAPS), ("narrow", NARROW))
}


def noise(seed: int, samples: int) -> torch.Tensor:
    return 0.1 * torch.randn(samples, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("config", [WHOLE_TAPS, BROKEN_TAPS])
def test_power_equals_the_short_time_fourier_transform(config: LogMelConfig) -> None:
    waveform = noise(0, 50 * config.hop)[None]
    window = functional.pad(torch.hann_window(config.window), (0, config.fft - config.window))
    reference = torch.stft(
        waveform, config.fft, config.hop, window=window, center=False, return_complex=True
    ).abs().square()  # fmt: skip
    power = LogMel(config).power(waveform)[..., : reference.shape[2]]
    torch.testing.assert_close(power / reference.max(), reference / reference.max(), atol=3e-6, rtol=0)


@settings(max_examples=40, deadline=None)
@given(
    name=st.sampled_from(sorted(MODULES)),
    lengths=st.lists(st.integers(1, 6_000), min_size=1, max_size=4),
    padding=st.integers(0, 3_000),
    rubbish=st.booleans(),
)
def test_an_utterance_does_not_depend_on_its_batch(name: str, lengths: list[int], padding: int, rubbish: bool) -> None:
    module = MODULES[name]
    fill = 7.0 if rubbish else 0.0
    batch = torch.full((len(lengths), max(lengths) + padding), fill)
    for row, length in enumerate(lengths):
        batch[row, :length] = noise(row, length)
    together, counts = module(batch, torch.tensor(lengths))
    for row, length in enumerate(lengths):
        alone, count = module(noise(row, length)[None], torch.tensor([length]))
        frames = int(count)
        assert int(counts[row]) == frames == max(1, (length - module.config.window) // module.config.hop + 1)
        torch.testing.assert_close(together[row, :frames], alone[0, :frames], atol=2e-4, rtol=0)
        assert not together[row, frames:].any()


@pytest.mark.parametrize("centre", ["channel", "level"])
def test_loudness_is_taken_out(centre: str) -> None:
    module = LogMel(LogMelConfig(centre=centre))
    length = torch.tensor([16_000])
    loud, _ = module(noise(3, 16_000)[None], length)
    soft, _ = module(0.5 * noise(3, 16_000)[None], length)
    torch.testing.assert_close(loud, soft, atol=1e-2, rtol=0)


def test_the_mean_over_time_is_zero_in_every_band() -> None:
    module = LogMel(LogMelConfig(centre="channel"))
    found, counts = module(noise(4, 16_000)[None], torch.tensor([12_000]))
    torch.testing.assert_close(found.sum(dim=1) / counts, torch.zeros(1, 96), atol=1e-4, rtol=0)


@pytest.mark.parametrize("range_db", [None, 40.0])
def test_below_its_range_a_room_is_not_heard(range_db: float | None) -> None:
    module = LogMel(LogMelConfig(range_db=range_db))
    sound = noise(5, 16_000) * (torch.arange(16_000) > 8_000)
    rooms = torch.stack([sound, sound + 0.0005 * noise(6, 16_000), sound + 0.002 * noise(7, 16_000)])
    found, _ = module(rooms, torch.tensor([16_000] * 3))
    apart = max(float((found[0] - other).abs().max()) for other in found[1:])
    assert apart > 1.0 if range_db is None else apart < 0.1
    if range_db is not None:
        assert float(found.amax() - found.amin()) <= 4.0 * torch.log(torch.tensor(10.0)) + 0.1


def test_a_tone_lands_in_the_band_around_it() -> None:
    tone = 0.1 * torch.sin(2 * torch.pi * 1_000.0 * torch.arange(16_000) / 16_000)
    loudest = MODULES["whole"](tone[None], torch.tensor([16_000]))[0][0].mean(dim=0).argmax()
    bins = torch.linspace(0, 8_000, 513)
    weights = mel_filterbank(WHOLE_TAPS)[loudest]
    assert float((weights * bins).sum() / weights.sum()) == pytest.approx(1_000.0, abs=40.0)


def test_mel_scale_has_its_fixed_point_and_its_inverse() -> None:
    assert float(hz_to_mel(torch.tensor(1_000.0))) == pytest.approx(1_000.0, abs=0.1)
    frequencies = torch.linspace(20.0, 8_000.0, 50, dtype=torch.float64)
    torch.testing.assert_close(mel_to_hz(hz_to_mel(frequencies)), frequencies)


def test_every_band_hears_something() -> None:
    assert (mel_filterbank(WHOLE_TAPS).sum(dim=1) > 0).all()
    assert (mel_filterbank(WHOLE_TAPS).amax(dim=1) <= 1.0).all()
    assert fourier_kernels(BROKEN_TAPS).shape == (2 * 257, 160, 3)


@pytest.mark.parametrize("wrong", [{"window": 2_048}, {"low_hz": 8_000.0}, {"high_hz": 9_000.0}, {"centre": "none"}])
def test_impossible_shapes_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        LogMelConfig(**wrong)


def test_in_training_each_utterance_has_a_range_of_its_own() -> None:
    module = LogMel(LogMelConfig(range_db=40.0, range_spread_db=15.0))
    sound = noise(5, 16_000) * (torch.arange(16_000) > 8_000)
    batch, lengths = sound.repeat(200, 1), torch.tensor([16_000] * 200)
    found = module(batch, lengths)[0]
    ranges = (found.amax(dim=(1, 2)) - found.amin(dim=(1, 2))) * 10.0 / torch.log(torch.tensor(10.0))
    assert 25.0 <= float(ranges.min()) < 27.0
    assert 53.0 < float(ranges.max()) <= 55.0
    asked = module.eval()(batch[:2], lengths[:2])[0]
    assert float((asked.amax() - asked.amin()) * 10.0 / torch.log(torch.tensor(10.0))) == pytest.approx(40.0, abs=1e-3)


def test_a_spread_beyond_the_range_is_refused() -> None:
    with pytest.raises(ValidationError, match=r"range_spread_db \(40\) must be below range_db \(40.0\)"):
        LogMelConfig(range_db=40.0, range_spread_db=40.0)
