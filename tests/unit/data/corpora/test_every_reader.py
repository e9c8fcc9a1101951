"""What holds for every corpus with a folder. A new one needs its reader, its configuration and its fixture, no test here."""

from __future__ import annotations

import pickle
import random
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from voxloop.config import find_config, load_config
from voxloop.data.corpora import CORPORA, find_corpus
from voxloop.data.corpora.reader import Candidate, CorpusConfig, CorpusReader
from voxloop.data.schema import TRAITS, Utterance
from voxloop.data.splits import SPLITS, split_of
from voxloop.errors import CorpusError

EMOTIONS = {"anger", "boredom", "calm", "disgust", "fear", "happiness", "neutral", "sadness", "surprise"}
OWN_LABELS = {"tender"}  # lhotse keeps what the corpus says
WITH_FOLDER = tuple(name for name in CORPORA if find_corpus(name).locate is not None)

Write = Callable[[Path], Path]


@pytest.fixture(params=WITH_FOLDER)
def reader(request: pytest.FixtureRequest) -> CorpusReader:
    return find_corpus(request.param)


@pytest.fixture
def config(reader: CorpusReader) -> CorpusConfig:
    return load_config(reader.config_model, find_config("corpora", reader.name))


@pytest.fixture
def folder(reader: CorpusReader, tmp_path: Path) -> Path:
    write: Write = getattr(import_module(f"tests.fixtures.tiny_{reader.name}"), f"write_tiny_{reader.name}")
    return write(tmp_path / "unpacked" / reader.name)


def list_all(reader: CorpusReader, config: CorpusConfig, place: Path) -> list[Candidate]:
    assert reader.locate is not None
    return list(reader.list_candidates(config, reader.locate(place)))


def same(one: Utterance, other: Utterance) -> bool:
    if one.waveform is None or other.waveform is None:
        return one == other
    fields = {**vars(one), "waveform": None}, {**vars(other), "waveform": None}
    return fields[0] == fields[1] and bool(np.array_equal(one.waveform, other.waveform))


def test_a_reader_says_what_it_is(reader: CorpusReader, config: CorpusConfig) -> None:
    assert reader.title
    assert reader.layout
    assert reader.size
    assert set(reader.tasks) <= {"asr", "emotion", "personality"}
    assert config.source
    assert config.licence == reader.licence or reader.name == "lhotse"


def test_the_folder_and_the_one_above_are_recognised(reader: CorpusReader, folder: Path) -> None:
    assert reader.locate is not None
    assert reader.locate(folder) == folder
    if reader.name != "lhotse":  # its manifests name files relative to the folder given
        assert reader.locate(folder.parent) == folder


def test_every_candidate_of_the_fixture_loads_with_the_labels_of_its_tasks(
    reader: CorpusReader, config: CorpusConfig, folder: Path
) -> None:
    candidates = list_all(reader, config, folder)
    utterances = [candidate.load() for candidate in candidates]
    assert len(utterances) >= 3
    assert len({utterance.utterance_id for utterance in utterances}) == len(utterances)
    for candidate, utterance in zip(candidates, utterances, strict=True):
        assert utterance.speaker_id == candidate.speaker_id
        assert utterance.recorded_at.tzinfo is not None
        assert utterance.gender in {"female", "male", None}
        assert utterance.language
        assert split_of(utterance.speaker_id, config.split) in SPLITS
        check_labels(reader, utterance)


def check_labels(reader: CorpusReader, utterance: Utterance) -> None:
    if reader.name == "production":
        assert any((utterance.emotion, utterance.text, utterance.traits)), "of one family"
    elif reader.name == "lhotse":
        assert utterance.emotion in {None, *EMOTIONS, *OWN_LABELS}
    elif "emotion" in reader.tasks:
        assert utterance.emotion in EMOTIONS
    if reader.tasks == ("personality",):
        assert utterance.waveform is None
        assert set(utterance.traits) == set(TRAITS)
    else:
        assert utterance.waveform is not None
        assert utterance.waveform.dtype == np.float32
    if reader.name not in {"lhotse", "production"}:
        assert utterance.text


def test_the_configuration_maps_to_names_of_ours_alone(config: CorpusConfig) -> None:
    assert set(getattr(config, "emotions", {}).values()) <= EMOTIONS


def test_a_candidate_travels_to_another_process(reader: CorpusReader, config: CorpusConfig, folder: Path) -> None:
    for candidate in list_all(reader, config, folder):
        packed = pickle.dumps(candidate.load)
        assert len(packed) < 20_000, "it carries a whole table"
        assert same(pickle.loads(packed)(), candidate.load())  # noqa: S301


@pytest.mark.parametrize("seed", [1, 2])
def test_the_order_is_not_the_file_systems(
    reader: CorpusReader, config: CorpusConfig, folder: Path, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    expected = [candidate.path for candidate in list_all(reader, config, folder)]
    shuffle = random.Random(seed).shuffle  # noqa: S311
    for name in ("iterdir", "glob", "rglob"):
        monkeypatch.setattr(Path, name, shuffled(getattr(Path, name), shuffle))
    assert [candidate.path for candidate in list_all(reader, config, folder)] == expected
    assert len(set(expected)) == len(expected)


def shuffled(
    original: Callable[..., Iterator[Path]], shuffle: Callable[[list[Path]], None]
) -> Callable[..., Iterator[Path]]:
    def walk(self: Path, *arguments: Any, **options: Any) -> Iterator[Path]:
        found = list(original(self, *arguments, **options))
        shuffle(found)
        return iter(found)

    return walk


@pytest.mark.parametrize("kind", ["missing", "a file", "empty", "another layout", "several"])
def test_a_wrong_folder_is_refused_by_name(reader: CorpusReader, folder: Path, tmp_path: Path, kind: str) -> None:
    place = tmp_path / "place"
    if kind == "a file":
        place.write_text("x")
    elif kind != "missing":
        place.mkdir()
    if kind == "another layout":
        (place / "notes").mkdir()
        (place / "notes" / "readme.txt").write_text("x")
    if kind == "several":
        folder.rename(place / "one")
        write: Write = getattr(import_module(f"tests.fixtures.tiny_{reader.name}"), f"write_tiny_{reader.name}")
        write(place / "two")
    assert reader.locate is not None
    with pytest.raises(CorpusError, match=str(place)) as refused:
        reader.locate(place)
    assert refused.value.rule == reader.layout
    assert refused.value.remedy


def test_no_folder_at_all_is_refused(reader: CorpusReader, config: CorpusConfig) -> None:
    with pytest.raises(CorpusError, match="needs its folder"):
        reader.list_candidates(config, None)
