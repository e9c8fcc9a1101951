"""Promotion killed at every call, against twins in memory that keep their state as the real ones do, and a real ledger."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from tests.unit.release.worlds import Calls, Killed, World, approve_in, digest_of
from voxloop.errors import ConfigError, IntegrityError, RefusedError, ServiceUnavailableError, VoxloopError
from voxloop.ledger.entry import PROMOTION, ROUTE, VOID
from voxloop.release import promotion
from voxloop.release.claims import find_open, take_claim
from voxloop.release.mirror import HEAD_COPY
from voxloop.release.past_claims import find_failure, list_used
from voxloop.release.pending import list_pending
from voxloop.release.promotion import promote
from voxloop.release.reconciliation import prepare, reconcile
from voxloop.release.routes import Route, read_route, record_route
from voxloop.release.versions import CHALLENGER, CHAMPION, FALLBACK, PROMOTED_AT


def make_world(tmp_path: Path) -> World:
    """Two promotions are done; a third version waits."""
    world = World(tmp_path)
    for number in (1, 2):
        world.add(number, judged_against=number - 1)
        run(world, number)
    world.add(3, judged_against=2)
    return world


@pytest.fixture(scope="module")
def waiting(tmp_path_factory: pytest.TempPathFactory) -> World:
    """A world to copy; making one takes longer."""
    return make_world(tmp_path_factory.mktemp("waiting"))


def run(world: World, number: int, *, canary: int | None = None) -> None:
    """Do what `voxloop deploy` does for a version that was chosen."""
    platform = world.platform()
    for outcome in prepare(platform, "emotion"):
        if outcome.problem is not None:
            raise outcome.problem
    if world.route_champion() != digest_of(number):
        promote(platform, world.versions[number], workplace=world.workplace(), canary=canary)


def mend(world: World, place: str = "here") -> list[str]:
    """Reconcile, and return what was not right."""
    outcomes = list(reconcile(world.platform(place), "emotion", workplace=world.workplace()))
    assert [outcome.problem for outcome in outcomes if outcome.problem is not None] == []
    return [outcome.text for outcome in outcomes]


def test_the_champion_changes_and_the_old_one_is_kept(tmp_path: Path) -> None:
    world = make_world(tmp_path)
    done = promote(world.platform(), world.versions[3], workplace=world.workplace())
    assert done.replaced is not None
    assert done.replaced.number == 2
    world.require_whole(3, 2)
    assert world.aliases == {CHAMPION: 3, FALLBACK: 2}
    flipped = [entry for entry in world.entries() if entry.kind == ROUTE][-1]
    assert world.versions[3].tags[PROMOTED_AT] == f"{flipped.at[:19]}+00:00"
    assert flipped.content["because"] == "version 3, approved by ann"
    kinds = [entry.kind for entry in world.entries() if entry.kind in (PROMOTION, ROUTE)]
    assert kinds == [PROMOTION, ROUTE, PROMOTION] * 3
    assert len({route.salt for route in [world.route()]}) == 1
    assert '"sequence": 18' in world.model_tags[HEAD_COPY]


def test_callers_keep_their_shares_from_route_to_route(tmp_path: Path) -> None:
    world = make_world(tmp_path)
    before = world.route().salt
    run(world, 3)
    assert world.route().salt == before


def count_calls(world: World) -> int:
    before = world.calls.count
    run(world, 3)
    return world.calls.count - before


@pytest.mark.parametrize(
    ("error", "after", "by"),
    [
        # Killed after a call is killed before the next one.
        (Killed, False, "deploy"),
        (Killed, False, "reconcile"),
        pytest.param(ServiceUnavailableError, True, "reconcile", marks=pytest.mark.slow),
        pytest.param(ServiceUnavailableError, True, "deploy", marks=pytest.mark.slow),
        pytest.param(ServiceUnavailableError, False, "deploy", marks=pytest.mark.slow),
        pytest.param(ServiceUnavailableError, False, "reconcile", marks=pytest.mark.slow),
    ],
)
def test_stopped_anywhere_one_champion_is_in_force_and_whoever_comes_next_finishes_or_undoes(
    tmp_path: Path,
    waiting: World,
    error: type[BaseException],
    after: bool,
    by: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(promotion, "TAKEN_UP_SECONDS", 0.0)  # a gateway that does not answer is not asked again
    total = count_calls(waiting.copy(tmp_path / "count"))
    assert total >= 25
    became_new = 0
    for stop_at in range(total):
        world = waiting.copy(tmp_path / f"{stop_at}")
        world.calls = Calls(stop_at, after=after, error=error)
        with pytest.raises(error):
            run(world, 3)
        world.calls = Calls()
        champion, fallback = world.served()
        assert (champion, fallback) in ((2, 1), (3, 2)), f"stopped at call {stop_at}"
        if by == "deploy":
            run(world, 3)
            mend(world)
            world.require_whole(3, 2)
        else:
            mend(world)
            world.require_whole(champion, fallback)
            became_new += champion == 3
        assert mend(world) == [], "reconciled twice, nothing is left to do"
        assert find_open(world.entries(), "emotion") is None
        flips = [entry for entry in world.entries() if entry.kind == ROUTE]
        assert len({entry.act for entry in flips}) == len(flips)
    assert by == "deploy" or 0 < became_new < total


def test_a_wrong_answer_takes_the_new_one_off_again_and_is_not_tried_by_itself(tmp_path: Path) -> None:
    world = make_world(tmp_path)
    world.wrong = {world.versions[3].serving_name}
    with pytest.raises(IntegrityError, match="golden request"):
        run(world, 3)
    world.require_whole(2, 1)
    assert world.aliases[CHALLENGER] == 3
    assert "golden request" in find_failure(world.entries(), "emotion", 3)
    world.wrong.clear()
    run(world, 3)  # a person asks for it by name
    world.require_whole(3, 2)
    assert find_failure(world.entries(), "emotion", 3) == ""


def test_a_model_over_its_budget_is_taken_off_again_and_is_not_tried_by_itself(tmp_path: Path) -> None:
    world = make_world(tmp_path)
    world.heavy = {world.versions[3].serving_name}
    with pytest.raises(VoxloopError, match="2048 MiB of memory; at most 1024 MiB"):
        run(world, 3)
    world.require_whole(2, 1)
    assert "MiB of memory" in find_failure(world.entries(), "emotion", 3)


def test_without_the_champion_to_be_timed_beside_the_claim_stays_open(tmp_path: Path) -> None:
    world = make_world(tmp_path)
    world.loaded.discard(world.versions[2].serving_name)
    with pytest.raises(ServiceUnavailableError, match=r"slower than the champion cannot be told.*voxloop reconcile"):
        run(world, 3)
    assert world.route_champion() == digest_of(2)
    mend(world)
    run(world, 3)
    world.require_whole(3, 2)


def test_a_version_that_is_not_as_it_was_signed_never_reaches_the_server(tmp_path: Path) -> None:
    world = make_world(tmp_path)
    world.unsigned = True
    with pytest.raises(IntegrityError, match="not as it was signed"):
        run(world, 3)
    world.require_whole(2, 1)


def test_what_is_flipped_to_and_not_served_is_written_back(tmp_path: Path) -> None:
    world = make_world(tmp_path)
    before = world.route()
    world.unservable = {world.versions[3].serving_name}
    with pytest.raises(ServiceUnavailableError, match="does not serve"):
        run(world, 3)
    assert world.route() == before
    assert list_used(world.entries(), "emotion") == {1, 2}
    assert [entry.kind for entry in world.entries()][-3:] == [ROUTE, ROUTE, VOID]
    mend(world)
    world.require_whole(2, 1)
    world.unservable.clear()
    run(world, 3)
    world.require_whole(3, 2)


@pytest.mark.parametrize("fault", ["silent", "another"])
def test_what_no_caller_is_answered_by_is_written_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: str
) -> None:
    world = make_world(tmp_path)
    before, count = world.route(), 0
    monkeypatch.setattr("voxloop.release.promotion.TAKEN_UP_SECONDS", 0.3)

    def answer() -> str | None:
        nonlocal count
        count += 1
        if fault == "silent":
            raise ServiceUnavailableError("the gateway is ill")
        return digest_of(2)

    world.answering = answer
    with pytest.raises(ServiceUnavailableError, match="the gateway is ill|answered by 000000000002"):
        run(world, 3)
    assert count > 1, "a route takes a moment to be taken up"
    assert world.route() == before
    world.answering = world.route_champion
    mend(world)
    run(world, 3)
    world.require_whole(3, 2)


def test_what_no_caller_is_answered_by_is_not_tried_for_ever(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    world = make_world(tmp_path)
    monkeypatch.setattr(promotion, "TAKEN_UP_SECONDS", 0.0)

    def answer() -> str | None:
        if world.route_champion() == digest_of(3):
            raise ServiceUnavailableError("502: its answer is not finite")
        return world.route_champion()

    world.answering = answer
    for times in (1, 2, 3):
        assert [row.content["version"] for row in list_pending(world.entries())] == [3]
        assert find_failure(world.entries(), "emotion", 3) == ""
        with pytest.raises(ServiceUnavailableError, match="not finite"):
            run(world, 3)
        assert world.route_champion() == digest_of(2), times
    assert list_pending(world.entries()) == [], "it wakes nobody any more"
    assert find_failure(world.entries(), "emotion", 3).startswith("written back 3 times: 502: its answer is not finite")
    mend(world)
    world.require_whole(2, 1)
    again = approve_in(world.platform().ledger, world.versions[3], by="cleo", at=world.now() + timedelta(days=15))
    assert again.content["by"] == "cleo"
    assert find_failure(world.entries(), "emotion", 3) == "", "a person says so again, and it is tried again"
    with pytest.raises(ServiceUnavailableError, match="not finite"):
        run(world, 3)
    assert [row.content["by"] for row in list_pending(world.entries())] == ["cleo"], "counted from the new approval on"


def test_a_caller_is_waited_for_and_without_a_gateway_nobody_is_asked(tmp_path: Path) -> None:
    world = make_world(tmp_path)
    said = iter([digest_of(2), digest_of(2)])
    world.answering = lambda: next(said, digest_of(3))
    run(world, 3)
    world.require_whole(3, 2)
    world.add(4, judged_against=3)
    world.answering = lambda: None
    run(world, 4)
    world.require_whole(4, 3)


def test_the_first_champion_that_is_not_served_is_written_back_to_nobody(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.add(1)
    world.unservable = {world.versions[1].serving_name}
    with pytest.raises(ServiceUnavailableError):
        run(world, 1)
    assert (world.route().models, world.route().is_on) == ((), False)
    assert CHAMPION not in world.aliases
    world.unservable.clear()
    run(world, 1)
    world.require_whole(1, None)
    assert world.route().is_on


def test_a_promotion_does_not_switch_a_route_on(tmp_path: Path) -> None:
    world = make_world(tmp_path)
    now = world.route()
    off = Route("emotion", now.weights, None, False, now.salt, now.fallback)
    record_route(world.platform().ledger, off, act="route/switch/1", at=world.now())
    run(world, 3)
    assert not world.route().is_on
    assert world.route().sole_model == digest_of(3)


def test_a_key_that_is_missing_leaves_the_claim_open_and_the_ledger_as_long_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = make_world(tmp_path)

    def refuse(*_: object) -> None:
        raise ConfigError("no key")

    for _ in range(3):
        with monkeypatch.context() as patched:
            patched.setattr(world, "verify", refuse)
            with pytest.raises(ConfigError):
                run(world, 3)
    assert [entry.kind for entry in world.entries()][15:] == [PROMOTION]
    run(world, 3)
    world.require_whole(3, 2)
    assert [entry.kind for entry in world.entries()][15:] == [PROMOTION, ROUTE, PROMOTION]


def test_another_place_is_not_disturbed_but_by_a_persons_word(tmp_path: Path) -> None:
    world = make_world(tmp_path)
    there = world.platform("there")
    claim = take_claim(there.ledger, world.versions[3], replaces=digest_of(2), place="there", at=world.now())
    with pytest.raises(RefusedError, match=r"goes on at another place \(there\).*--take-over"):
        run(world, 3)
    (left,) = reconcile(world.platform(), "emotion", workplace=world.workplace())
    assert isinstance(left.problem, RefusedError)
    (undone,) = reconcile(world.platform(), "emotion", workplace=world.workplace(), take_over=True)
    assert undone.is_mended
    assert find_open(world.entries(), "emotion") is None
    run(world, 3)
    world.require_whole(3, 2)
    assert claim.place == "there"


def test_a_champion_that_answers_wrongly_is_reported_and_not_taken_down(tmp_path: Path) -> None:
    world = make_world(tmp_path)
    name = world.versions[2].serving_name
    world.loaded.discard(name)
    world.wrong = {name}
    (left,) = reconcile(world.platform(), "emotion", workplace=world.workplace())
    assert isinstance(left.problem, IntegrityError)
    assert name in world.loaded
    assert world.aliases[CHAMPION] == 2


def test_a_promotion_killed_before_its_first_route_leaves_no_route(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.add(1)
    world.calls = Calls(6)
    with pytest.raises(Killed):
        run(world, 1)
    world.calls = Calls()
    mend(world)
    assert read_route(world.entries(), "emotion") is None
    assert world.loaded == world.repository == set()
    run(world, 1)
    world.require_whole(1, None)
