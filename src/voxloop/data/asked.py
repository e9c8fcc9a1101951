"""What a served model is asked about, as the row that its family reads in training: sound, words, or both."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from voxloop.data.text import find_fault, normalise_text
from voxloop.errors import InputError
from voxloop.speech.prosody import ProsodyConfig, measure_prosody
from voxloop.speech.waveform import Waveform


def make_asked_row(text: str | None, language: str | None, features: dict[str, float] | None = None) -> dict[str, Any]:
    """Return a row without a label.

    Args:
        text: What was said, normalised here as a corpus is.
        language: ISO 639 code; None when it is not known.
        features: What else is known, by name; of a sound, `measure_features`.

    Raises:
        InputError: The text holds control characters or is broken.
    """
    if text is not None and (fault := find_fault(text)) is not None:
        raise InputError(f"the text has {fault[1]}", rule=f"no {fault[0]}", remedy="send plain text in UTF-8")
    settled = normalise_text(text, language) if text is not None else None
    return {"text": settled, "language": language, "features": features or {}}


def measure_features(waveform: Waveform, config: ProsodyConfig) -> dict[str, float]:
    """Return the prosody of float32 [n] at 16 kHz by the names that the step `features` gives it."""
    return asdict(measure_prosody(waveform, config))
