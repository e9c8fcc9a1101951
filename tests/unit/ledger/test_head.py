"""The head: what was seen last, lost, changed, left behind, or of another copy."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from tests.unit.ledger.books import AT, another_tool, make_book, make_draft, open_book
from voxloop.errors import IntegrityError, RefusedError
from voxloop.ledger import book as book_module
from voxloop.ledger.database import FILE_NAME
from voxloop.ledger.entry import Sealer
from voxloop.ledger.head import Head, read_head


def test_a_head_left_behind_is_brought_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As when the process is killed between the commit and the file."""
    book = make_book(tmp_path, 2)
    before = (tmp_path / "head.json").read_bytes()
    with monkeypatch.context() as patch:
        patch.setattr(book_module, "write_head", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            book.append(make_draft(3))
    assert (tmp_path / "head.json").read_bytes() == before
    assert len(book.verify()) == 3
    assert json.loads((tmp_path / "head.json").read_bytes())["sequence"] == 3
    (tmp_path / "head.json").write_bytes(before)
    assert book.append(make_draft(4)).sequence == 4
    (tmp_path / "head.json").write_bytes(before)
    assert book.append(make_draft(4)).sequence == 4
    assert json.loads((tmp_path / "head.json").read_bytes())["sequence"] == 4


def test_killed_before_the_first_entry_it_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    book = open_book(tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr(book_module, "seal_entry", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            book.append(make_draft(1))
    assert book.verify() == []
    assert book.append(make_draft(1)).sequence == 1


def test_without_its_head_nothing_is_read_or_written(tmp_path: Path) -> None:
    book = make_book(tmp_path, 3)
    (tmp_path / "head.json").unlink()
    for attempt in (book.verify, book.read, lambda: book.append(make_draft(4))):
        with pytest.raises(IntegrityError, match="3 entries and no head is kept"):
            attempt()
    assert not (tmp_path / "head.json").exists()
    entry = book.restore_head("the disk was changed, the copy of the night is whole", AT)
    assert (entry.sequence, entry.kind, entry.content["after"]) == (4, "head_restored", 3)
    assert len(book.verify()) == 4
    assert book.append(make_draft(5)).sequence == 5


def test_a_head_is_restored_only_when_it_is_gone_and_the_chain_is_whole(tmp_path: Path) -> None:
    book = make_book(tmp_path, 3)
    with pytest.raises(RefusedError, match="head.json is there"):
        book.restore_head("why not", AT)
    (tmp_path / "head.json").unlink()
    with another_tool(tmp_path) as connection:
        connection.execute("UPDATE ledger_entry SET payload = '{}' WHERE sequence = 2")
    with pytest.raises(IntegrityError, match="entry 2 was changed"):
        book.restore_head("why not", AT)


@pytest.mark.parametrize(
    ("content", "named"),
    [("", "malformed"), ("[]", "malformed"), ('{"sequence": 3}', "malformed"), (None, "was changed")],
)
def test_a_head_that_was_changed_is_not_believed(tmp_path: Path, content: str | None, named: str) -> None:
    book = make_book(tmp_path, 3)
    head = tmp_path / "head.json"
    head.write_text(head.read_text().replace('"sequence": 3', '"sequence": 2') if content is None else content)
    for attempt in (book.verify, lambda: book.append(make_draft(4))):
        with pytest.raises(IntegrityError, match=named):
            attempt()


def test_another_key_reads_and_writes_nothing(tmp_path: Path) -> None:
    make_book(tmp_path, 3)
    stranger = open_book(tmp_path, bytes(32))
    for attempt in (stranger.verify, lambda: stranger.append(make_draft(4))):
        with pytest.raises(IntegrityError, match="head.json is sealed with another key"):
            attempt()
    (tmp_path / "head.json").unlink()
    with pytest.raises(IntegrityError, match="entry 1 is sealed with another key"):
        stranger.restore_head("mine now", AT)


def test_a_copy_that_went_another_way_is_seen(tmp_path: Path) -> None:
    make_book(tmp_path / "one", 3)
    shutil.copytree(tmp_path / "one", tmp_path / "two")
    open_book(tmp_path / "one").append(make_draft(4))
    open_book(tmp_path / "two").append(make_draft(5))
    open_book(tmp_path / "two").append(make_draft(6))
    shutil.copy(tmp_path / "two" / FILE_NAME, tmp_path / "one" / FILE_NAME)
    for attempt in (open_book(tmp_path / "one").verify, lambda: open_book(tmp_path / "one").append(make_draft(7))):
        with pytest.raises(IntegrityError, match="entry 4 is another than the head that was kept"):
            attempt()


def test_two_histories_mixed_are_seen(tmp_path: Path) -> None:
    make_book(tmp_path / "one", 3)
    shutil.copytree(tmp_path / "one", tmp_path / "two")
    for number, name in ((4, "one"), (5, "one"), (6, "two"), (7, "two")):
        open_book(tmp_path / name).append(make_draft(number))
    with another_tool(tmp_path / "one") as one:
        one.execute("ATTACH ? AS other", (str(tmp_path / "two" / FILE_NAME),))
        one.execute("DELETE FROM ledger_entry WHERE sequence = 4")
        one.execute("INSERT INTO ledger_entry SELECT * FROM other.ledger_entry WHERE sequence = 4")
    with pytest.raises(IntegrityError, match="entry 5 was sealed after another entry"):
        open_book(tmp_path / "one").verify()


def test_a_ledger_that_is_gone_is_a_cut_tail(tmp_path: Path) -> None:
    book = make_book(tmp_path, 2)
    (tmp_path / FILE_NAME).unlink()
    for attempt in (book.verify, lambda: book.append(make_draft(3))):
        with pytest.raises(IntegrityError, match="its tail is cut"):
            attempt()


def test_a_first_entry_between_head_and_rows_is_no_lost_head(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    book = open_book(tmp_path)

    def read_and_be_overtaken(path: Path, sealer: Sealer) -> Head | None:
        found = read_head(path, sealer)
        monkeypatch.setattr(book_module, "read_head", read_head)
        open_book(tmp_path).append(make_draft(1))
        return found

    monkeypatch.setattr(book_module, "read_head", read_and_be_overtaken)
    assert [entry.sequence for entry in book.read()] == [1]
