from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from tests.unit.ledger.books import AT, SetOfSpeech, another_tool, open_book
from voxloop.errors import IntegrityError
from voxloop.ledger.acts import (
    list_counted_sets,
    record_bootstrap,
    record_fresh_set,
    record_judgement,
    record_refrozen_set,
)
from voxloop.ledger.book import Ledger
from voxloop.ledger.entry import Draft, Entry
from voxloop.store.digests import digest_json
from voxloop.verdict import Verdict

LATER = AT + timedelta(hours=1)


def appoint(book: Ledger, model: str, because: str, *, by: str = "ann", at: datetime = LATER) -> Entry:
    return record_bootstrap(book, task="emotion", model=model, because=because, by=by, user="root", at=at)


def test_a_judgement_is_written_once_and_another_one_besides(tmp_path: Path) -> None:
    book = open_book(tmp_path)
    evidence = {"evaluation": "e", "policy": "p", "reasons": [{"rule": "rows", "verdict": "PASS"}]}
    for at in (AT, LATER):
        entry = record_judgement(book, task="emotion", model="m", verdict=Verdict.PASS, evidence=evidence, at=at)
        assert entry.sequence == 1
        assert entry.content == {**evidence, "verdict": "PASS"}
    other = record_judgement(book, task="emotion", model="m", verdict=Verdict.CANNOT_TELL, evidence=evidence, at=LATER)
    assert other.sequence == 2


def test_a_bootstrap_is_written_once_and_with_every_reason_it_was_given(tmp_path: Path) -> None:
    book = open_book(tmp_path)
    for at in (AT, LATER):
        entry = appoint(book, "m", "nothing is served yet", at=at)
        assert (entry.sequence, entry.kind, entry.subject) == (1, "bootstrap", "m")
        assert entry.content == {"because": "nothing is served yet", "by": "ann", "user": "root"}
    assert appoint(book, "m", "heard by two").sequence == 2
    assert appoint(book, "n", "m was turned down").sequence == 3
    assert appoint(book, "n", "m was turned down", by="bob").sequence == 4


def test_a_bootstrap_of_before_its_word_had_a_name_is_none_of_it(tmp_path: Path) -> None:
    """The act of an older entry was a digest of task, model and reason; said again today, it is another word."""
    book, because = open_book(tmp_path), {"because": "nothing is served yet"}
    act = f"bootstrap/{digest_json(['emotion', 'm', because['because']])}"
    book.append(Draft(kind="bootstrap", task="emotion", subject="m", act=act, payload=because, at=AT))
    assert appoint(book, "m", because["because"]).sequence == 2


def test_on_a_ledger_that_was_cut_nothing_is_written(tmp_path: Path) -> None:
    book = open_book(tmp_path)
    for model in ("m", "n"):
        appoint(book, model, "nothing is served yet")
    with another_tool(tmp_path) as connection:
        connection.execute("DELETE FROM ledger_entry WHERE subject = 'n'")
    with pytest.raises(IntegrityError):
        appoint(book, "o", "the first")


def test_a_fresh_set_is_written_once(tmp_path: Path) -> None:
    book = open_book(tmp_path)
    for at in (AT, LATER):
        entry = record_fresh_set(book, SetOfSpeech(), at=at)
        assert (entry.sequence, entry.kind, entry.subject) == (1, "fresh_set", "home-2026-11-20")


def test_a_set_is_listed_as_it_was_frozen_last(tmp_path: Path) -> None:
    book, home = open_book(tmp_path), SetOfSpeech()
    record_fresh_set(book, home, at=AT)
    record_fresh_set(book, replace(home, name="home-2026-11-20-dev", looks="free", digest="f" * 64), at=AT)
    record_fresh_set(book, replace(home, task="asr", digest="a" * 64), at=AT)
    assert list_counted_sets(book.read(), "emotion") == {home.name: home.digest}
    for at in (AT, LATER):
        entry = record_refrozen_set(book, replace(home, digest="e" * 64), supersedes=home.digest, at=at)
        assert (entry.sequence, entry.kind, entry.subject) == (4, "refrozen_set", home.name)
    assert list_counted_sets(book.read(), "emotion") == {home.name: "e" * 64}
    assert list_counted_sets(book.read(), "personality") == {}
