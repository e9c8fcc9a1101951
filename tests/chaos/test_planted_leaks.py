"""Planted leaks of every kind, in synthetic and in real speech: how many are found, and how often nobody leaked."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import cycle, islice
from math import comb
from pathlib import Path

import numpy as np
import pytest
from numpy.random import Generator

from tests.faults.leaks import SOUNDS, leak_sentence, leak_sound
from tests.unit.data.leak_datasets import CONFIG, write_rows
from voxloop.config import find_config, load_config
from voxloop.data.archives import ArchiveLimits, unpack
from voxloop.data.corpora import find_corpus
from voxloop.data.leak_sounds import FingerprintIndex
from voxloop.data.leakage import search_dataset
from voxloop.data.schema import Utterance, make_row
from voxloop.settings import Settings
from voxloop.speech.fingerprint import measure_fingerprint

LEAKS = 400
FEWEST = 21  # three of each kind at least
SENTENCE, HIDDEN = "same sentence", "another name"
KINDS = (*SOUNDS, HIDDEN, SENTENCE)
RAW = Path(__file__).resolve().parents[2] / "data" / "raw"
HELD_OUT = ("MK0", "SM0", "WR0")  # the thresholds were chosen on the others
EVERYTHING = CONFIG.model_copy(update={"listed_pairs": 100_000})


def load(corpus: str, folder: Path | None, overrides: Sequence[str] = ()) -> list[Utterance]:
    reader = find_corpus(corpus)
    config = load_config(reader.config_model, find_config("corpora", corpus), overrides)
    place = reader.locate(folder) if reader.locate and folder else None
    return [candidate.load() for candidate in reader.list_candidates(config, place)]


@pytest.fixture(scope="module")
def world() -> list[Utterance]:
    return load("world", None, ("world.home.speakers=12", "world.utterances_per_speaker=30"))


@pytest.fixture(scope="module")
def nemo(tmp_path_factory: pytest.TempPathFactory) -> list[Utterance]:
    if (RAW / "nemo.tar").is_file():
        limits = load_config(ArchiveLimits, find_config("archives"))
        with unpack(RAW / "nemo.tar", tmp_path_factory.mktemp("nemo") / "scratch", limits) as folder:
            return load("nemo", folder)
    if not (RAW / "nemo").is_dir():
        pytest.skip(f"nEMO is neither at {RAW / 'nemo.tar'} nor at {RAW / 'nemo'}")
    return load("nemo", RAW / "nemo")


def plant(
    heard: Sequence[Utterance], takers: Sequence[Utterance], kinds: Iterable[str], draw: Generator
) -> dict[str, tuple[str, Utterance, Utterance]]:
    """Return leaks by the id of the training utterance: its kind, what it gives away, and itself."""
    planted = {}
    for kind in kinds:
        source, taker = heard[int(draw.integers(len(heard)))], takers[int(draw.integers(len(takers)))]
        if kind == SENTENCE:
            made = leak_sentence(source, taker, draw)
        else:
            made = leak_sound("exact" if kind == HIDDEN else kind, source, taker, draw)
        planted[made.utterance_id] = (kind, source, made)
    return planted


def count_caught(
    folder: Path, speech: Sequence[Utterance], tested: set[str], kinds: Sequence[str], draw: Generator, count: int
) -> tuple[Counter[str], Counter[str]]:
    """Plant leaks of the test speakers among the others and return how many of each kind there are and were found."""
    heard = [one for one in speech if one.speaker_id in tested]
    takers = [one for one in speech if one.speaker_id not in tested]
    planted = plant(heard, takers, islice(cycle(kinds), count), draw)
    rows = [make_row(one, "test" if one.speaker_id in tested else "train") for one in speech]
    rows += [make_row(made, "train") for _, _, made in planted.values()]
    tone = np.full(9_600, 0.5, dtype=np.float32)  # a split must not be empty
    rows.append(make_row(replace(heard[0], utterance_id="d", speaker_id="d", session_id=None, waveform=tone), "dev"))
    report = search_dataset(write_rows(folder / "dataset", rows), [], "emotion", EVERYTHING)
    found = {(one.kind, pair.train, pair.evaluation) for one in report.findings for pair in one.pairs}
    said = {(kind, train) for kind, train, _ in found}
    caught: Counter[str] = Counter()
    for name, (kind, source, _) in planted.items():
        if kind == SENTENCE:  # several test speakers may have said it
            caught[kind] += ("sentence", name) in said
        else:
            wanted = "hidden speaker" if kind == HIDDEN else SOUNDS[kind][1]
            caught[kind] += (wanted, name, source.utterance_id) in found
    strangers = {pair for pair in found if pair[0] in {"near", "exact"} and pair[1] not in planted}
    assert not strangers, "utterances of different speakers that nobody planted"
    return Counter(kind for kind, _, _ in planted.values()), caught


def count_false_alarms(speech: Sequence[Utterance]) -> tuple[int, int, int, int]:
    """Return matches and pairs of different sentences by one speaker, and of the same sentence by one speaker."""
    counts = [0, 0, 0, 0]
    for speaker in sorted({one.speaker_id for one in speech}):
        theirs = [one for one in speech if one.speaker_id == speaker]
        prints = [measure_fingerprint(one.waveform) for one in theirs if one.waveform is not None]
        index = FingerprintIndex(prints)
        for number, sound in enumerate(prints):
            for match in index.find(sound, CONFIG.fingerprint):
                if match.position > number:
                    counts[2 if theirs[number].text == theirs[match.position].text else 0] += 1
        same = sum(comb(times, 2) for times in Counter(one.text for one in theirs).values())
        counts[1] += comb(len(theirs), 2) - same
        counts[3] += same
    return counts[0], counts[1], counts[2], counts[3]


def test_leaks_planted_in_the_speaker_world_are_found(
    tmp_path: Path, settings: Settings, world: list[Utterance], fault_seed: int
) -> None:
    count = max(FEWEST, settings.trial_count(LEAKS))
    speakers = sorted({one.speaker_id for one in world})
    draw = np.random.default_rng(fault_seed)
    planted, caught = count_caught(tmp_path, world, set(speakers[:4]), KINDS, draw, count)
    print(f"world: {caught.total()} of {planted.total()} leaks found: {dict(caught)}")
    assert caught.total() >= 0.99 * planted.total(), planted - caught


def test_different_sentences_of_the_speaker_world_are_no_leaks(world: list[Utterance]) -> None:
    wrong, pairs, same, same_pairs = count_false_alarms(world)
    print(f"world: {wrong} of {pairs} pairs of different sentences, {same} of {same_pairs} of the same sentence")
    assert pairs > 1_000
    assert wrong < 0.01 * pairs


@pytest.mark.slow
def test_leaks_planted_in_nemo_are_found(
    tmp_path: Path, settings: Settings, nemo: list[Utterance], fault_seed: int
) -> None:
    count = max(FEWEST, settings.trial_count(LEAKS))
    kinds = [kind for kind in KINDS if kind != SENTENCE]  # its texts are parallel: every sentence is on both sides
    draw = np.random.default_rng(fault_seed)
    planted, caught = count_caught(tmp_path, nemo, {*HELD_OUT[1:]}, kinds, draw, count)
    print(f"nEMO: {caught.total()} of {planted.total()} leaks found: {dict(caught)}")
    assert caught.total() >= 0.99 * planted.total(), planted - caught


@pytest.mark.slow
def test_different_sentences_of_one_speaker_in_nemo_are_no_leaks(nemo: list[Utterance]) -> None:
    wrong, pairs, same, same_pairs = count_false_alarms([one for one in nemo if one.speaker_id in HELD_OUT])
    print(f"nEMO: {wrong} of {pairs} pairs of different sentences, {same} of {same_pairs} of the same sentence")
    assert pairs > 1_000
    assert wrong < 0.01 * pairs


@pytest.mark.slow
@pytest.mark.parametrize("speaker", ["EB0", "KD0", "MK0", "MP0", "SM0", "WR0"])
def test_leaving_one_speaker_of_nemo_out_passes_with_the_sentences_reported(
    tmp_path: Path, nemo: list[Utterance], speaker: str
) -> None:
    dev = "EB0" if speaker == "MP0" else "MP0"
    rows = [make_row(one, {speaker: "test", dev: "dev"}.get(one.speaker_id, "train")) for one in nemo]
    report = search_dataset(write_rows(tmp_path / "dataset", rows, parallel_texts=True), [], "emotion", CONFIG)
    assert report.verdict == "PASS"
    assert {(one.kind, one.side, one.blocks) for one in report.findings} == {
        ("sentence", "dev", False),
        ("sentence", "test", False),
    }
    tested = sum(one.speaker_id == speaker for one in nemo)
    assert report.count("sentence", "test") == tested
