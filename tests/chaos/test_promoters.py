"""Eight promoters at once on one ledger, half of them taking over from the living: no update is lost."""

from __future__ import annotations

import json

import pytest

from tests.chaos.promoter import start_promoter
from tests.unit.ledger.books import open_book
from voxloop.ledger.entry import ROUTE
from voxloop.release.routes import route_of
from voxloop.settings import Settings

PROMOTERS, ROUNDS = 8, 100


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_of_eight_promoters_at_once_none_loses_an_update(settings: Settings) -> None:
    rounds = settings.trial_count(ROUNDS)
    running = [start_promoter(settings, number, rounds) for number in range(PROMOTERS)]
    told = [act for one in running for act in json.loads(one.communicate()[0])]
    assert [one.returncode for one in running] == [0] * PROMOTERS
    assert len(told) == PROMOTERS * rounds
    entries = open_book(settings.ledger).verify()
    rows = [entry for entry in entries if entry.kind == ROUTE]
    flipped = [act for act in told if act != "refused"]
    # Who was told that it flipped has flipped, once, and nobody else has.
    assert sorted(flipped) == sorted(row.act for row in rows)
    assert len(set(flipped)) == len(flipped) >= 1
    # Each took the place of exactly the one it had been compared with, which is its fallback.
    before = None
    for row in rows:
        route = route_of(row)
        assert row.content["because"] == (before or "none")
        assert route.fallback == before
        before = route.sole_model
    print(f"{PROMOTERS} promoters x {rounds} rounds: {len(flipped)} flips, {told.count('refused')} refused")
