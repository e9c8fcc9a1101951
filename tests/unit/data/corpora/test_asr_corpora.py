"""FSDD, Mboshi, LibriSpeech and Common Voice: words, speakers, sessions, official parts, and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.fixtures.tiny_commonvoice import CLIENTS, write_tiny_commonvoice
from tests.fixtures.tiny_fsdd import write_tiny_fsdd
from tests.fixtures.tiny_librispeech import write_tiny_librispeech
from tests.fixtures.tiny_mboshi import write_tiny_mboshi
from tests.fixtures.tiny_nemo import write_tone
from tests.unit.data.corpora.reading import list_corpus, read_corpus, replace_once
from voxloop.config import find_config, load_config
from voxloop.data.corpora.librispeech import LibrispeechConfig
from voxloop.errors import ConfigError, CorpusError


def test_a_digit_is_its_word_and_the_take_stands_in_the_session(tmp_path: Path) -> None:
    rows, refused = read_corpus("fsdd", write_tiny_fsdd(tmp_path / "fsdd"))
    one = rows["recordings/7_george_4.flac"]
    assert (one.utterance_id, one.speaker_id, one.text) == ("fsdd-7_george_4", "george", "seven")
    assert (one.session_id, one.gender, one.language) == ("george-04", "male", "en")
    assert one.waveform is not None
    assert len(one.waveform) == 2_400  # 0.15 s: the corpus' own limit lets it pass
    assert (len(rows), refused) == (27, {})


@pytest.mark.parametrize(("part", "takes"), [("test", {"04"}), ("train", {"05", "06"})])
def test_the_official_part_of_fsdd_can_be_taken_alone(tmp_path: Path, part: str, takes: set[str]) -> None:
    rows, _ = read_corpus("fsdd", write_tiny_fsdd(tmp_path / "fsdd"), f"parts=[{part}]")
    assert {(row.session_id or "")[-2:] for row in rows.values()} == takes
    assert {row.speaker_id for row in rows.values()} == {"george", "jackson", "lucas"}


def test_a_file_of_fsdd_that_is_no_recording_is_refused(tmp_path: Path) -> None:
    folder = write_tiny_fsdd(tmp_path / "fsdd")
    (folder / "recordings" / "notes.txt").write_text("x")
    (folder / "recordings" / "7_george_7.flac").write_text("not a sound")
    (folder / "recordings" / ".hidden").write_text("x")
    rows, refused = read_corpus("fsdd", folder)
    assert refused == {"recordings/notes.txt": "unknown name", "recordings/7_george_7.flac": "not audio"}
    assert len(rows) == 27


def test_an_utterance_of_mboshi_has_its_session_and_its_part(tmp_path: Path) -> None:
    rows, refused = read_corpus("mboshi", write_tiny_mboshi(tmp_path / "mboshi"))
    stem = "kouarata_2015-09-02-10-17-24_samsung-SM-T530_mdw_elicit_Dico8_dev0"
    one = rows[f"dev/{stem}.ogg"]
    assert (one.utterance_id, one.speaker_id) == (f"mboshi-dev-{stem}", "kouarata")
    assert (one.session_id, one.language) == ("kouarata-2015-09-02-10-17-24", "mdw")
    assert one.text == "bísí léekyá kouarata dev ipfurέ"
    assert (len(rows), refused) == (9, {})


@pytest.mark.parametrize(("part", "count"), [("dev", 3), ("train", 6)])
def test_the_official_part_of_mboshi_can_be_taken_alone(tmp_path: Path, part: str, count: int) -> None:
    rows, _ = read_corpus("mboshi", write_tiny_mboshi(tmp_path / "mboshi"), f"parts=[{part}]")
    assert len(rows) == count
    assert all(path.startswith(f"{part}/") for path in rows)


def test_mboshi_refuses_sounds_and_transcripts_without_the_other(tmp_path: Path) -> None:
    folder = write_tiny_mboshi(tmp_path / "mboshi")
    first, second, third = sorted((folder / "train").glob("*.ogg"))[:3]
    first.unlink()
    second.with_name(f"{second.stem}.mb.cleaned").unlink()
    third.with_name(f"{third.stem}.mb.cleaned").write_bytes(b"\xff\xfe")
    write_tone(folder / "train" / "somebody.ogg", hertz=200.0)
    (folder / "train" / "somebody.mb.cleaned").write_text("bísí")
    (folder / "train" / "abiayi.fr").write_text("the French of the original stays out")
    rows, refused = read_corpus("mboshi", folder)
    assert refused == {
        f"train/{first.name}": "missing audio",
        f"train/{second.name}": "no transcript",
        f"train/{third.name}": "no transcript",
        "train/somebody.ogg": "unknown name",
    }
    assert len(rows) == 6


def test_mboshi_without_transcripts_is_no_corpus(tmp_path: Path) -> None:
    folder = write_tiny_mboshi(tmp_path / "mboshi")
    for file in folder.glob("*/*.mb.cleaned"):
        file.unlink()
    with pytest.raises(CorpusError, match=r"has no \*\.mb\.cleaned"):
        list_corpus("mboshi", folder)


def test_a_line_of_librispeech_has_its_reader_and_chapter(tmp_path: Path) -> None:
    rows, refused = read_corpus("librispeech", write_tiny_librispeech(tmp_path / "LibriSpeech"))
    one = rows["dev-clean/84/7/84-7-0001.flac"]
    assert (one.utterance_id, one.speaker_id) == ("librispeech-84-7-0001", "librispeech-84")
    assert (one.session_id, one.gender, one.text) == ("librispeech-84-7", "female", "CHAPTER SEVEN LINE 1")
    assert (len(rows), refused) == (6, {})


def test_sets_of_librispeech_can_be_chosen_and_must_be_there(tmp_path: Path) -> None:
    folder = write_tiny_librispeech(tmp_path / "LibriSpeech")
    assert len(list_corpus("librispeech", folder, "parts=[test-clean, dev-clean]")) == 4
    with pytest.raises(CorpusError, match="has no set dev-other; it has dev-clean, test-clean, train-clean-100"):
        list_corpus("librispeech", folder, "parts=[dev-other]")


def test_a_test_reader_of_librispeech_never_trains_by_mistake(tmp_path: Path) -> None:
    folder = write_tiny_librispeech(tmp_path / "LibriSpeech")
    with pytest.raises(CorpusError, match="librispeech-61 of test-clean would be put into train"):
        list_corpus("librispeech", folder, "split.table.librispeech-61=train")
    assert len(list_corpus("librispeech", folder, "split.table.librispeech-61=train", "official_split=false")) == 6


def test_the_readers_of_all_official_test_and_dev_sets_are_in_the_table() -> None:
    config = load_config(LibrispeechConfig, find_config("corpora", "librispeech"))
    parts = list(config.split.table.values())
    assert (parts.count("dev"), parts.count("test"), len(parts)) == (40 + 33, 40 + 33, 146)


def test_librispeech_refuses_sounds_and_lines_without_the_other(tmp_path: Path) -> None:
    folder = write_tiny_librispeech(tmp_path / "LibriSpeech")
    (folder / "dev-clean" / "84" / "7" / "84-7-0000.flac").unlink()
    (folder / "test-clean" / "61" / "7" / "61-7.trans.txt").write_text("61-7-0000 \n")
    write_tone(folder / "dev-clean" / "84" / "7" / "notes.wav", hertz=200.0)
    write_tone(folder / "dev-clean" / "84" / "7" / "61-7-0003.flac", hertz=200.0)
    rows, refused = read_corpus("librispeech", folder)
    assert refused == {
        "dev-clean/84/7/61-7-0003.flac": "contradicts its name",
        "dev-clean/84/7/84-7-0000.flac": "missing audio",
        "dev-clean/84/7/notes.wav": "unknown name",
        "test-clean/61/7/61-7-0000.flac": "no transcript",
        "test-clean/61/7/61-7-0001.flac": "no transcript",
    }
    assert len(rows) == 3


def test_a_line_that_stands_twice_stops_librispeech(tmp_path: Path) -> None:
    folder = write_tiny_librispeech(tmp_path / "LibriSpeech")
    replace_once(folder / "dev-clean" / "84" / "7" / "84-7.trans.txt", "84-7-0001", "84-7-0000")
    with pytest.raises(CorpusError, match=r"84-7\.trans\.txt names an utterance twice"):
        list_corpus("librispeech", folder)


def test_a_broken_speakers_txt_is_named_with_its_line(tmp_path: Path) -> None:
    folder = write_tiny_librispeech(tmp_path / "LibriSpeech")
    replace_once(folder / "SPEAKERS.TXT", "60   | M", "60   | X")
    with pytest.raises(CorpusError, match=r"SPEAKERS\.TXT is broken in line 4"):
        list_corpus("librispeech", folder)


def test_a_clip_of_common_voice_has_its_client_and_what_they_told(tmp_path: Path) -> None:
    rows, refused = read_corpus("commonvoice", write_tiny_commonvoice(tmp_path / "pl"))
    one = rows["clips/common_voice_pl_00.mp3"]
    assert (one.utterance_id, one.speaker_id) == ("commonvoice-common_voice_pl_00", next(iter(CLIENTS)))
    assert (one.gender, one.age, one.language) == ("female", 25, "pl")
    assert one.text == 'Zdanie „0" z "cudzysłowem'
    silent = rows["clips/common_voice_pl_10.mp3"]
    assert (silent.gender, silent.age) == (None, None)
    assert (len(rows), refused) == (6, {})


def test_a_table_of_common_voice_can_be_taken_alone_but_no_clip_twice(tmp_path: Path) -> None:
    folder = write_tiny_commonvoice(tmp_path / "pl")
    assert len(list_corpus("commonvoice", folder, "parts=[test]")) == 1
    with pytest.raises(CorpusError, match=r"test\.tsv names common_voice_pl_21\.mp3, which another table"):
        list_corpus("commonvoice", folder, "parts=[validated, test]")
    with pytest.raises(CorpusError, match=r"train\.tsv does not exist"):
        list_corpus("commonvoice", folder, "parts=[train]")
    with pytest.raises(ConfigError, match="parts"):
        list_corpus("commonvoice", folder, "parts=[]")


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ("common_voice_pl_00.mp3", "../validated.tsv", "outside the corpus"),
        ("common_voice_pl_00.mp3", "/etc/passwd", "outside the corpus"),
        ("common_voice_pl_00.mp3", "common_voice_pl_99.mp3", "missing audio"),
        ("a1" * 32, "", "no speaker"),
        ("twenties", "twentysomething", "unknown label"),
        ("female_feminine", "martian", "unknown label"),
        ('Zdanie „0" z "cudzysłowem', " ", "no transcript"),
    ],
)
def test_a_row_of_common_voice_that_cannot_be_right_refuses_its_clip(
    tmp_path: Path, old: str, new: str, reason: str
) -> None:
    folder = write_tiny_commonvoice(tmp_path / "pl")
    replace_once(folder / "validated.tsv", old, new)
    rows, refused = read_corpus("commonvoice", folder)
    assert list(refused.values()) == [reason]
    assert len(rows) == 5


def test_of_two_languages_one_must_be_named(tmp_path: Path) -> None:
    write_tiny_commonvoice(tmp_path / "cv" / "pl")
    write_tiny_commonvoice(tmp_path / "cv" / "de")
    with pytest.raises(CorpusError, match=r"several corpora: \S+de, \S+pl"):
        list_corpus("commonvoice", tmp_path / "cv")
