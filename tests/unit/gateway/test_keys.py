from __future__ import annotations

import multiprocessing
import stat
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from voxloop.errors import InputError, IntegrityError
from voxloop.gateway.keys import KeyBook

AT = datetime(2026, 1, 2, tzinfo=UTC)


@pytest.fixture
def book(tmp_path: Path) -> KeyBook:
    return KeyBook(tmp_path / "gateway" / "keys.json")


def test_a_key_is_found_until_it_is_revoked(book: KeyBook, tmp_path: Path) -> None:
    key, other = (book.add("tenant", ("asr",), AT) for _ in range(2))
    found = book.find(key)
    assert found is not None
    assert (found.tenant, found.actions, found.made_at) == ("tenant", ("asr",), AT)
    kept = tmp_path / "gateway" / "keys.json"
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    assert key[21:] not in kept.read_text()
    assert len(key[21:]) == 43
    another_reader = KeyBook(kept)
    assert another_reader.find(key) == found
    book.revoke(found.key_id)
    assert another_reader.find(key) is book.find(key) is None
    assert another_reader.find(other) is not None
    with pytest.raises(InputError, match="no key"):
        book.revoke(found.key_id)


def test_nothing_but_the_key_is_the_key(book: KeyBook) -> None:
    key = book.add("tenant", ("asr",), AT)

    @hypothesis_settings(max_examples=200, deadline=None)
    @given(place=st.integers(0, len(key) - 1), letter=st.characters(), other=st.text())
    def holds(place: int, letter: str, other: str) -> None:
        changed = key[:place] + letter + key[place + 1 :]
        for presented in (changed, key[:place], key + letter, other):
            assert (book.find(presented) is not None) == (presented == key)

    holds()


@pytest.mark.parametrize(
    ("tenant", "actions", "message"),
    [
        ("a b", ("asr",), "tenant"),
        ("", ("asr",), "tenant"),
        ("a", (), "actions"),
        ("a", ("sing",), "cannot be for 'sing'"),
    ],
)
def test_an_unfit_key_is_not_made(book: KeyBook, tenant: str, actions: tuple[str, ...], message: str) -> None:
    with pytest.raises(InputError, match=message):
        book.add(tenant, actions, AT)
    assert book.list_keys() == []


@pytest.mark.parametrize("content", ["", "[]", '{"keys": [1]}', '{"key": []}'])
def test_a_malformed_file_lets_nobody_in(book: KeyBook, tmp_path: Path, content: str) -> None:
    key = book.add("tenant", ("asr",), AT)
    kept = tmp_path / "gateway" / "keys.json"
    kept.write_text(content)
    for _ in range(2):
        with pytest.raises(IntegrityError, match="malformed"):
            book.find(key)


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o777])
def test_a_file_that_others_may_use_lets_nobody_in(book: KeyBook, tmp_path: Path, mode: int) -> None:
    key = book.add("tenant", ("asr",), AT)
    assert book.find(key) is not None
    (tmp_path / "gateway" / "keys.json").chmod(mode)
    with pytest.raises(IntegrityError, match="may be used by others"):
        book.find(key)


def add_some(path: Path) -> None:
    for _ in range(5):
        KeyBook(path).add("tenant", ("asr",), AT)


def test_two_who_add_at_once_lose_no_key(tmp_path: Path) -> None:
    context = multiprocessing.get_context("fork")
    adders = [context.Process(target=add_some, args=(tmp_path / "keys.json",)) for _ in range(3)]
    for adder in adders:
        adder.start()
    for adder in adders:
        adder.join()
    assert len(KeyBook(tmp_path / "keys.json").list_keys()) == 15
