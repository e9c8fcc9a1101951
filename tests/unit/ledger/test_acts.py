from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from tests.unit.ledger.books import AT, SetOfSpeech, another_tool, open_book
from voxloop.errors import IntegrityError
from voxloop.ledger.acts import record_bootstrap, record_fresh_set, record_judgement
from voxloop.verdict import Verdict

LATER = AT + timedelta(hours=1)


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
        entry = record_bootstrap(book, task="emotion", model="m", because="nothing is served yet", at=at)
        assert (entry.sequence, entry.kind, entry.subject) == (1, "bootstrap", "m")
        assert entry.content == {"because": "nothing is served yet"}
    assert record_bootstrap(book, task="emotion", model="m", because="heard by two", at=LATER).sequence == 2
    assert record_bootstrap(book, task="emotion", model="n", because="m was turned down", at=LATER).sequence == 3


def test_on_a_ledger_that_was_cut_nothing_is_written(tmp_path: Path) -> None:
    book = open_book(tmp_path)
    for model in ("m", "n"):
        record_bootstrap(book, task="emotion", model=model, because="nothing is served yet", at=AT)
    with another_tool(tmp_path) as connection:
        connection.execute("DELETE FROM ledger_entry WHERE subject = 'n'")
    with pytest.raises(IntegrityError):
        record_bootstrap(book, task="emotion", model="o", because="the first", at=LATER)


def test_a_fresh_set_is_written_once(tmp_path: Path) -> None:
    book = open_book(tmp_path)
    for at in (AT, LATER):
        entry = record_fresh_set(book, SetOfSpeech(), at=at)
        assert (entry.sequence, entry.kind, entry.subject) == (1, "fresh_set", "home-2026-11-20")
