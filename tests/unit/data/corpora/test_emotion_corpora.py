"""RAVDESS, EmoDB and CREMA-D: what their file names tell, folds, and what is refused."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from tests.fixtures.tiny_cremad import write_tiny_cremad
from tests.fixtures.tiny_emodb import write_tiny_emodb
from tests.fixtures.tiny_nemo import write_tone
from tests.fixtures.tiny_ravdess import write_tiny_ravdess
from tests.unit.data.corpora.reading import list_corpus, read_corpus, replace_once
from voxloop.config import find_config, load_config
from voxloop.data.corpora.ravdess import RavdessConfig, name_speaker
from voxloop.data.splits import split_of
from voxloop.errors import ConfigError, CorpusError

EMOBOX_TEST_ACTORS = {1: {1, 11, 20, 21}, 2: {4, 10, 12, 14}, 3: {8, 9, 19, 23}, 4: {3, 5, 7, 24}, 5: {2, 15, 16, 18}, 6: {6, 13, 17, 22}}  # fmt: skip


def test_the_name_of_a_ravdess_file_tells_all(tmp_path: Path) -> None:
    rows, refused = read_corpus("ravdess", write_tiny_ravdess(tmp_path / "ravdess"))
    one = rows["Actor_20/03-01-08-01-01-01-20.wav"]
    assert (one.utterance_id, one.speaker_id) == ("ravdess-03-01-08-01-01-01-20", "Actor_20")
    assert (one.emotion, one.gender, one.text) == ("surprise", "female", "Kids are talking by the door")
    assert rows["Actor_19/03-01-02-01-01-01-19.wav"].gender == "male"
    assert (len(rows), refused) == (48, {})
    emotions = ["anger", "calm", "disgust", "fear", "happiness", "neutral", "sadness", "surprise"]
    assert Counter(row.emotion for row in rows.values()) == dict.fromkeys(emotions, 6)


@pytest.mark.parametrize("fold", EMOBOX_TEST_ACTORS)
def test_a_fold_tests_on_its_actors_alone(fold: int) -> None:
    config = load_config(RavdessConfig, find_config("corpora", "ravdess"), (f"fold={fold}",))
    parts = {actor: split_of(name_speaker(actor), config.split) for actor in range(1, 25)}
    assert {actor for actor, part in parts.items() if part == "test"} == EMOBOX_TEST_ACTORS[fold]
    assert {actor for actor, part in parts.items() if part == "dev"} == EMOBOX_TEST_ACTORS[fold % 6 + 1]
    assert Counter(parts.values()) == {"train": 16, "dev": 4, "test": 4}


def test_a_fold_there_is_not_and_a_table_of_ones_own() -> None:
    path = find_config("corpora", "ravdess")
    with pytest.raises(ConfigError, match="no fold 7; the folds are 1, 2, 3, 4, 5, 6"):
        load_config(RavdessConfig, path, ("fold=7",))
    own = load_config(RavdessConfig, path, ("split.table={Actor_01: train}",))
    assert own.split.table == {"Actor_01": "train"}


def test_ravdess_refuses_songs_and_files_of_another_actor(tmp_path: Path) -> None:
    folder = write_tiny_ravdess(tmp_path / "ravdess")
    place = folder / "Actor_01"
    write_tone(place / "03-02-01-01-01-01-01.wav", hertz=200.0)
    write_tone(place / "03-01-01-01-01-01-20.wav", hertz=200.0)
    write_tone(place / "03-01-09-01-01-01-01.wav", hertz=200.0)
    (place / "03-01-01-02-01-01-01.wav").write_bytes(b"")
    rows, refused = read_corpus("ravdess", folder)
    assert refused == {
        "Actor_01/03-02-01-01-01-01-01.wav": "unknown name",
        "Actor_01/03-01-01-01-01-01-20.wav": "contradicts its name",
        "Actor_01/03-01-09-01-01-01-01.wav": "unknown label",
        "Actor_01/03-01-01-02-01-01-01.wav": "empty",
    }
    assert len(rows) == 48


def test_the_letters_of_an_emodb_name(tmp_path: Path) -> None:
    rows, refused = read_corpus("emodb", write_tiny_emodb(tmp_path / "emodb"))
    one = rows["wav/16a01La.wav"]
    assert (one.utterance_id, one.speaker_id, one.emotion) == ("emodb-16a01La", "emodb-16", "boredom")
    assert (one.gender, one.age, one.language) == ("female", 31, "de")
    assert one.text == "Der Lappen liegt auf dem Eisschrank."
    assert [rows[f"wav/03{code}a.wav"].emotion for code in ("b10W", "b10E", "a01A", "b10F", "a01T", "b10N")] == [
        "anger", "disgust", "fear", "happiness", "sadness", "neutral",
    ]  # fmt: skip
    assert (len(rows), refused) == (21, {})


@pytest.mark.parametrize(
    ("name", "reason"),
    [("03a01Xa.wav", "unknown label"), ("99a01Wa.wav", "unknown label"), ("03c77Wa.wav", "unknown label"), ("3a01Wa.wav", "unknown name"), ("03a01Wa.lab", "unknown name")],
)  # fmt: skip
def test_a_name_emodb_does_not_have_is_refused(tmp_path: Path, name: str, reason: str) -> None:
    folder = write_tiny_emodb(tmp_path / "emodb")
    (folder / "wav" / name).write_bytes(b"RIFF")
    assert read_corpus("emodb", folder)[1] == {f"wav/{name}": reason}


def test_the_name_of_a_cremad_file_and_its_actor(tmp_path: Path) -> None:
    rows, refused = read_corpus("cremad", write_tiny_cremad(tmp_path / "CREMA-D"))
    one = rows["AudioWAV/1001_DFA_HAP_XX.wav"]
    assert (one.utterance_id, one.speaker_id, one.emotion) == ("cremad-1001_DFA_HAP_XX", "cremad-1001", "happiness")
    assert (one.gender, one.age, one.text) == ("male", 51, "Don't forget a jacket")
    assert rows["AudioWAV/1003_DFA_HAP_XX.wav"].age is None
    assert (len(rows), refused) == (18, {})


def test_cremad_refuses_what_its_own_list_of_faults_names(tmp_path: Path) -> None:
    folder = write_tiny_cremad(tmp_path / "CREMA-D")
    write_tone(folder / "AudioWAV" / "1001_IEO_DIS_MD.wav", hertz=100.0, seconds=60.0)
    write_tone(folder / "AudioWAV" / "1002_MTI_SAD_XX.wav", hertz=0.0, seconds=1.0)
    write_tone(folder / "AudioWAV" / "1003_TIE_SAD_XX.wav", hertz=100.0, seconds=0.1)
    write_tone(folder / "AudioWAV" / "1099_TIE_SAD_XX.wav", hertz=100.0, seconds=1.0)
    _, refused = read_corpus("cremad", folder)
    assert refused == {
        "AudioWAV/1001_IEO_DIS_MD.wav": "too long",
        "AudioWAV/1002_MTI_SAD_XX.wav": "silent",
        "AudioWAV/1003_TIE_SAD_XX.wav": "too short",
        "AudioWAV/1099_TIE_SAD_XX.wav": "unknown label",
    }


def test_a_broken_table_of_actors_stops_cremad(tmp_path: Path) -> None:
    folder = write_tiny_cremad(tmp_path / "CREMA-D")
    replace_once(folder / "VideoDemographics.csv", '"Sex"', '"Gender"')
    with pytest.raises(CorpusError, match=r"VideoDemographics\.csv lacks the column Sex"):
        list_corpus("cremad", folder)
