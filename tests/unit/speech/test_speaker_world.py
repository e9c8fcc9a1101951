from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from voxloop.config import find_config, load_config
from voxloop.data.corpora.world import WorldCorpusConfig
from voxloop.speech.speaker_world import EMOTIONS, Speaker, WorldConfig, list_speakers, speak_utterance
from voxloop.speech.waveform import SAMPLE_RATE


def make_world(**changes: Any) -> WorldConfig:
    overrides = tuple(f"world.{key.replace('__', '.')}={value}" for key, value in changes.items())
    return load_config(WorldCorpusConfig, find_config("corpora", "world"), overrides).world


@pytest.fixture(scope="module")
def large() -> tuple[WorldConfig, dict[str, Speaker]]:
    world = make_world(home__speakers=30, newcomers__speakers=30)
    return world, {speaker.speaker_id: speaker for speaker in list_speakers(world)}


@hypothesis_settings(max_examples=25, deadline=None)
@given(first=st.integers(0, 29), newcomers=st.integers(0, 10), index=st.integers(0, 40), utterances=st.integers(1, 50))
def test_an_utterance_depends_on_nothing_but_seed_speaker_and_index(
    large: tuple[WorldConfig, dict[str, Speaker]], first: int, newcomers: int, index: int, utterances: int
) -> None:
    config, speakers = large
    small = make_world(
        home__first_speaker=first,
        home__speakers=1,
        newcomers__speakers=newcomers,
        utterances_per_speaker=utterances,
    )
    for speaker in list_speakers(small):
        assert speaker == speakers[speaker.speaker_id]
    chosen = next(iter(list_speakers(small)))
    here, there = speak_utterance(small, chosen, index), speak_utterance(config, chosen, index)
    assert (here.utterance_id, here.text, here.emotion) == (there.utterance_id, there.text, there.emotion)
    assert here.waveform.tobytes() == there.waveform.tobytes()


def test_night_two_holds_night_one() -> None:
    one = list(list_speakers(make_world(home__speakers=5)))
    two = list(list_speakers(make_world(home__speakers=5, newcomers__speakers=5)))
    assert two[:5] == one
    old, new = ({speaker.voice for speaker in part} for part in (one, two[5:]))
    assert not old & new


def test_another_seed_is_another_world() -> None:
    one, other = (next(iter(list_speakers(make_world(seed=seed)))) for seed in (1, 2))
    assert one.speaker_id == other.speaker_id
    assert one != other


def test_labels_are_balanced_and_sound_is_sound() -> None:
    world = make_world(home__speakers=2)
    said = [speak_utterance(world, speaker, index) for speaker in list_speakers(world) for index in range(12)]
    assert Counter(one.emotion for one in said) == dict.fromkeys(EMOTIONS, 4)
    for one in said:
        assert one.waveform.dtype == np.float32
        assert 1.0 < len(one.waveform) / SAMPLE_RATE < 8.0
        assert 0.01 < np.abs(one.waveform).max() <= 1.0


def test_emotions_move_the_voice_the_way_the_table_says() -> None:
    world = make_world(home__speakers=6, ambiguity=0, spread=0)
    said = [speak_utterance(world, speaker, index) for speaker in list_speakers(world) for index in range(6)]

    def level(emotion: str) -> float:
        return float(np.mean([np.sqrt(np.mean(one.waveform**2)) for one in said if one.emotion == emotion]))

    def seconds(emotion: str) -> float:
        return float(np.mean([len(one.waveform) for one in said if one.emotion == emotion])) / SAMPLE_RATE

    assert level("anger") > level("neutral") > level("sadness")
    assert seconds("sadness") > seconds("neutral") > seconds("fear")


def test_ambiguity_brings_emotions_closer() -> None:
    def spread(ambiguity: float) -> float:
        world = make_world(home__speakers=8, ambiguity=ambiguity, spread=0)
        lengths = [
            [len(speak_utterance(world, speaker, index).waveform) for speaker in list_speakers(world)]
            for index in (EMOTIONS.index("fear"), EMOTIONS.index("sadness"))
        ]
        return float(np.mean(lengths[1]) - np.mean(lengths[0]))

    assert spread(1.0) < 0.8 * spread(0.0)


def test_a_telephone_passes_nothing_above_its_band() -> None:
    world = make_world(home__speakers=1, home__telephone_share=1, home__noise_db="[-90, -90]")
    wave = speak_utterance(world, next(iter(list_speakers(world))), 3).waveform
    power = np.abs(np.fft.rfft(wave)) ** 2
    hertz = np.fft.rfftfreq(len(wave), 1 / SAMPLE_RATE)
    assert power[hertz > 4_000].sum() < 1e-3 * power.sum()
