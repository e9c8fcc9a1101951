"""Prosody as six numbers that add up: where a voice stands, or how an emotion, a trait or chance moves it."""

from __future__ import annotations

from numpy.random import Generator

from voxloop.config import StrictModel


class VoiceStyle(StrictModel):
    """Where prosody stands or how it is moved. As a movement, one unit is one usual step of that quality."""

    pitch: float = 0.0
    pitch_range: float = 0.0
    rate: float = 0.0
    level: float = 0.0
    """Loudness."""
    brightness: float = 0.0
    """Energy at high frequencies: a pressed voice is bright, a lax one dull."""
    tremor: float = 0.0
    """Depth of a 6 Hz shake of the amplitude."""


def draw_chance(draw: Generator) -> VoiceStyle:
    """Draw a movement whose every quality is standard normal."""
    return VoiceStyle(**dict(zip(VoiceStyle.model_fields, draw.standard_normal(6).tolist(), strict=True)))


def scale_style(style: VoiceStyle, factor: float) -> VoiceStyle:
    """Return a movement `factor` times as far."""
    return VoiceStyle(**{name: value * factor for name, value in style})


def add_styles(first: VoiceStyle, *others: VoiceStyle) -> VoiceStyle:
    """Return all movements one after the other, added from the left."""
    total = dict(first)
    for other in others:
        total = {name: value + getattr(other, name) for name, value in total.items()}
    return VoiceStyle(**total)
