"""The speaker world: virtual speakers who never run out, with emotions as prosody and traits as habits.

Every speaker and every utterance is a function of (seed, cohort, speaker index, utterance index) alone: a larger world
holds a smaller one byte for byte, in any order. What each knob draws by chance comes from a stream of its own, so that
turning it changes nothing else. Which way an emotion moves the voice follows the directions that K. R. Scherer, "Vocal
communication of emotion" (Speech Communication 40, 2003, table 2) reports for pitch, range, rate, intensity and
high-frequency energy; how far is set so that the classes overlap. No label here is about a real person.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import soxr
from numpy.random import Generator
from numpy.typing import NDArray

from voxloop.speech.espeak import ESPEAK_RATE, FASTEST, SLOWEST, SpokenRequest, speak
from voxloop.speech.recording import Channel, record
from voxloop.speech.sentences import OWN_UTTERANCES, count_sentences, draw_sentence, pick_sentence, use_new_word
from voxloop.speech.speaker_traits import TraitScores, draw_traits, move_voice
from voxloop.speech.trait_phrases import add_habits
from voxloop.speech.voice_style import VoiceStyle, add_styles, draw_chance, scale_style
from voxloop.speech.waveform import SAMPLE_RATE, Waveform
from voxloop.speech.world_config import EMOTIONS, CohortConfig, EmotionShares, WorldConfig

_GOLDEN = 0.618_033_988_749_894_9
"""Steps of this length on a circle visit every part of it evenly from the first few on (the golden ratio's)."""


@dataclass(frozen=True)
class Speaker:
    """A virtual speaker: a voice and habits. Pitch in eSpeak's 0 to 99, rate in words a minute, tract as a factor."""

    speaker_id: str
    gender: str
    age: int
    voice: str
    pitch: float
    rate: float
    rate_factor: float
    tract: float
    """Formants and pitch are scaled by it: above 1 a shorter vocal tract."""
    expressiveness: float
    habit: VoiceStyle
    traits: TraitScores
    label_shares: EmotionShares | None
    new_word_share: float
    new_words: tuple[str, ...]
    channel: Channel


@dataclass(frozen=True)
class Plan:
    """What is going to be said and how; planning speaks nothing, and costs a hundredth of speaking."""

    utterance_id: str
    text: str
    emotion: str
    style: VoiceStyle


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
    age = int(draw.integers(18, 76))
    traits = draw_traits(config.traits, _generator(config.seed, f"{speaker_id}/traits"))
    return Speaker(
        speaker_id=speaker_id,
        gender="female" if woman else "male",
        age=age,
        voice=f"{_pick(cohort.accents, draw)}+{_pick(cohort.women if woman else cohort.men, draw)}",
        pitch=50.0 + 6.0 * draw.standard_normal(),
        rate=170.0 + 12.0 * draw.standard_normal() - 0.3 * (age - 45),
        rate_factor=cohort.rate_factor,
        tract=float(np.exp(0.05 * draw.standard_normal())),
        expressiveness=cohort.expressiveness * float(np.exp(0.15 * draw.standard_normal())),
        habit=add_styles(cohort.manner, scale_style(draw_chance(draw), 0.4), move_voice(traits, config.traits)),
        traits=traits,
        label_shares=cohort.label_shares,
        new_word_share=cohort.new_word_share,
        new_words=cohort.new_words,
        channel=_draw_channel(cohort, draw),
    )


def speak_utterance(config: WorldConfig, speaker: Speaker, index: int) -> WorldUtterance:
    """Speak the utterance of that index."""
    draw = _generator(config.seed, f"{speaker.speaker_id}-{index:04d}")
    plan = _plan(config, speaker, index, draw)
    spoken = _shape(speak(_request(plan.text, speaker, plan.style)), plan.style, draw)
    voice = soxr.resample(spoken, ESPEAK_RATE * speaker.tract, SAMPLE_RATE, quality="HQ")
    return WorldUtterance(plan.utterance_id, plan.text, plan.emotion, record(voice, speaker.channel, draw))


def plan_utterance(config: WorldConfig, speaker: Speaker, index: int) -> Plan:
    """Return what `speak_utterance` will say, and how."""
    return _plan(config, speaker, index, _generator(config.seed, f"{speaker.speaker_id}-{index:04d}"))


def _plan(config: WorldConfig, speaker: Speaker, index: int, draw: Generator) -> Plan:
    emotion = _choose_emotion(config, speaker, index)
    style = _draw_style(config, speaker, emotion, draw)
    utterance_id = f"{speaker.speaker_id}-{index:04d}"
    return Plan(utterance_id, _draw_text(config, speaker, utterance_id, draw), emotion, style)


def _choose_emotion(config: WorldConfig, speaker: Speaker, index: int) -> str:
    """Let the emotions take turns, or take their shares, so that each speaker's labels are as even as they can be."""
    if speaker.label_shares is None:
        return EMOTIONS[index % len(EMOTIONS)]
    start = _generator(config.seed, f"{speaker.speaker_id}/labels").random()
    bounds = np.cumsum([share for _, share in speaker.label_shares])
    place = (start + index * _GOLDEN) % 1.0
    return EMOTIONS[int(np.searchsorted(bounds / bounds[-1], place, side="right"))]


def _draw_text(config: WorldConfig, speaker: Speaker, utterance_id: str, draw: Generator) -> str:
    sentence = draw_sentence(draw)  # also where it is not said: what is drawn after it stays the same
    if config.own_sentences:
        sentence = pick_sentence(_shuffle_sentences(config.seed)[_number(utterance_id)])
    if speaker.new_word_share > 0.0:
        chance = _generator(config.seed, f"{utterance_id}/new words")
        if chance.random() < speaker.new_word_share:
            sentence = use_new_word(sentence, _pick(speaker.new_words, chance))
    if config.traits.words == 0.0:
        return str(sentence)
    habits = _generator(config.seed, f"{utterance_id}/habits")
    return add_habits(str(sentence), speaker.traits, config.traits.words, habits)


@lru_cache(maxsize=1)
def _shuffle_sentences(seed: int) -> tuple[int, ...]:
    return tuple(_generator(seed, "sentences").permutation(count_sentences()).tolist())


def _number(utterance_id: str) -> int:
    """Return another number for each utterance of a world."""
    cohort, speaker, index = utterance_id.split("-")
    return (2 * int(speaker) + (cohort != "home")) * OWN_UTTERANCES + int(index)


def _draw_style(config: WorldConfig, speaker: Speaker, emotion: str, draw: Generator) -> VoiceStyle:
    """Return the prosody of one utterance: the emotion, part of another one, the speaker's habit, and chance."""
    share = 1.0 - config.ambiguity * draw.random()
    other = EMOTIONS[draw.integers(len(EMOTIONS))]
    meant = scale_style(getattr(config.emotions, emotion), share * speaker.expressiveness)
    mixed = scale_style(getattr(config.emotions, other), (1.0 - share) * speaker.expressiveness)
    chance = scale_style(draw_chance(draw), config.spread)
    return add_styles(add_styles(meant, mixed), add_styles(speaker.habit, chance))


def _generator(seed: int, name: str) -> Generator:
    return np.random.default_rng(int.from_bytes(hashlib.sha256(f"{seed}/{name}".encode()).digest()[:16]))


def _pick(choices: tuple[str, ...], draw: Generator) -> str:
    """Draw one of them; a choice out of one draws as well, or every later draw would move (numpy would skip it)."""
    return choices[int(draw.integers(max(2, len(choices)))) % len(choices)]


def _draw_channel(cohort: CohortConfig, draw: Generator) -> Channel:
    return Channel(
        noise_db=float(draw.uniform(*cohort.noise_db)),
        telephone=bool(draw.random() < cohort.telephone_share),
        snr_db=cohort.snr_db,
        codec=cohort.codec,
        codec_quality=cohort.codec_quality,
    )


def _request(text: str, speaker: Speaker, style: VoiceStyle) -> SpokenRequest:
    rate = float(np.clip(speaker.rate * 1.15**style.rate, 90, 320)) * speaker.rate_factor
    return SpokenRequest(
        text=text,
        voice=speaker.voice,
        rate=round(min(max(rate, SLOWEST), FASTEST)),
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
