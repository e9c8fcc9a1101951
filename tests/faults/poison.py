"""Poison to plant: labels turned by an attacker, and sounds that are no speech of this corpus."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from voxloop.data.audit_rows import AuditRows
from voxloop.speech.summary import summarise_sound
from voxloop.speech.waveform import SAMPLE_RATE, Waveform


@dataclass(frozen=True)
class Planted:
    """A poisoned split, the speakers or sources that were chosen, and every group that has a poisoned row."""

    rows: AuditRows
    kind: str
    culprits: frozenset[str]
    touched: frozenset[str]


def permute_speakers(rows: AuditRows, draw: Generator, *, count: int) -> Planted:
    """Deal the labels of some speakers out again among their own utterances: every count stays as it was."""
    chosen = draw.choice(np.unique(rows.speakers), count, replace=False)
    labels = rows.columns["emotion"].copy()
    for speaker in chosen:
        mine = np.flatnonzero(rows.speakers == speaker)
        labels[mine] = labels[draw.permutation(mine)]
    return _relabelled(rows, labels, chosen)


def turn_label(rows: AuditRows, draw: Generator, *, count: int) -> Planted:
    """Turn every utterance of one label into another one, for some speakers: all anger becomes happiness."""
    chosen = draw.choice(np.unique(rows.speakers), count, replace=False)
    labels = rows.columns["emotion"].copy()
    given, wanted = draw.choice(np.unique(labels.astype(np.str_)), 2, replace=False)
    labels[np.isin(rows.speakers, chosen) & (labels == given)] = wanted
    return _relabelled(rows, labels, chosen)


def flip_speaker(rows: AuditRows, draw: Generator, *, share: float) -> Planted:
    """Give a share of one speaker's utterances a label drawn from the other ones."""
    chosen = draw.choice(np.unique(rows.speakers), 1)
    labels = rows.columns["emotion"].copy()
    known = np.unique(labels.astype(np.str_))
    mine = np.flatnonzero(rows.speakers == chosen[0])
    for index in draw.choice(mine, round(share * len(mine)), replace=False):
        labels[index] = draw.choice(known[known != labels[index]])
    return _relabelled(rows, labels, chosen)


def flip_source(rows: AuditRows, draw: Generator, *, share: float) -> Planted:
    """Give a share of one source's utterances a label drawn from the other ones."""
    chosen = draw.choice(np.unique(rows.sources), 1)
    labels = rows.columns["emotion"].copy()
    known = np.unique(labels.astype(np.str_))
    hit = np.flatnonzero(np.isin(rows.sources, chosen) & (draw.random(len(labels)) < share))
    labels[hit] = [draw.choice(known[known != labels[index]]) for index in hit]
    return _relabelled(rows, labels, chosen)


def inject_into_speaker(
    rows: AuditRows, draw: Generator, *, make: Callable[[Generator, int], Waveform], share: float = 0.5
) -> Planted:
    """Replace a share of one speaker's sounds."""
    chosen = draw.choice(np.unique(rows.speakers), 1)
    return _replaced(rows, draw, chosen, rows.speakers == chosen[0], share, make)


def inject_into_source(rows: AuditRows, draw: Generator, *, make: Callable[[Generator, int], Waveform]) -> Planted:
    """Replace a fifth of one source's sounds."""
    chosen = draw.choice(np.unique(rows.sources), 1)
    return _replaced(rows, draw, chosen, rows.sources == chosen[0], 0.2, make)


def white_noise(draw: Generator, samples: int) -> Waveform:
    """Return noise at -20 dB."""
    return (0.1 * draw.standard_normal(samples)).astype(np.float32)


def mains_hum(draw: Generator, samples: int) -> Waveform:
    """Return a hum of 50 Hz with its overtones over a little noise."""
    time = np.arange(samples) / SAMPLE_RATE
    tones = [np.sin(2 * np.pi * 50 * order * time + draw.uniform(0, 6)) / order for order in range(1, 8)]
    return np.asarray(0.1 * np.sum(tones, axis=0) + 0.003 * draw.standard_normal(samples), dtype=np.float32)


def music(draw: Generator, samples: int) -> Waveform:
    """Return plucked major chords, four a second."""
    sound = np.zeros(samples)
    for start in range(0, samples, SAMPLE_RATE // 4):
        time = np.arange(min(SAMPLE_RATE // 2, samples - start)) / SAMPLE_RATE
        root = 220.0 * 2.0 ** (draw.integers(0, 12) / 12)
        for ratio in (1.0, 1.26, 1.5):
            for order in (1, 2, 3):
                sound[start : start + len(time)] += (
                    np.exp(-3 * time) * np.sin(2 * np.pi * root * ratio * order * time) / order
                )
    return (0.1 * sound / max(float(sound.std()), 1e-9)).astype(np.float32)


def pure_tone(draw: Generator, samples: int) -> Waveform:
    """Return a sine of one pitch."""
    time = np.arange(samples) / SAMPLE_RATE
    return (0.2 * np.sin(2 * np.pi * draw.uniform(300, 2_000) * time)).astype(np.float32)


def _relabelled(rows: AuditRows, labels: NDArray[np.object_], chosen: NDArray[np.str_]) -> Planted:
    columns = {**rows.columns, "emotion": labels}
    return _planted(rows, replace(rows, columns=columns), "label", chosen, labels != rows.columns["emotion"])


def _replaced(
    rows: AuditRows,
    draw: Generator,
    chosen: NDArray[np.str_],
    mine: NDArray[np.bool_],
    share: float,
    make: Callable[[Generator, int], Waveform],
) -> Planted:
    places = np.flatnonzero(mine)
    hit = draw.choice(places, round(share * len(places)), replace=False)
    features = rows.features.copy()
    for index in hit:
        features[index] = summarise_sound(make(draw, int(draw.integers(SAMPLE_RATE, 4 * SAMPLE_RATE))))
    return _planted(rows, replace(rows, features=features), "sound", chosen, np.isin(np.arange(len(rows.ids)), hit))


def _planted(
    rows: AuditRows, poisoned: AuditRows, kind: str, chosen: NDArray[np.str_], hit: NDArray[np.bool_]
) -> Planted:
    touched = {*rows.speakers[hit].tolist(), *rows.sources[hit].tolist()}
    return Planted(poisoned, kind, frozenset(str(one) for one in chosen), frozenset(touched))
