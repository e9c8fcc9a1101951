from __future__ import annotations

from pathlib import Path

import pytest

from tests.fixtures.tiny_nemo import HEADER, write_tiny_nemo
from voxloop.config import find_config, load_config
from voxloop.data.corpora.nemo import NemoConfig, list_candidates, locate, read_table
from voxloop.data.corpora.reader import UnusableFileError
from voxloop.errors import CorpusError


@pytest.fixture
def config() -> NemoConfig:
    return load_config(NemoConfig, find_config("corpora", "nemo"))


def test_the_folder_and_its_parent_are_recognised(tmp_path: Path) -> None:
    folder = write_tiny_nemo(tmp_path / "nemo")
    assert locate(folder) == locate(tmp_path) == folder


def test_every_row_becomes_an_utterance_in_a_fixed_order(tmp_path: Path, config: NemoConfig) -> None:
    candidates = list_candidates(config, write_tiny_nemo(tmp_path / "nemo"))
    assert [one.path for one in candidates] == sorted(one.path for one in candidates)
    utterances = {one.path: one.load() for one in candidates}
    assert len(utterances) == 36
    one = utterances["samples/WR0_surprised_1.ogg"]
    assert (one.utterance_id, one.speaker_id, one.emotion) == ("nemo-WR0_surprised_1", "WR0", "surprise")
    assert (one.text, one.language, one.gender, one.age) == ("zdanie 1", "pl", "male", 25)
    assert one.waveform is not None
    assert len(one.waveform) == 4_800


@pytest.mark.parametrize(
    ("table", "problem"),
    [
        ("", "lacks the column file_id"),
        ("file_id\temotion\n", "lacks the column raw_text"),
        (HEADER + "\n", "no rows"),
        (HEADER + "\na.ogg\tanger\n", "fewer fields than its header in line 2"),
        (HEADER + "\na\tb\tc\td\te\tf\t1\t2\n", "more fields than its header in line 2"),
        (HEADER + "\n" + "a\tb\tc\td\te\tf\t1\n" * 2, "names a twice, again in line 3"),
        (HEADER + "\n\udcff\n", "is not UTF-8 text"),
    ],
)
def test_a_broken_table_is_named_with_its_line(tmp_path: Path, table: str, problem: str) -> None:
    (tmp_path / "data.tsv").write_text(table, encoding="utf-8", errors="surrogateescape")
    with pytest.raises(CorpusError, match=rf"data\.tsv (has )?{problem}"):
        read_table(tmp_path / "data.tsv")


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ("EB0_anger_1.ogg\tanger\tZdanie 1.\tzdanie 1", "EB0_anger_1.ogg\tanger\tZdanie 1.\t ", "no transcript"),
        ("EB0_anger_1.ogg\tanger", "EB0_anger_1.ogg\tennui", "unknown label"),
        ("EB0_anger_1.ogg\tanger", "EB0_anger_1.ogg\tfear", "contradicts its name"),
        ("EB0_anger_1.ogg\tanger\tZdanie 1.\tzdanie 1\tEB0", "EB0_anger_1.ogg\tanger\tZ\tz\tWR0", "contradicts its name"),
        ("EB0_anger_1.ogg\tanger\tZdanie 1.\tzdanie 1\tEB0\tfemale\t20", "EB0_anger_1.ogg\tanger\tZ\tz\tEB0\t\tx", "unknown label"),
        ("EB0_anger_1.ogg", "../data.tsv", "missing audio"),
    ],
)  # fmt: skip
def test_a_row_that_cannot_be_right_refuses_its_file(
    tmp_path: Path, config: NemoConfig, old: str, new: str, reason: str
) -> None:
    folder = write_tiny_nemo(tmp_path / "nemo")
    table = (folder / "data.tsv").read_text()
    assert old in table
    (folder / "data.tsv").write_text(table.replace(old, new))
    refused = []
    for candidate in list_candidates(config, folder):
        try:
            candidate.load()
        except UnusableFileError as error:
            refused.append(error.reason)
    assert reason in refused
    assert len(refused) <= 2
