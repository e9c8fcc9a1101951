from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from tests.unit.ledger.books import AT, SetOfSpeech, another_tool, make_draft, open_book
from voxloop.errors import IntegrityError, RefusedError
from voxloop.ledger.acts import has_bootstrap, record_bootstrap, record_fresh_set, record_judgement
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


def test_a_family_has_one_first_champion(tmp_path: Path) -> None:
    book = open_book(tmp_path)
    assert not has_bootstrap(book, "emotion")
    first = record_bootstrap(book, task="emotion", model="m", because="nothing is served yet", at=AT)
    assert has_bootstrap(book, "emotion")
    assert not has_bootstrap(book, "asr")
    assert record_bootstrap(book, task="emotion", model="m", because="said again", at=LATER) == first
    with pytest.raises(RefusedError, match="emotion had a first champion already: m, 2026-11-21"):
        record_bootstrap(book, task="emotion", model="n", because="this one is better", at=LATER)
    assert record_bootstrap(book, task="asr", model="n", because="nothing is served yet", at=AT).sequence == 2


def test_a_bootstrap_taken_out_is_not_one_that_never_was(tmp_path: Path) -> None:
    book = open_book(tmp_path)
    record_bootstrap(book, task="emotion", model="m", because="nothing is served yet", at=AT)
    book.append(make_draft(1))
    with another_tool(tmp_path) as connection:
        connection.execute("DELETE FROM ledger_entry WHERE kind = 'bootstrap'")
    with pytest.raises(IntegrityError, match="entry 1 was removed"):
        has_bootstrap(book, "emotion")
    with pytest.raises(IntegrityError, match="entry 1 was removed"):
        record_bootstrap(book, task="emotion", model="n", because="the first", at=LATER)


def test_a_fresh_set_is_written_once(tmp_path: Path) -> None:
    book = open_book(tmp_path)
    for at in (AT, LATER):
        entry = record_fresh_set(book, SetOfSpeech(), at=at)
        assert (entry.sequence, entry.kind, entry.subject) == (1, "fresh_set", "home-2026-11-20")
