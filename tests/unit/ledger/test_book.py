"""Appending and reading."""

from __future__ import annotations

import json
import shutil
import sqlite3
import sys
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.ledger.books import AT, another_tool, make_book, make_draft, open_book
from voxloop.errors import ConfigError, InputError, IntegrityError, ServiceUnavailableError, VoxloopError
from voxloop.ledger.book import open_ledger
from voxloop.ledger.database import FILE_NAME, open_database
from voxloop.ledger.entry import NOTHING
from voxloop.settings import Settings, get_settings

PRINTABLE = st.characters(codec="utf-8", exclude_categories=("C", "Z")) | st.just(" ")
WORDS = st.text(PRINTABLE, min_size=1, max_size=20)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
DRAFTS = st.builds(
    make_draft,
    kind=st.from_regex(r"[a-z][a-z_]*", fullmatch=True),
    task=WORDS,
    subject=WORDS,
    payload=st.dictionaries(st.text(), JSON, max_size=4),
    at=st.datetimes(
        max_value=datetime(9999, 12, 31, 18),  # noqa: DTZ001 - the zone is drawn beside it
        timezones=st.just(UTC) | st.just(timezone(timedelta(hours=-5))),
    ),
)


def test_entries_are_numbered_and_hang_on_each_other(tmp_path: Path) -> None:
    book = make_book(tmp_path, 3)
    entries = book.read()
    assert [entry.sequence for entry in entries] == [1, 2, 3]
    assert [entry.previous for entry in entries] == [NOTHING, *(entry.digest for entry in entries[:2])]
    assert entries[0].at == "2026-11-21T03:01:00.000000+00:00"
    assert entries[2].content == {"verdict": "PASS", "number": 3}
    assert json.loads((tmp_path / "head.json").read_text())["digest"] == entries[2].digest


@settings(max_examples=60, deadline=None)
@given(drafts=st.lists(DRAFTS, max_size=4))
def test_any_sequence_of_appends_verifies_and_is_read_back(
    tmp_path_factory: pytest.TempPathFactory, drafts: list[Any]
) -> None:
    folder = tmp_path_factory.mktemp("book")
    book = open_book(folder)
    for number, draft in enumerate(drafts):
        book.append(make_draft(**{**vars(draft), "act": str(number)}))
    entries = open_book(folder).verify()
    assert [entry.content for entry in entries] == [json.loads(json.dumps(dict(one.payload))) for one in drafts]
    assert [datetime.fromisoformat(entry.at) for entry in entries] == [draft.at for draft in drafts]
    shutil.rmtree(folder)


def test_an_act_that_runs_twice_is_written_once(tmp_path: Path) -> None:
    book = make_book(tmp_path, 2)
    again = book.append(make_draft(1, at=AT + timedelta(days=3)))
    assert again == book.read()[0]
    assert len(book.read()) == 2


@pytest.mark.parametrize(
    "changed", [{"payload": {"verdict": "FAIL"}}, {"kind": "look"}, {"subject": "x"}, {"task": "x"}]
)
def test_the_same_act_with_other_content_is_an_error(tmp_path: Path, changed: dict[str, Any]) -> None:
    book = make_book(tmp_path, 2)
    with pytest.raises(IntegrityError, match="'judgement/1' is ledger entry 1, with other content"):
        book.append(make_draft(1, **changed))
    assert len(book.verify()) == 2


def test_compare_and_set(tmp_path: Path) -> None:
    book = make_book(tmp_path, 2)
    assert book.append_after(make_draft(3), 1) is None
    assert book.append_after(make_draft(1), 1) == book.read()[0]
    entry = book.append_after(make_draft(3), 2)
    assert entry is not None
    assert entry.sequence == 3


def test_nothing_is_made_by_reading(tmp_path: Path) -> None:
    assert open_book(tmp_path / "new").verify() == []
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize(
    ("changed", "named"),
    [
        ({"kind": "Judgement"}, "kind"),
        ({"task": ""}, "task"),
        ({"subject": "two\nlines"}, "subject"),
        ({"act": "x" * 501}, "act"),
        ({"payload": {"uar": float("nan")}}, "payload"),
        ({"payload": {"half": "\ud800"}}, "payload"),
        ({"payload": {"object": object()}}, "payload"),
        ({"payload": {"long": "x" * 300_000}}, "payload"),
        ({"at": AT.replace(tzinfo=None)}, "at"),
        ({"at": datetime(9999, 12, 31, 23, tzinfo=timezone(timedelta(hours=-5)))}, "at"),
        ({"at": datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=5)))}, "at"),
    ],
)
def test_what_cannot_be_sealed_is_refused(changed: dict[str, Any], named: str) -> None:
    with pytest.raises(InputError, match=f"^{named} = .* of a ledger entry"):
        make_draft(**changed)


def test_a_file_that_is_no_database_is_an_integrity_error(tmp_path: Path) -> None:
    book = make_book(tmp_path, 1)
    (tmp_path / FILE_NAME).write_bytes(b"x" * 8192)
    for attempt in (book.verify, lambda: book.append(make_draft(2))):
        with pytest.raises(IntegrityError, match="file is not a database"):
            attempt()


def test_held_by_another_program_it_is_worth_trying_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("voxloop.ledger.database.WAIT_SECONDS", 0)
    book = make_book(tmp_path, 1)
    with another_tool(tmp_path, drop=False) as connection:
        connection.execute("BEGIN IMMEDIATE")
        with pytest.raises(ServiceUnavailableError, match="does not answer"):
            book.append(make_draft(2))
    assert book.append(make_draft(2)).sequence == 2


def test_tables_of_a_newer_version_are_left_alone(tmp_path: Path) -> None:
    book = make_book(tmp_path, 1)
    with another_tool(tmp_path, drop=False) as connection:
        connection.execute("UPDATE ledger_version SET version_num = '9999'")
    with pytest.raises(VoxloopError, match="made by a newer version"):
        book.append(make_draft(2))


def test_without_its_libraries_it_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sqlmodel", None)
    with pytest.raises(VoxloopError, match=r"pip install 'voxloop\[platform\]'"):
        open_book(tmp_path)


def test_settings_name_the_ledger(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    open_ledger(settings).append(make_draft(1))
    assert sorted(path.name for path in settings.ledger.iterdir()) == ["head.json", FILE_NAME, "lock"]
    assert settings.runner_key_file.exists()
    monkeypatch.setenv("VOXLOOP_LEDGER_URL", "mysql://u:hush@h/d")
    get_settings.cache_clear()
    with pytest.raises(ConfigError, match="VOXLOOP_LEDGER_URL is no address") as raised:
        open_ledger(get_settings())
    assert "hush" not in str(raised.value)
    assert "hush" not in get_settings().model_dump_json()


def test_a_file_the_system_refuses_is_not_called_damage(tmp_path: Path) -> None:
    """A database file that cannot be opened at all."""
    (tmp_path / "ledger" / FILE_NAME).mkdir(parents=True)
    with pytest.raises(VoxloopError, match="cannot be read or written") as raised:
        open_book(tmp_path / "ledger").append(make_draft(1))
    assert not isinstance(raised.value, IntegrityError)


def test_the_triggers_refuse_every_change(tmp_path: Path) -> None:
    make_book(tmp_path, 2)
    copy = "SELECT sequence{}, at, kind, task, subject, act{}, payload, previous, sealer, digest FROM ledger_entry"
    statements = [
        "UPDATE ledger_entry SET payload = '{}'",
        "DELETE FROM ledger_entry WHERE sequence = 2",
        f"INSERT OR REPLACE INTO ledger_entry {copy.format('', '')}",
        f"INSERT OR REPLACE INTO ledger_entry {copy.format('+2', '')} WHERE sequence = 1",
        f"INSERT INTO ledger_entry {copy.format('+7', '||9')}",
    ]
    for statement in statements:
        with (
            another_tool(tmp_path, drop=False) as connection,
            pytest.raises(sqlite3.IntegrityError, match="append-only"),
        ):
            connection.execute(statement)
    assert len(open_book(tmp_path).verify()) == 2


def test_opening_asks_nobody(tmp_path: Path) -> None:
    open_database(tmp_path / "nowhere", None)
    assert not (tmp_path / "nowhere").exists()
