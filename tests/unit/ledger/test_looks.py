from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from tests.unit.ledger.books import AT, SetOfSpeech, another_tool, make_draft, open_book
from voxloop.config import find_config, load_config
from voxloop.data.evaluation_sets import EvaluationSet
from voxloop.errors import ConfigError, IntegrityError
from voxloop.ledger.book import Ledger
from voxloop.ledger.looks import (
    FrozenSet,
    Look,
    LookAnswer,
    LookPolicy,
    OwnTestSplit,
    is_own_test_split,
    list_looked_at,
    list_own_test_splits,
    measure_wear,
    record_look,
)

POLICY = LookPolicy(looks_per_set=5, looks_per_test_split=3, warn_from_share=0.8)
HOME = SetOfSpeech()


def look(book: Ledger, challenger: str, of: FrozenSet = HOME) -> Look:
    return record_look(book, of, challenger=challenger, at=AT, policy=POLICY)


def test_a_real_evaluation_set_is_one(tmp_path: Path) -> None:
    fields = {
        "corpus": "c",
        "rows": 1,
        "speakers": 1,
        "rows_digest": "r",
        "files": {},
        "split": "test",
        "by": "speaker",
    }
    named = {"name": "home-2026-11-20", "task": "emotion", "domain": "home", "date": "2026-11-20", "looks": "counted"}
    of: FrozenSet = EvaluationSet.model_validate({**named, **fields})
    entry = record_look(open_book(tmp_path), of, challenger="m", at=AT, policy=POLICY).entry
    assert entry is not None
    assert entry.content == {"challenger": "m", "domain": "home", "evaluation_set": of.digest}


def test_looks_are_counted_until_they_are_spent(tmp_path: Path) -> None:
    book = open_book(tmp_path)
    said = [look(book, f"m{number}") for number in range(6)]
    assert [one.answer for one in said] == [LookAnswer.COUNTED] * 5 + [LookAnswer.SPENT]
    assert [one.wear.left for one in said if one.wear] == [4, 3, 2, 1, 0, 0]
    assert [one.is_allowed for one in said] == [True] * 5 + [False]
    assert said[5].entry is None
    assert len(book.verify()) == 5


def test_the_same_look_costs_nothing_and_stays_answered_when_all_are_spent(tmp_path: Path) -> None:
    book = open_book(tmp_path)
    first = look(book, "m0")
    again = look(book, "m0")
    assert (again.answer, again.entry) == (LookAnswer.REPEATED, first.entry)
    for number in range(1, 6):
        look(book, f"m{number}")
    assert look(book, "m0").is_allowed
    assert not look(book, "m9").is_allowed


def test_sets_wear_apart_and_development_is_free(tmp_path: Path) -> None:
    book = open_book(tmp_path)
    for number in range(6):
        look(book, f"m{number}")
        free = look(book, f"m{number}", replace(HOME, looks="free"))
        assert (free.answer, free.wear, free.is_allowed) == (LookAnswer.FREE, None, True)
    assert look(book, "m0", replace(HOME, name="street-2026-11-20", digest="e" * 64)).answer is LookAnswer.COUNTED
    assert look(book, "m0", replace(HOME, task="asr", digest="f" * 64)).answer is LookAnswer.COUNTED
    assert len(book.verify()) == 7
    assert [found[:2] for found in list_looked_at(book.read())] == [
        ("asr", "home-2026-11-20"),
        ("emotion", "home-2026-11-20"),
        ("emotion", "street-2026-11-20"),
    ]


def test_an_erasure_makes_no_fresh_set(tmp_path: Path) -> None:
    book = open_book(tmp_path)
    for number in range(4):
        look(book, f"m{number}")
    after = look(book, "m0", replace(HOME, digest="e" * 64))
    assert after.answer is LookAnswer.COUNTED
    assert after.wear is not None
    assert after.wear.looks == 5


def test_from_four_fifths_on_it_says_how_to_cut_a_fresh_set(tmp_path: Path) -> None:
    book = open_book(tmp_path)
    warnings = [found.warning(AT) for number in range(5) if (found := look(book, f"m{number}").wear)]
    assert warnings[:3] == ["", "", ""]
    assert "emotion/home-2026-11-20 has 1 of 5 looks left" in warnings[3]
    assert warnings[3].endswith("voxloop evalset cut --from DATASET --domain home --date 2026-11-21 --task emotion")
    assert "has 0 of 5 looks left" in warnings[4]


def test_between_reading_and_writing_another_may_look(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The last look goes to one of two: who comes second counts again and is refused."""
    book, other = open_book(tmp_path), open_book(tmp_path)
    for number in range(4):
        look(book, f"m{number}")
    read, faster = book.read, iter([lambda: look(other, "faster")])

    def read_and_be_overtaken() -> object:
        entries = read()
        next(faster, lambda: None)()
        return entries

    monkeypatch.setattr(book, "read", read_and_be_overtaken)
    assert look(book, "slower").answer is LookAnswer.SPENT
    assert [entry.content["challenger"] for entry in read()][-1] == "faster"


def test_of_many_at_once_no_more_get_through_than_looks_are_left(tmp_path: Path) -> None:
    def ask(number: int) -> bool:
        return look(open_book(tmp_path), f"m{number}").is_allowed

    with ThreadPoolExecutor(4) as pool:
        assert sum(pool.map(ask, range(12))) == POLICY.looks_per_set
    assert len(open_book(tmp_path).verify()) == POLICY.looks_per_set


def test_a_look_taken_out_of_the_ledger_is_not_a_look_won(tmp_path: Path) -> None:
    book = open_book(tmp_path)
    for number in range(5):
        look(book, f"m{number}")
    book.append(make_draft(1))
    with another_tool(tmp_path) as connection:
        connection.execute("DELETE FROM ledger_entry WHERE sequence = 3")
    with pytest.raises(IntegrityError, match="entry 3 was removed"):
        look(book, "m9")


def test_a_raised_budget_lets_look_again(tmp_path: Path) -> None:
    book = open_book(tmp_path)
    for number in range(6):
        look(book, f"m{number}")
    raised = POLICY.model_copy(update={"looks_per_set": 6})
    more = record_look(book, HOME, challenger="m5", at=AT + timedelta(1), policy=raised)
    assert more.answer is LookAnswer.COUNTED


def test_the_budget_stands_in_configs() -> None:
    policy = load_config(LookPolicy, find_config("ledger"))
    assert (policy.looks_per_set, policy.looks_per_test_split, policy.warn_from_share) == (100, 366, 0.8)
    for name in ("looks_per_set", "looks_per_test_split"):
        with pytest.raises(ConfigError, match=name):
            load_config(LookPolicy, find_config("ledger"), [f"{name}=0"])


def test_nothing_was_looked_at_in_an_empty_ledger() -> None:
    assert measure_wear([], HOME, POLICY).left == 5


def test_a_test_split_wears_by_its_rows_and_a_budget_of_its_own(tmp_path: Path) -> None:
    book, own = open_book(tmp_path), OwnTestSplit("emotion", "d" * 64)
    said = [look(book, f"m{number}", own) for number in range(4)]
    assert [one.answer for one in said] == [LookAnswer.COUNTED] * 3 + [LookAnswer.SPENT]
    assert said[3].wear is not None
    warning = said[3].wear.warning(AT)
    assert f"test split emotion/{own.name} has 0 of 3 looks left" in warning
    assert "split.salt=2026-11-21" in warning
    assert "voxloop evalset cut --from DATASET --domain DOMAIN --date 2026-11-21 --task emotion" in warning
    assert look(book, "m0", own).answer is LookAnswer.REPEATED
    assert look(book, "m0", OwnTestSplit("emotion", "e" * 64)).answer is LookAnswer.COUNTED
    assert look(book, "m0", OwnTestSplit("asr", "d" * 64)).answer is LookAnswer.COUNTED
    assert list_looked_at(book.read()) == []


@pytest.mark.parametrize("name", ["test-2026-11-20", "test-2026-11-20-dev", "home-2026-11-20", "test"])
def test_no_frozen_set_is_taken_for_a_test_split(name: str) -> None:
    assert not is_own_test_split(name)


def test_of_test_splits_the_last_is_shown_and_those_near_their_end(tmp_path: Path) -> None:
    book = open_book(tmp_path)
    worn, passed, last = (OwnTestSplit("emotion", letter * 64) for letter in "abc")
    for number in range(3):
        look(book, f"m{number}", worn)
    for of in (passed, last):
        look(book, "m9", of)
    shown = list_own_test_splits(book.read(), POLICY)
    assert {(one.name, one.looks, one.left) for one in shown} == {(worn.name, 3, 0), (last.name, 1, 2)}
