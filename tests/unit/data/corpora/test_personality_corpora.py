"""YouTube Personality, Essays and FriendsPersona: words, measures, traits, and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.fixtures.tiny_essays import write_tiny_essays
from tests.fixtures.tiny_friendspersona import write_tiny_friendspersona
from tests.fixtures.tiny_youtube_personality import write_tiny_youtube_personality
from tests.unit.data.corpora.reading import list_corpus, read_corpus, replace_once
from voxloop.data.corpora.friendspersona import strip_html
from voxloop.data.corpora.youtube_personality import (
    AUDIO_FEATURES,
    FEATURES,
    GENDERS,
    MEASURES,
    MOTION_FEATURES,
    SCORES,
)
from voxloop.errors import CorpusError


def test_a_vlog_is_words_measures_and_traits(tmp_path: Path) -> None:
    rows, refused = read_corpus("youtube_personality", write_tiny_youtube_personality(tmp_path / "youtube"))
    one = rows["transcripts/VLOG5.txt"]
    assert (one.utterance_id, one.speaker_id, one.gender) == ("youtube-VLOG5", "VLOG5", "female")
    assert one.text == "Hey everybody, it is vlog 1.\nAnd XXXX says bye."
    assert one.waveform is None
    assert (len(AUDIO_FEATURES), len(MOTION_FEATURES), tuple(one.measures)) == (21, 4, MEASURES)
    assert one.measures["mean.pitch"] == 1.0
    assert one.traits == {
        "openness": 1.0,
        "conscientiousness": 4.6,
        "extraversion": 4.1,
        "agreeableness": 5.0,
        "neuroticism": 2.9,  # 8 - 5.1: the corpus scores emotional stability
    }
    assert (len(rows), refused) == (6, {})


@pytest.mark.parametrize(
    ("table", "old", "new", "reason"),
    [
        (SCORES, "VLOG5 4.1", "VLOG6 4.1", "no labels"),
        (SCORES, "VLOG5 4.1", "VLOG5 7.1", "out of range"),
        (SCORES, "VLOG5 4.1", "VLOG5 high", "unknown label"),
        (FEATURES, "VLOG5 ", "VLOG6 ", "no measures"),
        (FEATURES, "VLOG5 1 ", "VLOG5 nan ", "out of range"),
        (GENDERS, "VLOG5 Female", "VLOG5 F", "unknown label"),
        ("transcripts/VLOG5.txt", "Hey everybody, it is vlog 1.\nAnd XXXX says bye.", "", "no transcript"),
    ],
)
def test_a_vlog_that_lacks_something_is_refused(tmp_path: Path, table: str, old: str, new: str, reason: str) -> None:
    folder = write_tiny_youtube_personality(tmp_path / "youtube")
    replace_once(folder / table, old, new)
    _, refused = read_corpus("youtube_personality", folder)
    assert refused["transcripts/VLOG5.txt"] == reason
    assert set(refused.values()) <= {reason, "no transcript"}


def test_a_vlog_without_words_is_counted_and_one_without_gender_is_kept(tmp_path: Path) -> None:
    folder = write_tiny_youtube_personality(tmp_path / "youtube")
    (folder / "transcripts" / "VLOG10.txt").unlink()
    replace_once(folder / GENDERS, "VLOG5 Female\n", "")
    rows, refused = read_corpus("youtube_personality", folder)
    assert refused == {"transcripts/VLOG10.txt": "no transcript"}
    assert rows["transcripts/VLOG5.txt"].gender is None


def test_an_essay_is_words_and_yes_or_no(tmp_path: Path) -> None:
    rows, refused = read_corpus("essays", write_tiny_essays(tmp_path / "essays"))
    one = rows["essays.csv/1997_504851.txt"]
    assert (one.utterance_id, one.speaker_id) == ("essays-1997_504851", "essays-1997_504851")
    assert one.text == "Well, right now I am at the café."
    assert one.traits == {
        "extraversion": 0.0,
        "neuroticism": 1.0,
        "agreeableness": 1.0,
        "conscientiousness": 0.0,
        "openness": 1.0,
    }
    assert rows["essays.csv/1998_1.txt"].text == 'He said "go", so I went.\nThen, home.'
    assert (len(rows), refused) == (4, {})


@pytest.mark.parametrize(
    ("old", "new", "reason"), [('"y"', '"maybe"', "unknown label"), ("I wonder.", " ", "no transcript")]
)
def test_an_essay_without_words_or_answers_is_refused(tmp_path: Path, old: str, new: str, reason: str) -> None:
    folder = write_tiny_essays(tmp_path / "essays")
    replace_once(folder / "essays.csv", old, new, encoding="latin-1")
    rows, refused = read_corpus("essays", folder)
    assert list(refused.values()) == [reason]
    assert len(rows) == 3


def test_two_essays_of_one_name_stop_everything(tmp_path: Path) -> None:
    folder = write_tiny_essays(tmp_path / "essays")
    replace_once(folder / "essays.csv", "2003_77.txt", "1998_1.txt", encoding="latin-1")
    with pytest.raises(CorpusError, match=r"names 1998_1\.txt twice"):
        list_corpus("essays", folder)


def test_a_character_is_one_speaker_in_all_seasons(tmp_path: Path) -> None:
    rows, refused = read_corpus("friendspersona", write_tiny_friendspersona(tmp_path / "friends"))
    early, _, late, _ = rows.values()
    assert early.speaker_id == late.speaker_id == "Joey Tribbiani"
    assert early.utterance_id == "friends-s01_e01_c01(0)-joey-tribbiani"
    assert early.session_id == "friends-01_e01_c01"
    assert early.text == 'Joey Tribbiani: So, "hi" & bye?\n(They leave.)\nAll: No!'
    assert early.traits == {
        "agreeableness": 1.0,
        "conscientiousness": 0.0,
        "extraversion": 1.0,
        "openness": 1.0,
        "neuroticism": 0.0,
    }
    assert (len(rows), refused) == (4, {})


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ("<b>s01_e01_c01(0) for Joey Tribbiani</b>", "", "unknown heading"),
        ("(0) for Joey Tribbiani</b>", "(0) for Ross Geller</b>", "contradicts its row"),
        ("Joey Tribbiani,1,0", "Joey Tribbiani,2,0", "unknown label"),
    ],
)
def test_a_dialogue_that_contradicts_itself_is_refused(tmp_path: Path, old: str, new: str, reason: str) -> None:
    folder = write_tiny_friendspersona(tmp_path / "friends")
    replace_once(folder / "friends-personality.csv", old, new)
    assert read_corpus("friendspersona", folder)[1] == {"friends-personality.csv/0-01_e01_c01": reason}


def test_markup_goes_and_words_stay() -> None:
    assert strip_html("<b>s01_e01_c05(0) for Paul</b><br><br><b>A</b>: x<br><br> <br>(y)<br><br>") == "A: x\n(y)"
