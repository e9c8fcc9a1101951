"""A canary's rows: begun once, ended once, overtaken by whoever comes, and never fought by reconcile."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from tests.unit.release.test_promotion import make_world, mend, run
from tests.unit.release.worlds import World, digest_of
from voxloop.errors import InputError, IntegrityError, RefusedError
from voxloop.ledger.entry import Entry
from voxloop.release.canary import OVERDUE, CanaryPlan, end_canary, read_plan, start_canary
from voxloop.release.champion import read_champion
from voxloop.release.claims import take_claim
from voxloop.release.freezes import freeze_family
from voxloop.release.history import list_reigns
from voxloop.release.rollback import roll_back
from voxloop.release.routes import find_route_row, route_of
from voxloop.release.switch import switch_route


@pytest.fixture
def world(tmp_path: Path) -> World:
    made = make_world(tmp_path)
    made.step = timedelta(seconds=1)
    return made


def plan_of(world: World, share: float = 0.25, **changes: object) -> CanaryPlan:
    until = (world.moment + timedelta(minutes=30)).isoformat()
    plan = CanaryPlan(3, digest_of(3), digest_of(2), share, until, ("errors>1%",), 0)
    return replace(plan, **changes)  # type: ignore[arg-type]


def begin(world: World, plan: CanaryPlan | None = None) -> Entry:
    return start_canary(world.platform().ledger, "emotion", plan or plan_of(world), at=world.now())


def test_a_share_is_given_and_taken_back(world: World) -> None:
    before, asked = world.route(), plan_of(world)
    row = begin(world, asked)
    assert dict(world.route().weights) == {digest_of(2): 0.75, digest_of(3): 0.25}
    assert (world.route().salt, world.route().fallback) == (before.salt, before.fallback)
    assert read_champion(world.entries(), "emotion") == digest_of(2)
    assert len(list_reigns(world.entries(), "emotion")) == 2, "no champion is changed by it"
    plan = read_plan(row)
    assert plan is not None
    assert (plan.version, plan.rules, plan.ends) == (3, ("errors>1%",), asked.ends)
    back = end_canary(world.platform().ledger, row, because="too bad", at=world.now())
    assert back is not None
    assert (route_of(back), back.content["because"]) == (before, "too bad")
    again = end_canary(world.platform().ledger, row, because="once more", at=world.now())
    assert again is not None
    assert again.sequence == back.sequence
    assert begin(world).sequence > back.sequence, "it may be tried again"


def test_a_share_of_none_is_a_shadow(world: World) -> None:
    begin(world, plan_of(world, share=0.0))
    assert (dict(world.route().weights), world.route().shadow) == ({digest_of(2): 1.0}, digest_of(3))


def test_run_again_it_goes_on_and_another_is_refused(world: World) -> None:
    row = begin(world)
    assert begin(world, plan_of(world, until="2030-01-01T00:00:00+00:00")).sequence == row.sequence
    for other in (plan_of(world, share=0.5), plan_of(world, rules=("errors>2%",)), plan_of(world, candidate="f" * 64)):
        with pytest.raises(RefusedError, match="a canary of version 3 goes on"):
            begin(world, other)


def test_reconcile_serves_it_and_leaves_it_until_it_is_overdue(world: World) -> None:
    row = begin(world)
    assert mend(world) == [f"emotion-{digest_of(3)[:12]} (emotion version 3) is not served"]
    assert mend(world) == []
    world.moment = plan_of(world).ends + OVERDUE - timedelta(minutes=1)
    begun = find_route_row(world.entries(), "emotion")
    assert begun is not None
    assert begun.sequence == row.sequence
    world.moment += timedelta(hours=1)
    told = mend(world)
    assert "nobody has ended it" in told[0]
    assert world.route_champion() == digest_of(2)
    assert dict(world.route().weights) == {digest_of(2): 1.0}


def test_a_promotion_over_it_makes_the_champion_before_the_fallback(world: World) -> None:
    row = begin(world)
    run(world, 3)
    world.require_whole(3, 2)
    assert end_canary(world.platform().ledger, row, because="late", at=world.now()) is None
    world.require_whole(3, 2)


def test_a_rollback_and_the_kill_switch_end_it(world: World) -> None:
    row = begin(world)
    ledger = world.platform().ledger
    off, is_new = switch_route(ledger, "emotion", is_on=False, because="it swears", at=world.now())
    assert (is_new, route_of(off).is_on, dict(route_of(off).weights)) == (True, False, {digest_of(2): 1.0})
    assert end_canary(ledger, row, because="late", at=world.now()) is None
    assert not switch_route(ledger, "emotion", is_on=False, because="again", at=world.now())[1]
    on, _ = switch_route(ledger, "emotion", is_on=True, because="it does not", at=world.now())
    assert route_of(on) == replace(route_of(off), is_on=True)
    with pytest.raises(InputError, match="because"):
        switch_route(ledger, "emotion", is_on=False, because=" ", at=world.now())
    with pytest.raises(RefusedError, match="no model"):
        switch_route(ledger, "asr", is_on=False, because="why", at=world.now())
    second = begin(world)
    roll_back(ledger, "emotion", is_served=lambda _: True, because="both swear", at=world.now())
    assert world.route_champion() == digest_of(1)
    assert end_canary(ledger, second, because="late", at=world.now()) is None


def test_it_starts_from_one_champion_alone_and_not_during_a_freeze_or_a_promotion(world: World) -> None:
    ledger = world.platform().ledger
    with pytest.raises(RefusedError, match="another than the candidate was compared with"):
        begin(world, plan_of(world, champion=digest_of(1)))
    freeze_family(ledger, "emotion", until=world.moment + timedelta(days=1), because="the fair", at=world.now())
    with pytest.raises(RefusedError, match="the fair"):
        begin(world)
    world.moment += timedelta(days=2)
    take_claim(ledger, world.versions[3], replaces=digest_of(2), place="here", at=world.now())
    with pytest.raises(RefusedError, match="the promotion of emotion version 3"):
        begin(world)


def test_a_plan_that_nobody_can_read_is_said(world: World) -> None:
    row = begin(world)
    content = {**row.content, "canary": {"version": 3}}
    assert read_plan(None) is None

    class Row:
        sequence = row.sequence

        def __init__(self) -> None:
            self.content = content

    with pytest.raises(IntegrityError, match="no plan"):
        read_plan(Row())  # type: ignore[arg-type]
