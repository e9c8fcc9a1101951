"""Reconciling: what is mended, what is left to a person, and that a look changes nothing."""

from __future__ import annotations

import shutil
from copy import deepcopy
from pathlib import Path

import pytest

from tests.unit.ledger.books import open_book
from tests.unit.release.test_promotion import make_world, mend, run
from tests.unit.release.worlds import World, approve_in, digest_of
from voxloop.errors import IntegrityError, RefusedError
from voxloop.ledger.entry import ROUTE
from voxloop.release.mirror import HEAD_COPY
from voxloop.release.reconciliation import Outcome, reconcile
from voxloop.release.versions import APPROVAL, CHALLENGER, CHAMPION, FALLBACK, PROMOTED_AT, ModelVersion


@pytest.fixture(scope="module")
def waiting(tmp_path_factory: pytest.TempPathFactory) -> World:
    return make_world(tmp_path_factory.mktemp("waiting"))


@pytest.fixture
def world(waiting: World, tmp_path: Path) -> World:
    return waiting.copy(tmp_path / "world")


def look(world: World, *, dry_run: bool = False) -> list[Outcome]:
    return list(reconcile(world.platform(), "emotion", workplace=world.workplace(), dry_run=dry_run))


def set_aliases(world: World, **aliases: int) -> None:
    world.aliases.clear()
    world.aliases.update(aliases)


def test_what_agrees_is_left_alone(world: World) -> None:
    before = deepcopy((world.aliases, world.versions, world.loaded, world.model_tags, world.entries()))
    assert look(world) == look(world, dry_run=True) == []
    assert (world.aliases, world.versions, world.loaded, world.model_tags, world.entries()) == before


@pytest.mark.parametrize(
    ("aliases", "found"),
    [
        ({CHAMPION: 3, FALLBACK: 1, CHALLENGER: 3}, 1),
        ({CHAMPION: 1, FALLBACK: 2}, 2),
        ({}, 2),
        ({CHAMPION: 2, FALLBACK: 1, CHALLENGER: 2}, 1),
    ],
)
def test_aliases_moved_by_hand_go_back_and_a_dry_run_moves_nothing(
    world: World, aliases: dict[str, int], found: int
) -> None:
    set_aliases(world, **aliases)
    dry = look(world, dry_run=True)
    assert len(dry) == found
    assert not any(outcome.is_mended for outcome in dry)
    assert world.aliases == aliases
    assert [outcome.text for outcome in look(world)] == [outcome.text for outcome in dry]
    assert {alias: number for alias, number in world.aliases.items() if alias != CHALLENGER} == {
        CHAMPION: 2,
        FALLBACK: 1,
    }
    assert world.aliases.get(CHALLENGER) in (None, 3)


@pytest.mark.parametrize("lost", [(1,), (2,), (1, 2)])
def test_what_triton_has_lost_is_loaded_again(world: World, lost: tuple[int, ...]) -> None:
    for number in lost:
        world.loaded.discard(world.versions[number].serving_name)
        world.repository.discard(world.versions[number].serving_name)
    assert len(mend(world)) == len(lost)
    world.require_whole(2, 1)


def test_what_lies_about_is_taken_off(world: World) -> None:
    name = world.versions[3].serving_name
    world.repository.add(name)
    world.loaded.add(name)
    assert mend(world) == [f"{name} is loaded or staged, and no route needs it"]
    world.require_whole(2, 1)


def test_a_version_deleted_from_the_registry_is_told_and_goes_on_serving(world: World) -> None:
    del world.versions[2]
    outcomes = look(world)
    assert [type(outcome.problem) for outcome in outcomes] == [IntegrityError]
    assert "restore MLflow's database" in str(outcomes[0].problem)
    assert f"emotion-{digest_of(2)[:12]}" in world.loaded


def test_a_platform_of_before_is_taken_over_once(tmp_path: Path, waiting: World) -> None:
    world = waiting.copy(tmp_path / "old")
    for path in ("ledger.sqlite", "head.json"):
        (world.folder / path).unlink()
    world.model_tags.clear()
    assert mend(world) == [
        "the alias champion is on emotion version 2, the ledger has no route of emotion yet",
    ]
    world.require_whole(2, 1)
    assert mend(world) == []
    (row,) = world.entries()
    assert row.act.startswith("route/adopted/emotion/")
    assert row.content["version"] == 2
    approve_in(open_book(world.folder), world.versions[3], at=world.moment)
    run(world, 3)
    world.require_whole(3, 2)


@pytest.mark.parametrize("tags", [{}, {APPROVAL: "rejected"}, {APPROVAL: "approved"}])
def test_an_alias_on_what_was_never_put_into_service_makes_no_champion(tmp_path: Path, tags: dict[str, str]) -> None:
    world = World(tmp_path)
    made = world.add(1)
    kept = {name: value for name, value in made.tags.items() if name not in (APPROVAL, PROMOTED_AT)}
    world.versions[1] = ModelVersion("emotion", 1, "run-1", {**kept, **tags})
    set_aliases(world, champion=1)
    (left,) = look(world)
    assert isinstance(left.problem, IntegrityError)
    assert "was never put into service" in str(left.problem)
    assert ROUTE not in {entry.kind for entry in world.entries()}


def test_a_ledger_put_back_to_an_older_state_is_seen_by_the_copy_of_its_head(world: World, tmp_path: Path) -> None:
    older = tmp_path / "older"
    shutil.copytree(world.folder, older)
    run(world, 3)
    for path in ("ledger.sqlite", "head.json"):
        shutil.copy(older / path, world.folder / path)
    first = look(world)[0]
    assert isinstance(first.problem, IntegrityError)
    assert "its tail is cut: the head is entry 18, the last there is is 15" in str(first.problem)
    with pytest.raises(IntegrityError, match="tail is cut"):
        run(world, 3)


@pytest.mark.parametrize("copy", [None, "nonsense", '{"sequence": 99, "digest": "x", "seal": "y", "sealer": "z"}'])
def test_a_copy_of_the_head_that_is_gone_or_is_none_is_written_again(world: World, copy: str | None) -> None:
    before = world.model_tags.pop(HEAD_COPY)
    if copy is not None:
        world.model_tags[HEAD_COPY] = copy
    (found,) = mend(world)
    assert "head kept in MLflow" in found or "head is not kept in MLflow" in found
    assert world.model_tags[HEAD_COPY] != before, "of now: a version was registered and approved since"
    assert '"sequence": 15' in world.model_tags[HEAD_COPY]
    assert mend(world) == []


def test_a_claim_of_another_place_is_a_persons_and_the_rest_is_mended(world: World) -> None:
    from voxloop.release.claims import take_claim

    take_claim(world.platform().ledger, world.versions[3], replaces=digest_of(2), place="there", at=world.now())
    set_aliases(world, champion=3)
    outcomes = look(world)
    assert [type(outcome.problem) for outcome in outcomes if outcome.problem] == [RefusedError]
    assert sum(outcome.is_mended for outcome in outcomes) == 2
    assert world.aliases == {CHAMPION: 2, FALLBACK: 1}
