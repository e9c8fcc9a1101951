"""The built-in speaker world as a corpus: no folder, no download."""

from __future__ import annotations

from datetime import datetime, timedelta
from functools import partial
from pathlib import Path

from voxloop.data.corpora.reader import Candidate, CorpusConfig, CorpusReader
from voxloop.data.schema import Utterance
from voxloop.speech.speaker_world import Speaker, list_speakers, speak_utterance
from voxloop.speech.world_config import WorldConfig

_PAUSE = timedelta(seconds=10)  # virtual time between two utterances of a speaker
_SESSION = 12  # utterances


class WorldCorpusConfig(CorpusConfig):
    """`configs/corpora/world.yaml`."""

    world: WorldConfig


def list_candidates(config: WorldCorpusConfig, _folder: Path | None) -> list[Candidate]:
    """Return one candidate an utterance; speaking happens when it is loaded."""
    return [
        Candidate(
            path=f"{speaker.speaker_id}/{index:04d}",
            speaker_id=speaker.speaker_id,
            load=partial(_load, config, speaker, index),
            recorded_at=_tell_time(config, index),
        )
        for speaker in list_speakers(config.world)
        for index in range(config.world.utterances_per_speaker)
    ]


def _tell_time(config: WorldCorpusConfig, index: int) -> datetime:
    return config.recorded_at + index * _PAUSE


def _load(config: WorldCorpusConfig, speaker: Speaker, index: int) -> Utterance:
    spoken = speak_utterance(config.world, speaker, index)
    return Utterance(
        utterance_id=spoken.utterance_id,
        speaker_id=speaker.speaker_id,
        waveform=spoken.waveform,
        recorded_at=_tell_time(config, index),
        source=config.source,
        licence=config.licence,
        session_id=f"{speaker.speaker_id}-s{index // _SESSION:02d}",
        language=config.language,
        text=spoken.text,
        emotion=spoken.emotion,
        gender=speaker.gender,
        age=speaker.age,
        traits=speaker.traits.model_dump() if config.world.traits.are_heard else {},
    )


READER = CorpusReader(
    name="world",
    title="The built-in speaker world: virtual speakers of eSpeak NG, with knobs to drift",
    tasks=("asr", "emotion", "personality"),
    licence="CC0-1.0",
    layout="no folder: it is synthesised",
    parallel_texts=False,
    config_model=WorldCorpusConfig,
    locate=None,
    list_candidates=list_candidates,
)
