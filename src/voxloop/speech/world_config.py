"""The configuration of the speaker world: emotions, traits, and cohorts with their knobs to drift."""

from __future__ import annotations

import re
from typing import Self

from pydantic import Field, field_validator, model_validator

from voxloop.config import StrictModel
from voxloop.speech.recording import Codec
from voxloop.speech.sentences import NEW_WORDS, OWN_SPEAKERS, OWN_UTTERANCES, list_words
from voxloop.speech.speaker_traits import TraitsConfig
from voxloop.speech.voice_style import VoiceStyle


class EmotionStyles(StrictModel):
    """How each emotion moves the voice away from rest."""

    anger: VoiceStyle
    fear: VoiceStyle
    happiness: VoiceStyle
    neutral: VoiceStyle
    sadness: VoiceStyle
    surprise: VoiceStyle


EMOTIONS = tuple(EmotionStyles.model_fields)


class EmotionShares(StrictModel):
    """How often each emotion is played, beside the others; one that is not named is never played."""

    anger: float = Field(default=0.0, ge=0.0)
    fear: float = Field(default=0.0, ge=0.0)
    happiness: float = Field(default=0.0, ge=0.0)
    neutral: float = Field(default=0.0, ge=0.0)
    sadness: float = Field(default=0.0, ge=0.0)
    surprise: float = Field(default=0.0, ge=0.0)

    @model_validator(mode="after")
    def _play_something(self) -> EmotionShares:
        if not sum(share for _, share in self) > 0.0:
            raise ValueError("one of the emotions must have a share above 0")
        return self


class CohortConfig(StrictModel):
    """Speakers of one kind. The first `speakers` of them from `first_speaker` on are in the corpus.

    Every knob below `manner` may be turned alone: the voices, words, labels and chances it is not about stay the same.
    """

    first_speaker: int = Field(default=0, ge=0)
    speakers: int = Field(ge=0)
    accents: tuple[str, ...] = Field(min_length=1)
    """eSpeak NG languages, such as `en-us` or `en-gb-scotland`."""
    women: tuple[str, ...] = Field(min_length=1)
    """eSpeak NG variants, such as `f2`."""
    men: tuple[str, ...] = Field(min_length=1)
    expressiveness: float = Field(default=1.0, gt=0.0, le=2.0)
    """How far this cohort's emotions move the voice."""
    manner: VoiceStyle = VoiceStyle()
    """How this cohort speaks at rest, beside the first one."""
    rate_factor: float = Field(default=1.0, ge=0.7, le=1.4)
    """How fast it speaks, beside the first one; further out eSpeak NG cannot follow every emotion."""
    label_shares: EmotionShares | None = None
    """How often it plays each emotion; left out, they take turns."""
    new_word_share: float = Field(default=0.0, ge=0.0, le=1.0)
    """Share of sentences about something the grammar does not know."""
    new_words: tuple[str, ...] = Field(default=NEW_WORDS, min_length=1)
    """What these sentences are about."""
    noise_db: tuple[float, float] = (-45.0, -30.0)
    """Background noise beside the speech, from and to, dB; each speaker has their own."""
    snr_db: float | None = Field(default=None, ge=-20.0, le=90.0)
    """Speech over noise, dB, the same for every utterance, instead of `noise_db`."""
    telephone_share: float = Field(default=0.0, ge=0.0, le=1.0)
    """Share of speakers heard through a telephone: 300 to 3,400 Hz, 8 kHz, mu-law."""
    codec: Codec = "none"
    """What recordings were coded with before they came here."""
    codec_quality: float = Field(default=0.5, ge=0.01, le=1.0)
    """From the smallest file to the best sound."""

    @field_validator("new_words")
    @classmethod
    def _check_words(cls, words: tuple[str, ...]) -> tuple[str, ...]:
        for word in words:
            if not re.fullmatch(r"[A-Za-z]+( [A-Za-z]+)*", word):
                raise ValueError(f"{word!r} is not made of plain letters")
            if set(word.lower().split()) & list_words():
                raise ValueError(f"{word!r} is not new: the grammar says it already")
        return words


class WorldConfig(StrictModel):
    """The world: two cohorts, of which the second one comes later."""

    seed: int
    utterances_per_speaker: int = Field(ge=1)
    ambiguity: float = Field(ge=0.0, le=1.0)
    """0: every emotion is played out in full. 1: it may vanish behind another one altogether."""
    spread: float = Field(ge=0.0)
    """Standard deviation, in steps, of prosody between the utterances of one speaker and emotion."""
    emotions: EmotionStyles
    traits: TraitsConfig = TraitsConfig()
    own_sentences: bool = False
    """Nobody says what another has said, as a recogniser's test asks; else sentences are drawn, some of them twice."""
    home: CohortConfig
    newcomers: CohortConfig

    @model_validator(mode="after")
    def _enough_sentences(self) -> Self:
        last = max(cohort.first_speaker + cohort.speakers for cohort in (self.home, self.newcomers))
        if self.own_sentences and (last > OWN_SPEAKERS or self.utterances_per_speaker > OWN_UTTERANCES):
            raise ValueError(
                f"own_sentences are enough for {OWN_SPEAKERS} speakers a cohort with {OWN_UTTERANCES} utterances each, "
                f"not for {last} with {self.utterances_per_speaker}"
            )
        return self
