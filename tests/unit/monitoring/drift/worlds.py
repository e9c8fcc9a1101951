"""Predictions of speakers who are each a little different: Gaussian random effects, and labels by them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from voxloop.monitoring.drift.check import CheckConfig
from voxloop.monitoring.drift.columns import Coded, fix_columns
from voxloop.monitoring.drift.profile import PredictionColumns, Profile, make_profile

NUMBERS = tuple(f"number_{place}" for place in range(11))
SHIFTED = NUMBERS[0]
CONFIG = CheckConfig(
    false_alarms=0.02,
    draws=1_000,
    seed=20261129,
    bins=20,
    least_rows=200,
    least_speakers=10,
    least_reference_speakers=100,
)


def make_predictions(
    generator: np.random.Generator, sizes: np.ndarray, *, correlation: float, shift: float = 0.0
) -> PredictionColumns:
    """Return predictions of speakers who say that many each.

    Args:
        generator: Decides.
        sizes: Rows of each speaker.
        correlation: Share of a number's variance, 1 in all, that lies between speakers.
        shift: Added to the number `SHIFTED`, in standard deviations.
    """
    who = np.repeat(np.arange(len(sizes)), sizes)
    between, within = np.sqrt(correlation), np.sqrt(1 - correlation)
    numbers = {
        name: generator.normal(0, between, len(sizes))[who] + generator.normal(0, within, len(who)) for name in NUMBERS
    }
    numbers[SHIFTED] = numbers[SHIFTED] + shift
    leaning = generator.normal(0, between, (len(sizes), 4))
    label = Coded(
        np.array(["anger", "fear", "joy", "neutral"]), (leaning[who] + generator.gumbel(size=(len(who), 4))).argmax(1)
    )
    speakers = Coded(np.array([f"speaker {number}" for number in range(len(sizes))]), who)
    models = Coded(np.array(["e" * 64]), np.zeros_like(who))
    return PredictionColumns(speakers, models, {**numbers, "label": label}, {})


def make_reference(seed: int, speakers: int, *, correlation: float, rows: int = 50) -> Profile:
    """Return the profile of a reference."""
    generator = np.random.default_rng(seed)
    predictions = make_predictions(generator, np.full(speakers, rows), correlation=correlation)
    return make_profile("emotion", fix_columns(predictions.values, CONFIG.bins), predictions)


def make_window(
    reference: Profile,
    generator: np.random.Generator,
    sizes: np.ndarray,
    *,
    correlation: float,
    shift: float = 0.0,
    unmeasured: float = 0.0,
) -> Profile:
    """Return the profile of a window of speakers whom the reference has not heard; of a share of rows nothing is measured."""
    predictions = make_predictions(generator, sizes, correlation=correlation, shift=shift)
    if unmeasured:
        skipped = generator.random(predictions.row_count) < unmeasured
        predictions = replace(predictions, skipped=dict.fromkeys(NUMBERS, skipped))
    return make_profile("emotion", reference.columns, predictions)
