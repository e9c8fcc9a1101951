"""What is heard in a window: the script turns the knobs, and a sound is a function of them."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from voxloop.config import find_config, load_config
from voxloop.data.corpora import find_corpus
from voxloop.data.corpora.lhotse import LhotseConfig
from voxloop.local.simulation.config import MOST_BATCHES, SimulationConfig
from voxloop.local.simulation.labels import write_batch
from voxloop.local.simulation.scenario import Decoy, DecoyKind, Drift, Window
from voxloop.local.simulation.voices import Voices
from voxloop.settings import Settings

NOISE = Drift("noise", 4.0, 3)


@pytest.fixture
def config(settings: Settings) -> SimulationConfig:
    return load_config(SimulationConfig, find_config("simulation", "emotion"))


def window(drift: Drift | None = None, kind: DecoyKind | None = None) -> Window:
    return Window(5, drift, None if kind is None else Decoy(kind, 5, 6), None)


def test_labels_are_even_and_nobody_is_heard_in_two_windows(config: SimulationConfig) -> None:
    voices = Voices(config, 1)
    first, second = (list(voices.list_heard(Window(number, None, None, None))) for number in (0, 1))
    counts = Counter(one.plan()[1] for one in first)
    assert max(counts.values()) - min(counts.values()) <= 1
    assert not {one.speaker_id for one in first} & {one.speaker_id for one in second}
    labelled = {one.speaker_id for batch in (0, 1) for one in voices.list_labelled(batch, None)}
    assert not labelled & {one.speaker_id for one in first}


def test_no_two_of_all_labelled_utterances_say_the_same(config: SimulationConfig) -> None:
    voices = Voices(config, 1)
    said = [
        (one.speaker_id, one.plan()[0])
        for batch in range(MOST_BATCHES)
        for one in list(voices.list_labelled(batch, None))[:: config.labelled.utterances - 1]
    ]
    assert len({text for _, text in said}) == len(said)


@pytest.mark.parametrize("kind", ["telephone", "noise", "tempo", "accent"])
def test_each_kind_of_drift_changes_who_or_what_is_heard(config: SimulationConfig, kind: str) -> None:
    voices = Voices(config, 1)
    drift = Drift(kind, config.strengths[kind][0], 3)
    assert voices.world_of(drift) != voices.world_of(None)
    assert {one.utterance_id for one in voices.list_heard(window(drift))} == {
        one.utterance_id for one in voices.list_heard(window())
    }


def test_a_loud_hour_is_a_sixth_of_its_window(config: SimulationConfig) -> None:
    heard = list(Voices(config, 1).list_heard(window(kind=DecoyKind.LOUD_HOUR)))
    loud = sum(one.world.home.snr_db is not None for one in heard)
    assert loud == round(config.talk.speakers / 6) * config.talk.utterances


def test_a_weekend_has_few_callers_and_a_stranger_is_one(config: SimulationConfig) -> None:
    voices = Voices(config, 1)
    few = {one.speaker_id for one in voices.list_heard(window(kind=DecoyKind.FEW_CALLERS))}
    assert 1 <= len(few) < config.talk.speakers / 2
    usual = voices.world_of(None)
    strange = {one.speaker_id for one in voices.list_heard(window(kind=DecoyKind.ONE_STRANGER)) if one.world != usual}
    assert len(strange) == 1


def test_a_batch_is_a_corpus_that_ingest_reads(config: SimulationConfig, tmp_path: Path) -> None:
    said = list(Voices(config, 1).list_labelled(1, NOISE))[:7]
    assert write_batch(tmp_path / "batch", "batch-01", said, tmp_path / "sounds") == 7
    reader = find_corpus("lhotse")
    candidates = reader.list_candidates(load_config(LhotseConfig, find_config("corpora", "lhotse")), tmp_path / "batch")
    rows = [one.load() for one in candidates]
    assert {(one.utterance_id, one.speaker_id, one.emotion) for one in rows} == {
        (one.utterance_id, one.speaker_id, one.plan()[1]) for one in said
    }
    assert all(one.waveform is not None and len(one.waveform) > 1_600 for one in rows)
    assert len(list((tmp_path / "sounds").glob("*.flac"))) == 7
