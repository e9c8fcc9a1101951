"""A canary's rows: begun once, ended once, overtaken by whoever comes, and never fought by reconcile."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from tests.unit.release.test_pending import choose_of
from tests.unit.release.test_promotion import make_world, mend, run
from tests.unit.release.worlds import LASTS, Calls, Killed, World, approve_in, digest_of
from voxloop.errors import InputError, IntegrityError, RefusedError, ServiceUnavailableError
from voxloop.ledger.entry import VOID, Entry
from voxloop.release.approvals import find_recorded_objection, void_approval
from voxloop.release.canary import end_canary, start_canary
from voxloop.release.canary_plan import OVERDUE, CanaryPlan, read_plan
from voxloop.release.champion import read_champion
from voxloop.release.claims import take_claim
from voxloop.release.freezes import freeze_family
from voxloop.release.history import list_reigns
from voxloop.release.pending import list_pending, list_waiting
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
    (void,) = [entry for entry in world.entries() if entry.kind == VOID]
    assert void.sequence < back.sequence, "killed in between, nobody promotes it"
    assert (void.content["version"], void.content["because"]) == (3, "too bad")
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
    assert list_pending(world.entries()) == [], "a canary that never ended has let nothing through"
    assert world.route_champion() == digest_of(2)
    assert dict(world.route().weights) == {digest_of(2): 1.0}


def test_a_promotion_over_it_makes_the_champion_before_the_fallback(world: World) -> None:
    row = begin(world)
    run(world, 3, canary=row.sequence)
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


def approved_again(world: World) -> Entry:
    return approve_in(world.platform().ledger, world.versions[3], at=world.now())


def test_what_was_aborted_is_not_deployed_until_a_person_approves_it_again(world: World) -> None:
    end_canary(world.platform().ledger, begin(world), because="canary aborted: errors>1%: FAIL", at=world.now())
    assert list_pending(world.entries()) == []
    assert choose_of(world) is None
    with pytest.raises(RefusedError, match="none stands in the ledger"):
        choose_of(world, 3)
    approved_again(world)
    assert choose_of(world) == 3
    row = begin(world)
    assert choose_of(world) is None, "it is tried again"
    run(world, 3, canary=row.sequence)
    world.require_whole(3, 2)


def test_while_it_goes_on_deploy_waits_and_it_alone_promotes(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    world.add(4, judged_against=2)
    assert [row.content["version"] for row in list_waiting(world.entries(), world.now(), LASTS)] == [3, 4]
    row = begin(world)
    assert list_waiting(world.entries(), world.now(), LASTS) == []
    capsys.readouterr()
    assert choose_of(world) is None
    assert "emotion version 4 waits; emotion: a canary of version 3 goes on until" in capsys.readouterr().out
    for number in (3, 4):
        with pytest.raises(RefusedError, match=r"a canary of version 3 goes on.*voxloop canary emotion --abort"):
            choose_of(world, number)
        with pytest.raises(RefusedError, match="a canary of version 3 goes on"):
            run(world, number)
    assert find_route_row(world.entries(), "emotion") == row
    assert choose_of(world, 3, canary=row.sequence) == 3
    run(world, 3, canary=row.sequence)
    world.require_whole(3, 2)


def test_a_canary_begun_after_the_choice_is_not_overrun(world: World) -> None:
    assert choose_of(world) == 3
    begin(world)
    with pytest.raises(RefusedError, match="a canary of version 3 goes on"):
        take_claim(world.platform().ledger, world.versions[3], replaces=digest_of(2), place="here", at=world.now())


def test_one_that_crashed_holds_deploy_back_until_its_grace_is_over(world: World) -> None:
    world.add(4, judged_against=2)
    begin(world)
    over = plan_of(world).ends + OVERDUE
    assert list_waiting(world.entries(), over - timedelta(minutes=1), LASTS) == []
    assert len(list_waiting(world.entries(), over + timedelta(minutes=1), LASTS)) == 2
    world.moment = over + timedelta(minutes=1)
    run(world, 4)  # what deploy does first puts the route back
    voids = [entry.content for entry in world.entries() if entry.kind == VOID]
    assert [(void["version"], void["because"]) for void in voids] == [
        (3, "canary aborted: nobody has ended it in time")
    ]
    assert world.served() == (4, 2)


@pytest.mark.parametrize("by", ["switch", "rollback"])
def test_what_a_person_ended_otherwise_has_let_nothing_through_either(world: World, by: str) -> None:
    row, ledger = begin(world), world.platform().ledger
    if by == "switch":
        switch_route(ledger, "emotion", is_on=False, because="it swears", at=world.now())
    else:
        roll_back(ledger, "emotion", is_served=lambda _: True, because="it swears", at=world.now())
    said = find_recorded_objection(world.entries(), world.versions[3], by_name=True, at=world.now(), lasts=LASTS)
    assert said == f"its canary, ledger entry {row.sequence}, ended without a promotion: its approval is void"
    assert any("the approval of emotion version 3 is void" in text for text in mend(world))
    assert list_pending(world.entries()) == []
    assert mend(world) == []


def test_one_whose_approval_is_taken_back_goes(world: World) -> None:
    begin(world)
    void_approval(world.platform().ledger, world.versions[3], by="ann", because="rejected", at=world.now())
    assert any("its approval stands no more" in text for text in mend(world))
    assert dict(world.route().weights) == {digest_of(2): 1.0}


@pytest.mark.parametrize("calls", [0, 1, 2])
def test_killed_while_it_aborts_it_is_aborted_by_whoever_comes_next(world: World, calls: int) -> None:
    row = begin(world)
    world.calls = Calls(calls)
    with suppress(Killed):
        end_canary(world.platform().ledger, row, because="too bad", at=world.now())
    world.calls = Calls()
    assert choose_of(world) is None, "in force, or void"
    if calls == 0:
        end_canary(world.platform().ledger, row, because="too bad", at=world.now())
    mend(world)
    assert dict(world.route().weights) == {digest_of(2): 1.0}
    assert list_pending(world.entries()) == []


def test_its_promotion_that_is_not_confirmed_leaves_no_share_behind(world: World) -> None:
    before, row = world.route(), begin(world)
    world.unservable = {world.versions[3].serving_name}
    with pytest.raises(ServiceUnavailableError):
        run(world, 3, canary=row.sequence)
    assert world.route() == before, "not the shares of a canary that nobody watches"
    world.unservable.clear()
    assert choose_of(world) == 3, "it was let through: tried again as any that is approved"
    run(world, 3)
    world.require_whole(3, 2)


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
