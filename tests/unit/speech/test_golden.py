from __future__ import annotations

import numpy as np

from voxloop.speech.golden import golden_sounds, golden_waveform
from voxloop.speech.waveform import SAMPLE_RATE


def test_there_is_a_sound_of_every_kind_and_it_is_the_same_every_time() -> None:
    sounds = golden_sounds()
    lengths = {kind: len(sound) / SAMPLE_RATE for kind, sound in sounds.items()}
    assert lengths == {
        "8 kHz": 1.5, "16 kHz": 1.5, "48 kHz": 1.5, "silence": 1.0, "clipping": 1.0, "0.1 s": 0.1, "60 s": 60.0,
    }  # fmt: skip
    assert not sounds["silence"].any()
    full = np.mean(np.abs(sounds["clipping"].astype(int)) >= 32_767)
    assert 0.2 < full < 0.6
    again = golden_sounds()
    assert all(np.array_equal(sounds[kind], again[kind]) for kind in sounds)


def test_a_recording_at_a_low_rate_has_nothing_above_half_of_it() -> None:
    sounds = golden_sounds()

    def share_above(kind: str) -> float:
        power = np.abs(np.fft.rfft(sounds[kind].astype(float))) ** 2
        return float(power[np.fft.rfftfreq(len(sounds[kind]), 1 / SAMPLE_RATE) > 4_200].sum() / power.sum())

    assert share_above("8 kHz") < 1e-6 < share_above("16 kHz")


def test_the_rate_is_how_finely_a_sound_is_sampled() -> None:
    fine, coarse = golden_waveform(0.5, 0, 48_000), golden_waveform(0.5, 0)
    assert len(fine) == 3 * len(coarse)
    assert np.corrcoef(fine[::3], coarse)[0, 1] > 0.99
