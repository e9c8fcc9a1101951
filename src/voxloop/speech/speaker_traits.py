"""The Big Five of a virtual speaker: five scores, and how they move the voice.

Directions of the voice follow K. R. Scherer, "Personality markers in speech" (in Scherer and Giles, eds., Social
Markers in Speech, Cambridge 1979): extraverts speak louder, faster and with more movement of pitch, the anxious with a
higher and less steady voice. Openness, conscientiousness and agreeableness move it by the world's own rule. How far is
set in `configs/corpora/world.yaml`, for a world that can be learnt; nothing here is about a real person.
"""

from __future__ import annotations

from numpy.random import Generator
from pydantic import Field

from voxloop.config import StrictModel
from voxloop.speech.voice_style import VoiceStyle, add_styles, scale_style

LOWEST, MIDDLE, HIGHEST = 1.0, 4.0, 7.0
"""The scale of a score."""


class TraitScores(StrictModel):
    """Where a speaker stands in each trait, 1 to 7."""

    openness: float = Field(default=MIDDLE, ge=LOWEST, le=HIGHEST)
    conscientiousness: float = Field(default=MIDDLE, ge=LOWEST, le=HIGHEST)
    extraversion: float = Field(default=MIDDLE, ge=LOWEST, le=HIGHEST)
    agreeableness: float = Field(default=MIDDLE, ge=LOWEST, le=HIGHEST)
    neuroticism: float = Field(default=MIDDLE, ge=LOWEST, le=HIGHEST)


class TraitStyles(StrictModel):
    """How one point of each trait above the middle moves the voice."""

    openness: VoiceStyle = VoiceStyle()
    conscientiousness: VoiceStyle = VoiceStyle()
    extraversion: VoiceStyle = VoiceStyle()
    agreeableness: VoiceStyle = VoiceStyle()
    neuroticism: VoiceStyle = VoiceStyle()


class TraitsConfig(StrictModel):
    """How much of their traits the speakers let be heard."""

    voice: float = Field(default=0.0, ge=0.0, le=3.0)
    """Strength of the habits of voice; 0: none."""
    words: float = Field(default=0.0, ge=0.0, le=3.0)
    """Strength of the habits of words; 0: none."""
    spread: float = Field(default=1.2, ge=0.0, le=3.0)
    """Standard deviation of a score between speakers."""
    styles: TraitStyles = TraitStyles()

    @property
    def are_heard(self) -> bool:
        """Whether anything in sound or words tells of the traits: what cannot be heard is no label."""
        return self.voice > 0.0 or self.words > 0.0


def draw_traits(config: TraitsConfig, draw: Generator) -> TraitScores:
    """Draw five independent scores about the middle, to two decimals."""
    scores = (MIDDLE + config.spread * draw.standard_normal(5)).clip(LOWEST, HIGHEST).round(2)
    return TraitScores(**dict(zip(TraitScores.model_fields, scores.tolist(), strict=True)))


def move_voice(scores: TraitScores, config: TraitsConfig) -> VoiceStyle:
    """Return how the traits move the voice at rest; nowhere with strength 0."""
    moves = [scale_style(getattr(config.styles, trait), config.voice * (score - MIDDLE)) for trait, score in scores]
    return add_styles(VoiceStyle(), *moves)
