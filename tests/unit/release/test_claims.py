"""Claims: who may flip, who may not, and what a second one does."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.unit.ledger.books import open_book
from tests.unit.release.worlds import digest_of
from voxloop.errors import RefusedError
from voxloop.ledger.book import Ledger
from voxloop.ledger.entry import PROMOTION, ROUTE, VOID
from voxloop.release.champion import find_bearer, read_champion
from voxloop.release.claims import (
    Claim,
    close_claim,
    find_open,
    flip,
    take_claim,
    void_claim,
    write_back,
)
from voxloop.release.freezes import freeze_family
from voxloop.release.past_claims import find_failure, list_used
from voxloop.release.routes import Route, read_route, record_route
from voxloop.release.versions import MODEL_DIGEST, PROMOTED_AT, ModelVersion

AT = datetime(2026, 1, 2, tzinfo=UTC)


def version(number: int, model: int | None = None, **tags: str) -> ModelVersion:
    return ModelVersion("emotion", number, f"run-{number}", {MODEL_DIGEST: digest_of(model or number), **tags})


def claim(ledger: Ledger, number: int, *, place: str = "here") -> Claim:
    replaces = read_champion(ledger.read(), "emotion")
    return take_claim(ledger, version(number), replaces=replaces, place=place, at=AT)


def promote(ledger: Ledger, number: int) -> None:
    claimed = claim(ledger, number)
    flip(ledger, claimed, at=AT)
    close_claim(ledger, claimed, at=AT)


def test_a_claim_of_the_same_place_is_gone_on_with_and_flips_once(tmp_path: Path) -> None:
    ledger = open_book(tmp_path)
    first = claim(ledger, 1)
    assert claim(ledger, 1) == first
    assert flip(ledger, first, at=AT) == flip(ledger, first, at=AT + timedelta(1))
    assert claim(ledger, 1) == first, "flipped and not done, it is gone on with too"
    assert close_claim(ledger, first, at=AT) == close_claim(ledger, first, at=AT + timedelta(1))
    assert find_open(ledger.read(), "emotion") is None
    assert [entry.kind for entry in ledger.read()] == [PROMOTION, ROUTE, PROMOTION]
    assert list_used(ledger.read(), "emotion") == {1}


def test_another_version_voids_a_claim_that_was_left_and_the_left_one_flips_no_more(tmp_path: Path) -> None:
    ledger = open_book(tmp_path)
    left = claim(ledger, 1)
    newer = claim(ledger, 2)
    with pytest.raises(RefusedError, match="no longer open"):
        flip(ledger, left, at=AT)
    flip(ledger, newer, at=AT)
    assert read_champion(ledger.read(), "emotion") == digest_of(2)
    assert find_failure(ledger.read(), "emotion", 1) == "", "it did not fail, it was overtaken"
    close_claim(ledger, newer, at=AT)
    assert claim(ledger, 3).entry.content["attempt"] == 1


def test_a_claim_of_another_place_is_left_alone_but_for_a_persons_word(tmp_path: Path) -> None:
    ledger = open_book(tmp_path)
    there = claim(ledger, 1, place="there")
    with pytest.raises(RefusedError, match="goes on at another place"):
        claim(ledger, 1)
    void_claim(ledger, there, because="that machine is gone", at=AT, is_final=False)
    here = claim(ledger, 1)
    assert here.entry.content["attempt"] == 2
    with pytest.raises(RefusedError, match="no longer open"):
        flip(ledger, there, at=AT)
    flip(ledger, here, at=AT)


def test_a_route_that_was_changed_meanwhile_is_not_flipped_over(tmp_path: Path) -> None:
    ledger = open_book(tmp_path)
    promote(ledger, 1)
    claimed = claim(ledger, 2)
    record_route(ledger, Route("emotion", {digest_of(7): 1.0}, None, True, "s", None), act="route/other", at=AT)
    with pytest.raises(RefusedError, match="the route has changed, by ledger entry 5"):
        flip(ledger, claimed, at=AT)
    with pytest.raises(RefusedError, match="the champion of emotion is now 000000000007, not 000000000001"):
        take_claim(ledger, version(3), replaces=digest_of(1), place="here", at=AT)


def test_a_freeze_stops_claims_and_flips(tmp_path: Path) -> None:
    ledger = open_book(tmp_path)
    claimed = claim(ledger, 1)
    freeze_family(ledger, "emotion", until=AT + timedelta(days=1), because="the fair", at=AT)
    with pytest.raises(RefusedError, match="frozen until 2026-01-03 00:00 UTC: the fair"):
        flip(ledger, claimed, at=AT)
    void_claim(ledger, claimed, because="frozen", at=AT, is_final=False)
    with pytest.raises(RefusedError, match="frozen"):
        claim(ledger, 1)
    later = take_claim(ledger, version(1), replaces=None, place="here", at=AT + timedelta(days=1))
    flip(ledger, later, at=AT + timedelta(days=1))


def test_what_is_written_back_is_the_route_before_once_and_never_over_another(tmp_path: Path) -> None:
    ledger = open_book(tmp_path)
    promote(ledger, 1)
    before = read_route(ledger.read(), "emotion")
    claimed = claim(ledger, 2)
    assert write_back(ledger, claimed, at=AT, because="not flipped") is None
    flip(ledger, claimed, at=AT)
    back = write_back(ledger, claimed, at=AT, because="not served")
    assert back is not None
    assert write_back(ledger, claimed, at=AT, because="not served") == back
    assert read_route(ledger.read(), "emotion") == before
    assert list_used(ledger.read(), "emotion") == {1}
    void_claim(ledger, claimed, because="not served", at=AT, is_final=True)
    assert find_failure(ledger.read(), "emotion", 2) == "not served"
    again = claim(ledger, 2)
    assert find_failure(ledger.read(), "emotion", 2) == "", "a person has asked for it again"
    flip(ledger, again, at=AT)
    other = Route("emotion", {digest_of(1): 1.0}, None, True, "s", None)
    record_route(ledger, other, act="route/rollback/x", at=AT)
    assert write_back(ledger, again, at=AT, because="late") is None
    assert read_route(ledger.read(), "emotion") == other


def test_a_claim_is_closed_once(tmp_path: Path) -> None:
    ledger = open_book(tmp_path)
    claimed = claim(ledger, 1)
    void = void_claim(ledger, claimed, because="a", at=AT, is_final=False)
    assert void_claim(ledger, claimed, because="b", at=AT, is_final=True) == void
    assert close_claim(ledger, claimed, at=AT) == void
    assert [entry.kind for entry in ledger.read()] == [PROMOTION, VOID]


def test_families_are_claimed_apart(tmp_path: Path) -> None:
    ledger = open_book(tmp_path)
    claim(ledger, 1)
    other = ModelVersion("asr", 1, "run", {MODEL_DIGEST: digest_of(9)})
    flip(ledger, take_claim(ledger, other, replaces=None, place="there", at=AT), at=AT)
    assert read_champion(ledger.read(), "asr") == digest_of(9)
    assert read_champion(ledger.read(), "emotion") is None


def test_while_weights_are_shared_the_champion_stays(tmp_path: Path) -> None:
    ledger = open_book(tmp_path)
    promote(ledger, 1)
    shared = Route("emotion", {digest_of(1): 0.5, digest_of(2): 0.5}, None, True, "s", None)
    record_route(ledger, shared, act="route/canary/1", at=AT)
    assert read_champion(ledger.read(), "emotion") == digest_of(1)
    off = Route("emotion", {digest_of(2): 1.0}, None, False, "s", None)
    record_route(ledger, off, act="route/canary/2", at=AT)
    assert read_champion(ledger.read(), "emotion") == digest_of(2)
    record_route(ledger, Route("emotion", {}, None, False, "s", None), act="route/none", at=AT)
    assert read_champion(ledger.read(), "emotion") is None


def test_a_model_is_known_by_the_version_it_was_promoted_as(tmp_path: Path) -> None:
    ledger = open_book(tmp_path)
    promote(ledger, 2)
    same = [version(2, 2), version(5, 2)]
    assert find_bearer(same, digest_of(2), ledger.read()) == same[0]
    assert find_bearer(same[1:], digest_of(2), ledger.read()) == same[1]
    void_claim(
        ledger,
        take_claim(ledger, same[1], replaces=digest_of(2), place="here", at=AT),
        because="x",
        at=AT,
        is_final=True,
    )
    assert find_bearer(same, digest_of(2), ledger.read()) == same[0], "claimed is not promoted"
    assert find_bearer([], digest_of(2), ledger.read()) is None
    served = version(4, 3, **{PROMOTED_AT: "2026"})
    assert find_bearer([served, version(6, 3)], digest_of(3), ledger.read()) == served
