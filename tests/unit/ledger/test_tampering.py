"""Whatever another tool does to the entries is seen, and the first that is wrong is named."""

# ruff: noqa: S608 - names of our own columns

from __future__ import annotations

import shutil
import sqlite3
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.ledger.books import KEY, another_tool, make_book, make_draft, open_book
from voxloop.errors import IntegrityError
from voxloop.ledger.entry import FIELDS, Sealer, seal_entry

ENTRIES = 6
TEXTS = FIELDS[1:]
COLUMNS = ", ".join(FIELDS)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("whole")
    make_book(folder, ENTRIES)
    return folder


@pytest.fixture(scope="module")
def bare(whole: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same with triggers and constraints taken away: nothing but the seals guards it, and it still verifies."""
    folder = tmp_path_factory.mktemp("bare") / "ledger"
    shutil.copytree(whole, folder)
    with another_tool(folder):
        pass
    assert len(open_book(folder).verify()) == ENTRIES
    return folder


def find_fault(bare: Path, change: Callable[[sqlite3.Connection], object]) -> str:
    """Return what verify says after `change`; the test fails when it says nothing."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "ledger"
        shutil.copytree(bare, folder)
        with another_tool(folder, drop=False) as connection:
            change(connection)
        with pytest.raises(IntegrityError) as raised:
            open_book(folder).verify()
        return str(raised.value)


@settings(max_examples=300, deadline=None)
@given(number=st.integers(1, ENTRIES), column=st.sampled_from(TEXTS), data=st.data())
def test_any_changed_byte_of_any_text_is_seen(bare: Path, number: int, column: str, data: st.DataObject) -> None:
    def change(connection: sqlite3.Connection) -> None:
        query = f"SELECT CAST({column} AS BLOB) FROM ledger_entry WHERE sequence = ?"
        text = bytearray(connection.execute(query, (number,)).fetchone()[0])
        text[data.draw(st.integers(0, len(text) - 1))] ^= data.draw(st.integers(1, 255))
        query = f"UPDATE ledger_entry SET {column} = CAST(? AS TEXT) WHERE sequence = ?"
        connection.execute(query, (bytes(text), number))

    assert f"entry {number} " in find_fault(bare, change)


@settings(max_examples=60, deadline=None)
@given(number=st.integers(1, ENTRIES), byte=st.integers(0, 7), flip=st.integers(1, 255))
def test_any_changed_byte_of_a_sequence_is_seen(bare: Path, number: int, byte: int, flip: int) -> None:
    raw = bytearray(number.to_bytes(8, "big", signed=True))
    raw[byte] ^= flip
    other = int.from_bytes(raw, "big", signed=True)
    find_fault(
        bare, lambda one: one.execute("UPDATE ledger_entry SET sequence = ? WHERE sequence = ?", (other, number))
    )


@settings(max_examples=100, deadline=None)
@given(
    number=st.integers(1, ENTRIES),
    column=st.sampled_from(FIELDS),
    value=st.none() | st.binary(max_size=3) | st.text(max_size=3) | st.floats(allow_nan=False) | st.integers(-9, 99),
)
def test_any_other_value_of_any_type_is_seen(bare: Path, number: int, column: str, value: object) -> None:
    if value == number or (isinstance(value, str) and value.strip() == str(number)):
        return
    find_fault(
        bare, lambda one: one.execute(f"UPDATE ledger_entry SET {column} = ? WHERE sequence = ?", (value, number))
    )


@settings(max_examples=40, deadline=None)
@given(number=st.integers(1, ENTRIES), renumber=st.booleans())
def test_a_removed_entry_is_seen(bare: Path, number: int, renumber: bool) -> None:
    def change(connection: sqlite3.Connection) -> None:
        connection.execute("DELETE FROM ledger_entry WHERE sequence = ?", (number,))
        if renumber:
            connection.execute("UPDATE ledger_entry SET sequence = sequence - 1 WHERE sequence > ?", (number,))

    said = find_fault(bare, change)
    if number == ENTRIES:
        assert f"its tail is cut: the head is entry {ENTRIES}, the last there is is {ENTRIES - 1}" in said
    elif renumber:
        assert f"entry {number} was sealed as entry {number + 1}" in said
    else:
        assert f"entry {number} was removed" in said


@settings(max_examples=40, deadline=None)
@given(pair=st.lists(st.integers(1, ENTRIES), min_size=2, max_size=2, unique=True))
def test_swapped_entries_are_seen(bare: Path, pair: list[int]) -> None:
    def change(connection: sqlite3.Connection) -> None:
        for old, new in ((pair[0], -1), (pair[1], pair[0]), (-1, pair[1])):
            connection.execute("UPDATE ledger_entry SET sequence = ? WHERE sequence = ?", (new, old))

    assert f"entry {min(pair)} was sealed as entry {max(pair)}" in find_fault(bare, change)


@settings(max_examples=40, deadline=None)
@given(number=st.integers(1, ENTRIES), place=st.integers(1, ENTRIES + 1), renumber=st.booleans())
def test_a_repeated_entry_is_seen(bare: Path, number: int, place: int, renumber: bool) -> None:
    def change(connection: sqlite3.Connection) -> None:
        copied = connection.execute(f"SELECT {COLUMNS} FROM ledger_entry WHERE sequence = ?", (number,)).fetchone()
        if renumber:
            connection.execute("UPDATE ledger_entry SET sequence = sequence + 1 WHERE sequence >= ?", (place,))
        row = (place, *copied[1:])
        connection.execute(f"INSERT INTO ledger_entry ({COLUMNS}) VALUES ({', '.join('?' * len(row))})", row)

    find_fault(bare, change)


@settings(max_examples=40, deadline=None)
@given(place=st.integers(1, ENTRIES + 1), key=st.binary(min_size=32, max_size=32).filter(lambda key: key != KEY))
def test_an_entry_inserted_without_the_key_is_seen(bare: Path, place: int, key: bytes) -> None:
    """Rightly numbered, rightly chained, sealed with a key of one's own."""

    def change(connection: sqlite3.Connection) -> None:
        connection.execute("UPDATE ledger_entry SET sequence = sequence + 1 WHERE sequence >= ?", (place,))
        query = "SELECT digest FROM ledger_entry WHERE sequence = ?"
        previous = (connection.execute(query, (place - 1,)).fetchone() or ["0" * 64])[0]
        forged = seal_entry(make_draft(99), place, previous, Sealer(key))
        row = [getattr(forged, name) for name in FIELDS]
        connection.execute(f"INSERT INTO ledger_entry ({COLUMNS}) VALUES ({', '.join('?' * len(row))})", row)

    assert f"entry {place} is sealed with another key" in find_fault(bare, change)


@pytest.mark.parametrize("kept", range(ENTRIES))
def test_a_cut_tail_is_seen_by_whoever_reads_and_whoever_appends(bare: Path, kept: int, tmp_path: Path) -> None:
    folder = tmp_path / "ledger"
    shutil.copytree(bare, folder)
    with another_tool(folder, drop=False) as connection:
        connection.execute("DELETE FROM ledger_entry WHERE sequence > ?", (kept,))
    book = open_book(folder)
    for attempt in (book.verify, lambda: book.append(make_draft(99))):
        with pytest.raises(IntegrityError, match="its tail is cut"):
            attempt()


def test_nobody_goes_on_behind_a_changed_last_entry(bare: Path, tmp_path: Path) -> None:
    folder = tmp_path / "ledger"
    shutil.copytree(bare, folder)
    with another_tool(folder, drop=False) as connection:
        connection.execute("UPDATE ledger_entry SET payload = '{}' WHERE sequence = ?", (ENTRIES,))
    with pytest.raises(IntegrityError, match=f"entry {ENTRIES} is another than the head"):
        open_book(folder).append(make_draft(99))


def test_an_act_is_not_found_in_a_changed_entry(bare: Path, tmp_path: Path) -> None:
    folder = tmp_path / "ledger"
    shutil.copytree(bare, folder)
    with another_tool(folder, drop=False) as connection:
        connection.execute("UPDATE ledger_entry SET act = 'judgement/99' WHERE sequence = 2")
    with pytest.raises(IntegrityError, match="the entry of act 'judgement/99' was changed"):
        open_book(folder).append(make_draft(99))


@pytest.fixture(scope="module", autouse=True)
def still_whole(whole: Path) -> Iterator[None]:
    yield
    assert len(open_book(whole).verify()) == ENTRIES
