"""The speaker world: virtual speakers who never run out, with emotions as prosody.

Every speaker and every utterance is a function of (seed, cohort, speaker index, utterance index) alone: a larger world
holds a smaller one byte for byte, in any order. Which way an emotion moves the voice follows the directions that
K. R. Scherer, "Vocal communication of emotion" (Speech Communication 40, 2003, table 2) reports for pitch, range, rate,
intensity and high-frequency energy; how far is set so that the classes overlap. No label here is about a real person.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import soxr
from numpy.random import Generator
from numpy.typing import NDArray
from pydantic import Field

from voxloop.config import StrictModel
from voxloop.speech.espeak import ESPEAK_RATE, SpokenRequest, speak
from voxloop.speech.sentences import draw_sentence
from voxloop.speech.waveform import SAMPLE_RATE, Waveform


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


class EmotionStyles(StrictModel):
    """How each emotion moves the voice away from rest."""

    anger: VoiceStyle
    fear: VoiceStyle
    happiness: VoiceStyle
    neutral: VoiceStyle
    sadness: VoiceStyle
    surprise: VoiceStyle


EMOTIONS = tuple(EmotionStyles.model_fields)


class CohortConfig(StrictModel):
    """Speakers of one kind. The first `speakers` of them from `first_speaker` on are in the corpus."""

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
    noise_db: tuple[float, float] = (-45.0, -30.0)
    """Background noise beside the speech, from and to, dB."""
    telephone_share: float = Field(default=0.0, ge=0.0, le=1.0)
    """Share of speakers heard through a telephone band, 300 to 3,400 Hz."""


class WorldConfig(StrictModel):
    """The world: two cohorts, of which the second one comes later."""

    seed: int
    utterances_per_speaker: int = Field(ge=1)
    ambiguity: float = Field(ge=0.0, le=1.0)
    """0: every emotion is played out in full. 1: it may vanish behind another one altogether."""
    spread: float = Field(ge=0.0)
    """Standard deviation, in steps, of prosody between the utterances of one speaker and emotion."""
    emotions: EmotionStyles
    home: CohortConfig
    newcomers: CohortConfig


@dataclass(frozen=True)
class Speaker:
    """A virtual speaker: a voice and habits. Pitch in eSpeak's 0 to 99, rate in words a minute, tract as a factor."""

    speaker_id: str
    gender: str
    age: int
    voice: str
    pitch: float
    rate: float
    tract: float
    """Formants and pitch are scaled by it: above 1 a shorter vocal tract."""
    expressiveness: float
    habit: VoiceStyle
    noise_db: float
    telephone: bool


@dataclass(frozen=True)
class WorldUtterance:
    """One utterance of the world; `waveform` is float32 [n] at 16 kHz."""

    utterance_id: str
    text: str
    emotion: str
    waveform: Waveform


def list_speakers(config: WorldConfig) -> Iterator[Speaker]:
    """Yield the speakers of both cohorts, each a function of seed, cohort and index alone."""
    for name, cohort in (("home", config.home), ("newcomer", config.newcomers)):
        for index in range(cohort.first_speaker, cohort.first_speaker + cohort.speakers):
            yield make_speaker(config, cohort, f"{name}-{index:04d}")


def make_speaker(config: WorldConfig, cohort: CohortConfig, speaker_id: str) -> Speaker:
    """Draw the voice and the habits of one speaker."""
    draw = _generator(config.seed, speaker_id)
    woman = bool(draw.random() < 0.5)
    variants = cohort.women if woman else cohort.men
    age = int(draw.integers(18, 76))
    return Speaker(
        speaker_id=speaker_id,
        gender="female" if woman else "male",
        age=age,
        voice=f"{cohort.accents[draw.integers(len(cohort.accents))]}+{variants[draw.integers(len(variants))]}",
        pitch=50.0 + 6.0 * draw.standard_normal(),
        rate=170.0 + 12.0 * draw.standard_normal() - 0.3 * (age - 45),
        tract=float(np.exp(0.05 * draw.standard_normal())),
        expressiveness=cohort.expressiveness * float(np.exp(0.15 * draw.standard_normal())),
        habit=_add(cohort.manner, _scale(_draw_style(draw), 0.4)),
        noise_db=float(draw.uniform(*cohort.noise_db)),
        telephone=bool(draw.random() < cohort.telephone_share),
    )


def speak_utterance(config: WorldConfig, speaker: Speaker, index: int) -> WorldUtterance:
    """Speak the utterance of that index; emotions take turns, so that each speaker's labels are balanced."""
    utterance_id = f"{speaker.speaker_id}-{index:04d}"
    draw = _generator(config.seed, utterance_id)
    emotion = EMOTIONS[index % len(EMOTIONS)]
    style = draw_style(config, speaker, emotion, draw)
    text = draw_sentence(draw)
    spoken = speak(_request(text, speaker, style))
    waveform = _record(_shape(spoken, style, draw), speaker, draw)
    return WorldUtterance(utterance_id, text, emotion, waveform)


def draw_style(config: WorldConfig, speaker: Speaker, emotion: str, draw: Generator) -> VoiceStyle:
    """Return the prosody of one utterance: the emotion, part of another one, the speaker's habit, and chance."""
    share = 1.0 - config.ambiguity * draw.random()
    other = EMOTIONS[draw.integers(len(EMOTIONS))]
    meant = _scale(getattr(config.emotions, emotion), share * speaker.expressiveness)
    mixed = _scale(getattr(config.emotions, other), (1.0 - share) * speaker.expressiveness)
    chance = _scale(_draw_style(draw), config.spread)
    return _add(_add(meant, mixed), _add(speaker.habit, chance))


def _generator(seed: int, name: str) -> Generator:
    return np.random.default_rng(int.from_bytes(hashlib.sha256(f"{seed}/{name}".encode()).digest()[:16]))


def _draw_style(draw: Generator) -> VoiceStyle:
    return VoiceStyle(**dict(zip(VoiceStyle.model_fields, draw.standard_normal(6).tolist(), strict=True)))


def _scale(style: VoiceStyle, factor: float) -> VoiceStyle:
    return VoiceStyle(**{name: value * factor for name, value in style})


def _add(one: VoiceStyle, other: VoiceStyle) -> VoiceStyle:
    return VoiceStyle(**{name: value + getattr(other, name) for name, value in one})


def _request(text: str, speaker: Speaker, style: VoiceStyle) -> SpokenRequest:
    return SpokenRequest(
        text=text,
        voice=speaker.voice,
        rate=round(float(np.clip(speaker.rate * 1.15**style.rate, 90, 320))),
        pitch=round(float(np.clip(speaker.pitch + 10.0 * style.pitch, 0, 99))),
        pitch_range=round(float(np.clip(50.0 + 16.0 * style.pitch_range, 0, 99))),
    )


def _shape(spoken: NDArray[np.int16], style: VoiceStyle, draw: Generator) -> Waveform:
    """Apply loudness (3 dB a step), brightness (a first difference or sum) and tremor at the synthesiser's rate."""
    samples = spoken.astype(np.float32) / np.float32(32_768.0)
    tilt = np.float32(np.clip(0.25 * style.brightness, -0.8, 0.8))
    samples[1:] -= tilt * samples[:-1].copy()
    depth = np.float32(np.clip(0.15 * style.tremor, 0.0, 0.6))
    phase = np.arange(len(samples), dtype=np.float32) * np.float32(2 * np.pi * 6.0 / ESPEAK_RATE)
    samples *= 1 - depth * (1 + np.sin(phase + np.float32(draw.uniform(0, 2 * np.pi)))) / 2
    return samples * np.float32(10.0 ** (3.0 * style.level / 20.0))


def _record(samples: Waveform, speaker: Speaker, draw: Generator) -> Waveform:
    """Bring the voice to 16 kHz through the speaker's tract, room and microphone: band, noise, gain."""
    voice = soxr.resample(samples, ESPEAK_RATE * speaker.tract, SAMPLE_RATE, quality="HQ")
    if speaker.telephone:
        voice = _telephone_band(voice)
    level = float(np.sqrt(np.mean(np.square(voice)))) + 1e-6
    noise = draw.standard_normal(len(voice), dtype=np.float32) * np.float32(level * 10.0 ** (speaker.noise_db / 20.0))
    gain = np.float32(10.0 ** (draw.normal(-3.0, 3.0) / 20.0))
    return np.asarray(np.clip((voice + noise) * gain, -1.0, 1.0), dtype=np.float32)


def _telephone_band(voice: Waveform) -> Waveform:
    spectrum = np.fft.rfft(voice)
    hertz = np.fft.rfftfreq(len(voice), 1.0 / SAMPLE_RATE)
    spectrum[(hertz < 300.0) | (hertz > 3_400.0)] = 0.0
    return np.asarray(np.fft.irfft(spectrum, len(voice)), dtype=np.float32)
