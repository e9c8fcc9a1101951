"""Our log-mel module against librosa, on one thread of one core.

Both make log-mel spectrograms of the same waveforms with the same Hann windows, triangular filters, floor and mean
removed, in batches of 16 utterances of 10 s. librosa centres a window inside its frame of `fft` samples, so its
waveform is padded by half of what lies between the two; it is told the whole batch at once, which is its fastest way.
The ratio is the median over rounds taken in turn; single utterances of 3 s, where librosa pays for making its filters
again at each call, go to standard error.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable

import librosa
import numpy as np
import numpy.typing as npt
import torch
from threadpoolctl import threadpool_limits

from benchmarks.report import Finding
from voxloop.speech.log_mel import LogMel, LogMelConfig

ROUNDS = 25
TARGET = 1.7
MOST_DIFFERENCE = 1e-3

Array = npt.NDArray[np.float32]


def measure() -> Finding:
    """Return seconds of audio a processor second of each, in batches of 16 utterances of 10 s."""
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    torch.set_num_threads(1)
    with threadpool_limits(1), torch.inference_mode():
        compare(1, 3)
        ours, peer = compare(16, 10)
    return Finding("log-mel: seconds of audio a processor second", ours, peer, TARGET, "at least")


def compare(utterances: int, seconds: int) -> tuple[float, float]:
    """Return the speed of ours and, by the median ratio, of librosa; both must say the same."""
    config = LogMelConfig()
    module = LogMel(config).eval()
    waveforms = make_waveforms(utterances, seconds * config.sample_rate)
    given = torch.from_numpy(waveforms), torch.full((utterances,), waveforms.shape[1])
    reference = spectrograms_librosa(waveforms, config)
    difference = float(np.abs(module(*given)[0][:, : reference.shape[1]].numpy() - reference).max())
    assert difference <= MOST_DIFFERENCE, f"the two differ by {difference:.1e}"
    taken = [
        (_time(lambda: module(*given)), _time(lambda: spectrograms_librosa(waveforms, config))) for _ in range(ROUNDS)
    ]
    ours = utterances * seconds / min(one for one, _ in taken)
    ratio = float(np.median([theirs / one for one, theirs in taken]))
    told = f"{ours:,.0f} times real time, {ratio:.2f} x librosa, difference {difference:.1e}"
    print(f"{utterances} x {seconds} s: {told}", file=sys.stderr)
    return ours, ours / ratio


def make_waveforms(utterances: int, samples: int) -> Array:
    """Return hums in noise of very different loudness, float32 [utterances, samples], the last quarter near silence."""
    draw = np.random.default_rng(5)
    clock = np.arange(samples) / 16_000
    pitches = draw.uniform(80.0, 300.0, (utterances, 1))
    hums = sum(np.sin(2 * np.pi * order * pitches * clock) / order for order in range(1, 20))
    sounds = 0.05 * hums + 0.01 * draw.standard_normal((utterances, samples))
    sounds[:, samples * 3 // 4 :] *= 1e-3
    return (sounds * draw.uniform(0.05, 1.0, (utterances, 1))).astype(np.float32)


def spectrograms_librosa(waveforms: Array, config: LogMelConfig) -> Array:
    """Return what librosa makes of waveforms [batch, samples], float32 [batch, frames, mels]."""
    edge = (config.fft - config.window) // 2
    mel = librosa.feature.melspectrogram(
        y=np.pad(waveforms, ((0, 0), (edge, edge))),
        sr=config.sample_rate,
        n_fft=config.fft,
        hop_length=config.hop,
        win_length=config.window,
        window="hann",
        center=False,
        power=2.0,
        n_mels=config.mels,
        fmin=config.low_hz,
        fmax=config.high_hz,
        htk=True,
        norm=None,
    )
    log_mel = np.log(mel + np.float32(config.floor))
    centred: Array = (log_mel - log_mel.mean(axis=(1, 2), keepdims=True)).transpose(0, 2, 1)
    return centred


def _time(work: Callable[[], object]) -> float:
    started = time.process_time()
    work()
    return time.process_time() - started


if __name__ == "__main__":
    print(measure().as_json())
