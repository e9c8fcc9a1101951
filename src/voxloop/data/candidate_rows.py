"""A candidate becomes a row or a refusal: what a worker of the decoding pool does."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from voxloop.data.corpora.reader import Candidate, CorpusConfig, UnusableFileError
from voxloop.data.schema import Utterance, make_row
from voxloop.data.splits import split_of
from voxloop.data.text import find_fault, normalise_text
from voxloop.speech.waveform import UnusableAudioError, check_samples


@dataclass(frozen=True)
class Loaded:
    """A row of `UTTERANCE_SCHEMA`, and the numbers that go to `measures.parquet`."""

    row: dict[str, Any]
    measures: dict[str, float]


@dataclass(frozen=True)
class Refusal:
    """A row of the quarantine table."""

    path: str
    reason: str
    detail: str


def load_row(config: CorpusConfig, candidate: Candidate, *, virtual: bool = False) -> Loaded | Refusal:
    """Load a candidate: decode, check, normalise its text, encode.

    Args:
        config: Limits and split, where the candidate has none of its own.
        candidate: What to load.
        virtual: Its sound comes from no file: decoding has not checked its samples.
    """
    config = candidate.config or config
    try:
        utterance = candidate.load()
        if virtual and utterance.waveform is not None:
            check_samples(utterance.waveform, candidate.path, config.audio)
        text = _settle_text(candidate.path, utterance)
        if text != utterance.text:
            utterance = replace(utterance, text=text)
    except (UnusableFileError, UnusableAudioError) as refused:
        return Refusal(candidate.path, refused.reason, refused.detail)
    return Loaded(make_row(utterance, split_of(utterance.speaker_id, config.split)), utterance.measures)


def _settle_text(path: str, utterance: Utterance) -> str | None:
    """Return the normalised text; None where there is none and none is needed."""
    text = utterance.text
    if text is not None and (fault := find_fault(text)) is not None:
        raise UnusableFileError(path, *fault)
    settled = normalise_text(text, utterance.language) if text is not None else ""
    if not settled and (utterance.waveform is None or text is not None):
        raise UnusableFileError(path, "no text", "no words are left of its text")
    return settled or None
