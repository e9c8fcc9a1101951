"""Rolling back: one row, to a model that answers, once; and the version that was left does not come back by itself."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.unit.release.test_promotion import make_world, mend, run
from tests.unit.release.worlds import LASTS, World, digest_of
from voxloop.errors import InputError, RefusedError, ServiceUnavailableError
from voxloop.ledger.entry import ROLLBACK, ROUTE
from voxloop.release.approvals import find_recorded_objection
from voxloop.release.claims import flip, take_claim
from voxloop.release.freezes import freeze_family
from voxloop.release.history import list_reigns
from voxloop.release.rollback import record_rollback, roll_back
from voxloop.release.versions import CHALLENGER, CHAMPION, FALLBACK, serving_name


def go_back(world: World, because: str = "it swears") -> bool:
    row, is_new = roll_back(
        world.platform().ledger,
        "emotion",
        is_served=lambda digest: serving_name("emotion", digest) in world.loaded,
        because=because,
        at=world.now(),
    )
    record_rollback(world.platform().ledger, row, at=world.now())
    return is_new


def test_the_fallback_answers_by_one_row_and_everything_follows(tmp_path: Path) -> None:
    world = make_world(tmp_path)
    before = len(world.entries())
    assert go_back(world)
    new = world.entries()[before:]
    assert [entry.kind for entry in new] == [ROUTE, ROLLBACK]
    payload = {"route": new[0].sequence, "from": digest_of(2), "to": digest_of(1), "because": "it swears"}
    assert new[1].content == payload
    assert world.served() == (1, None)
    assert not go_back(world), "asked again for the same reason, it is finished and not done twice"
    assert len(world.entries()) == before + 2
    mend(world)
    assert world.aliases == {CHAMPION: 1, CHALLENGER: 3}
    assert world.loaded == {world.versions[1].serving_name}
    with pytest.raises(RefusedError, match=r"no fallback: it was rolled back on .* already \(it swears\)"):
        go_back(world, "again")


def test_the_version_that_was_left_is_not_deployed_again(tmp_path: Path) -> None:
    world = make_world(tmp_path)
    go_back(world)
    for by_name in (False, True):
        said = find_recorded_objection(world.entries(), world.versions[2], by_name=by_name, at=world.now(), lasts=LASTS)
        assert said == "its approval is used up, it was in service before"
    run(world, 3)
    world.require_whole(3, 1)


def test_requests_on_their_way_find_the_model_that_was_left_for_two_minutes(tmp_path: Path) -> None:
    world = make_world(tmp_path)
    world.step = timedelta(seconds=1)
    go_back(world)
    mend(world)
    assert world.versions[2].serving_name in world.loaded
    world.step = timedelta(minutes=2)
    mend(world)
    assert world.versions[2].serving_name not in world.loaded


@pytest.mark.parametrize("killed", [True, False])
def test_a_rollback_that_was_killed_after_its_row_is_finished_by_reconcile(tmp_path: Path, killed: bool) -> None:
    world = make_world(tmp_path)
    roll_back(world.platform().ledger, "emotion", is_served=lambda _: True, because="it swears", at=world.now())
    if not killed:
        go_back(world)
    assert any("has no page" in text for text in mend(world)) == killed
    assert world.aliases[CHAMPION] == 1
    assert FALLBACK not in world.aliases
    assert [entry.kind for entry in world.entries()].count(ROLLBACK) == 1


def test_a_rollback_in_the_middle_of_a_promotion_wins(tmp_path: Path) -> None:
    world = make_world(tmp_path)
    ledger = world.platform().ledger
    claim = take_claim(ledger, world.versions[3], replaces=digest_of(2), place="here", at=world.now())
    go_back(world)
    with pytest.raises(RefusedError, match="the route has changed"):
        flip(ledger, claim, at=world.now())
    mend(world)
    world.require_whole(1, None)


def test_a_rollback_right_after_a_flip_wins_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    world = make_world(tmp_path)

    def flip_and_be_rolled_back(*arguments: Any, **named: Any) -> Any:
        row = flip(*arguments, **named)
        go_back(world)
        return row

    monkeypatch.setattr("voxloop.release.promotion.flip", flip_and_be_rolled_back)
    with pytest.raises(RefusedError, match="another route was written before it was done"):
        run(world, 3)
    mend(world)
    world.require_whole(2, None)
    said = find_recorded_objection(world.entries(), world.versions[3], by_name=True, at=world.now(), lasts=LASTS)
    assert said.startswith("its approval is used")


def test_during_a_freeze_it_is_allowed(tmp_path: Path) -> None:
    world = make_world(tmp_path)
    freeze_family(
        world.platform().ledger, "emotion", until=datetime(2999, 1, 1, tzinfo=UTC), because="x", at=world.now()
    )
    assert go_back(world)
    with pytest.raises(RefusedError, match="frozen"):
        run(world, 3)


def test_where_it_cannot_be_it_is_refused(tmp_path: Path) -> None:
    world = World(tmp_path)
    with pytest.raises(RefusedError, match="has no champion"):
        go_back(world)
    world.add(1)
    run(world, 1)
    with pytest.raises(RefusedError, match="no fallback: nothing was in service before"):
        go_back(world)
    world.add(2, judged_against=1)
    run(world, 2)
    with pytest.raises(InputError, match="--because is empty"):
        go_back(world, " ")
    world.loaded.discard(world.versions[1].serving_name)
    with pytest.raises(ServiceUnavailableError, match="is not served.*voxloop reconcile --task emotion"):
        go_back(world)
    mend(world)
    assert go_back(world)


def test_history_says_who_was_champion_when_and_why(tmp_path: Path) -> None:
    world = make_world(tmp_path)
    go_back(world)
    run(world, 3)
    reigns = list_reigns(world.entries(), "emotion")
    assert [(reign.version, reign.act) for reign in reigns] == [
        (1, "promotion"),
        (2, "promotion"),
        (1, "rollback"),
        (3, "promotion"),
    ]
    assert [reign.until for reign in reigns] == [*(reign.since for reign in reigns[1:]), None]
    assert reigns[2].because == "it swears"
    assert reigns[1].because == "version 2, approved by ann"
    for reign in reigns:
        found = [one.sequence for one in reigns if one.covers(reign.since, reign.since)]
        assert found == [reign.sequence]
    day = reigns[0].since.replace(hour=0, minute=0, second=0)
    assert sum(reign.covers(day, day + timedelta(days=1)) for reign in reigns) >= 2
    assert list_reigns(world.entries(), "asr") == []
