"""Ledgers of an older and of a newer voxloop: upgraded by the first who writes, or told apart from damage."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.ledger.books import another_tool, make_book, make_draft, open_book
from tests.unit.ledger.revisions import MADE_TOMORROW, TO_YESTERDAY, TOMORROW, become_tomorrow
from voxloop.errors import IntegrityError, VoxloopError
from voxloop.ledger.book import Ledger
from voxloop.ledger.revision import REVISION


@pytest.fixture
def older(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The ledger of a voxloop that this process is a newer one than."""
    make_book(tmp_path / "book", 3)
    with another_tool(tmp_path / "book", drop=False) as connection:
        connection.execute(TO_YESTERDAY)
    become_tomorrow(monkeypatch, tmp_path / "migrations")
    return tmp_path / "book"


@pytest.mark.parametrize("write", [Ledger.migrate, lambda book: book.append(make_draft(3))])
def test_an_older_ledger_is_upgraded_by_who_writes(older: Path, write: object) -> None:
    write(open_book(older))  # type: ignore[operator]
    book = open_book(older)
    assert [entry.sequence for entry in book.verify()] == [1, 2, 3]
    assert book.append(make_draft(4)).sequence == 4


def test_an_older_ledger_that_cannot_be_read_is_no_damage(older: Path) -> None:
    with pytest.raises(VoxloopError, match=f"revision {REVISION}; .* reads {TOMORROW}; .*ledger migrate") as raised:
        open_book(older).verify()
    assert not isinstance(raised.value, IntegrityError)


def test_an_upgrade_that_fails_changes_nothing(older: Path, tmp_path: Path) -> None:
    (migration,) = (tmp_path / "migrations" / "versions").glob(f"r{TOMORROW}*")
    whole = migration.read_text()
    migration.write_text(whole + "    op.execute('DROP TABLE nowhere')\n")
    with pytest.raises(IntegrityError, match="nowhere"):
        open_book(older).append(make_draft(4))
    migration.write_text(whole)
    assert open_book(older).append(make_draft(4)).sequence == 4


def test_a_newer_ledger_is_read_while_it_can_be_and_never_written(tmp_path: Path) -> None:
    book = make_book(tmp_path, 2)
    with another_tool(tmp_path, drop=False) as connection:
        connection.execute(MADE_TOMORROW)
    assert len(book.verify()) == 2
    for write in (book.migrate, lambda: book.append(make_draft(3))):
        with pytest.raises(VoxloopError, match=rf"newer version of voxloop \(revision {TOMORROW}\); .*{REVISION}"):
            write()
    with another_tool(tmp_path, drop=False) as connection:
        connection.execute(TO_YESTERDAY)
    with pytest.raises(VoxloopError, match=f"revision {TOMORROW}.*use the newer version") as raised:
        book.verify()
    assert not isinstance(raised.value, IntegrityError)
