"""Tombstones: they keep speakers out, name nobody, and are never taken for none."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voxloop.data.tombstones import SALT_BYTES, Tombstones, read_tombstones, write_tombstones
from voxloop.errors import IntegrityError


@given(st.lists(st.text(min_size=1), max_size=8), st.text(min_size=1))
def test_in_are_those_who_were_erased_and_nobody_else(erased: list[str], other: str) -> None:
    tombstones = Tombstones()
    for speaker in erased:
        tombstones = tombstones.with_speaker(speaker)
    assert all(speaker in tombstones for speaker in erased)
    assert (other in tombstones) is (other in erased)
    assert tombstones.key([*erased, other]) == sorted({tombstones.hash_of(speaker) for speaker in erased})


def test_erased_twice_is_erased_once() -> None:
    once = Tombstones().with_speaker("ann")
    assert once.with_speaker("ann") == once
    assert once.with_speaker("ann").digest == once.digest != ""


def test_two_places_share_no_hash() -> None:
    """A list of names would not tell who is in it: every state folder draws its own salt."""
    one, two = Tombstones().with_speaker("ann"), Tombstones().with_speaker("ann")
    assert not one.hashes & two.hashes
    assert len(bytes.fromhex(one.salt)) == SALT_BYTES


def test_nobody_erased_is_nobody_withheld(tmp_path: Path) -> None:
    assert "ann" not in read_tombstones(tmp_path / "none.json")
    assert read_tombstones(tmp_path / "none.json").digest == ""


def test_the_file_names_nobody_and_is_its_owners_alone(tmp_path: Path) -> None:
    path = tmp_path / "tombstones.json"
    write_tombstones(path, Tombstones().with_speaker("ann-of-green-gables"))
    assert "ann" not in path.read_text()
    assert path.stat().st_mode & 0o777 == 0o600
    assert "ann-of-green-gables" in read_tombstones(path)


@pytest.mark.parametrize("content", ["", "{", '{"salt": 1, "hashes": "x"}', '{"speakers": ["ann"]}', "[]"])
def test_a_spoilt_file_is_no_empty_one(tmp_path: Path, content: str) -> None:
    path = tmp_path / "tombstones.json"
    path.write_text(content)
    with pytest.raises(IntegrityError, match="erased speakers must stay erased"):
        read_tombstones(path)
