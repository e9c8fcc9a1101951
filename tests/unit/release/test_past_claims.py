"""What the ledger says of claims before: whether a family ever had a champion."""

from __future__ import annotations

from pathlib import Path

from tests.unit.ledger.books import open_book
from tests.unit.release.test_claims import AT, claim, promote
from tests.unit.release.worlds import digest_of
from voxloop.release.claims import flip, void_claim, write_back
from voxloop.release.past_claims import has_had_champion
from voxloop.release.routes import Route, record_route


def test_a_champion_was_there_once_it_was_put_into_service(tmp_path: Path) -> None:
    ledger = open_book(tmp_path)
    assert not has_had_champion(ledger.read(), "emotion")
    failed = claim(ledger, 1)
    assert not has_had_champion(ledger.read(), "emotion"), "claimed is not served"
    flip(ledger, failed, at=AT)
    assert has_had_champion(ledger.read(), "emotion")
    write_back(ledger, failed, at=AT, because="the gateway never took it up")
    void_claim(ledger, failed, because="the gateway never took it up", at=AT, is_final=True)
    assert not has_had_champion(ledger.read(), "emotion"), "the first may still be appointed"
    promote(ledger, 2)
    record_route(
        ledger, Route("emotion", {}, None, False, "salt", None), act="route/off", at=AT, because="switched off"
    )
    assert has_had_champion(ledger.read(), "emotion"), "switched off, it has been there"
    assert not has_had_champion(ledger.read(), "asr")


def test_an_adopted_champion_was_there_too(tmp_path: Path) -> None:
    ledger = open_book(tmp_path)
    route = Route("emotion", {digest_of(1): 1.0}, None, True, "salt", None)
    record_route(ledger, route, act="adopted/emotion", at=AT, because="its alias said so")
    assert has_had_champion(ledger.read(), "emotion")
