from __future__ import annotations

import pickle
from collections import defaultdict

import numpy as np
import pytest

from voxloop.config import find_config, load_config
from voxloop.data.corpora import find_corpus
from voxloop.data.corpora.reader import Candidate
from voxloop.data.corpora.world import WorldCorpusConfig
from voxloop.data.schema import TRAITS

READER = find_corpus("world")


def list_world(*overrides: str) -> list[Candidate]:
    config = load_config(WorldCorpusConfig, find_config("corpora", "world"), overrides)
    return list(READER.list_candidates(config, None))


def test_every_utterance_of_every_speaker_is_a_candidate() -> None:
    found = list_world("world.home.speakers=3", "world.newcomers.speakers=2", "world.utterances_per_speaker=4")
    assert len({one.path for one in found}) == len(found) == 20
    assert {one.speaker_id for one in found} == {
        "home-0000",
        "home-0001",
        "home-0002",
        "newcomer-0000",
        "newcomer-0001",
    }


def test_a_candidate_travels_to_another_process_and_says_the_same() -> None:
    candidate = list_world("world.home.speakers=1", "world.traits.words=1", "world.home.codec=opus")[5]
    here, there = candidate.load(), pickle.loads(pickle.dumps(candidate)).load()  # noqa: S301 - as the pool does
    assert here.waveform is not None
    assert there.waveform is not None
    assert here.waveform.tobytes() == there.waveform.tobytes()
    assert (here.text, here.traits, here.recorded_at) == (there.text, there.traits, there.recorded_at)


def test_traits_that_nobody_hears_are_no_labels() -> None:
    assert list_world("world.home.speakers=1")[0].load().traits == {}


@pytest.mark.parametrize("override", ["world.traits.voice=0.5", "world.traits.words=1"])
def test_traits_are_a_speaker_s_own(override: str) -> None:
    found = defaultdict(list)
    for one in list_world("world.home.speakers=4", "world.utterances_per_speaker=2", override):
        found[one.speaker_id].append(one.load().traits)
    for first, second in found.values():
        assert first == second
        assert tuple(first) == TRAITS
        assert all(1.0 <= score <= 7.0 for score in first.values())
    assert len({traits[0]["openness"] for traits in found.values()}) == 4


def test_time_passes_between_utterances_and_sessions() -> None:
    said = [one.load() for one in list_world("world.home.speakers=1", "world.utterances_per_speaker=14")]
    assert np.all(np.diff([one.recorded_at.timestamp() for one in said]) == 10.0)
    assert [one.session_id for one in said[10:]] == ["home-0000-s00"] * 2 + ["home-0000-s01"] * 2
