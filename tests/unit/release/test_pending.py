"""What is approved and not served, by table and by property; and of two approvals, which serves."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.ledger.books import AT, open_book
from tests.unit.release.approval_rows import append_approval
from tests.unit.release.test_promotion import mend, run
from tests.unit.release.worlds import LASTS, World, approve_in, digest_of
from voxloop.errors import RefusedError
from voxloop.jobs.deploy import choose, leave_behind
from voxloop.ledger.entry import APPROVAL, PROMOTION, VOID, Draft, Entry
from voxloop.release.champion import find_champion
from voxloop.release.freezes import freeze_family, unfreeze_family
from voxloop.release.pending import find_overtaken, find_rank, list_pending, list_waiting, withdraw_approval
from voxloop.release.rollback import roll_back

FAMILIES = ("asr", "emotion", "personality")


def make_entries(said: list[str], task: str = "emotion", begin: int = 1) -> list[Entry]:
    """Return rows as `approve 3`, `claim 3`, `done 3`, `void 3` (for good), `undo 3` (for now), `withdraw 3` say."""
    rows: list[Entry] = []
    claims: dict[int, str] = {}
    for place, line in enumerate(said, start=begin):
        word, number = line.split()
        version = int(number)
        kind = {"approve": APPROVAL, "claim": PROMOTION, "done": PROMOTION}.get(word, VOID)
        content: dict[str, object] = {"version": version}
        if word == "claim":
            claims[version] = f"promotion/{task}/{place}"
            content |= {"step": "claimed"}
        elif word == "done":
            content |= {"step": "done", "claim": claims[version]}
        elif word in ("void", "undo"):
            content = {"claim": claims[version], "because": "so", "is_final": word == "void"}
        elif word == "withdraw":
            content |= {"because": "overtaken by version 9", "is_final": True}
        act = claims[version] if word == "claim" else f"{word}/{task}/{place}"
        rows.append(make_entry(place, kind, task, act, content))
    return rows


def make_entry(sequence: int, kind: str, task: str, act: str, content: dict[str, object]) -> Entry:
    from voxloop.ledger.entry import Sealer, seal_entry

    draft = Draft(kind=kind, task=task, subject="m", act=act, payload=content, at=AT + timedelta(seconds=sequence))
    return seal_entry(draft, sequence, "0" * 64, Sealer(bytes(32)))


def versions(entries: list[Entry]) -> list[int]:
    return [int(entry.content["version"]) for entry in entries]


@pytest.mark.parametrize(
    ("said", "pending"),
    [
        ([], []),
        (["approve 3"], [3]),
        (["approve 3", "claim 3"], [3]),
        (["approve 3", "claim 3", "done 3"], []),
        (["approve 3", "claim 3", "void 3"], []),
        (["approve 3", "claim 3", "undo 3"], [3]),
        (["claim 3", "approve 3", "done 3"], []),  # deploy writes the approval after its claim
        (["approve 3", "claim 3", "void 3", "approve 3"], [3]),
        (["approve 3", "claim 3", "done 3", "approve 3"], []),  # used up
        (["approve 3", "approve 2"], [3, 2]),
        (["approve 2", "approve 3", "approve 2"], [3, 2]),
        (["approve 3", "withdraw 3"], []),
        (["approve 2", "approve 3", "claim 3", "done 3"], [2]),
        (["approve 2", "withdraw 2", "approve 2"], [2]),
    ],
)
def test_an_approval_stands_until_it_is_served_or_has_failed(said: list[str], pending: list[int]) -> None:
    assert versions(list_pending(make_entries(said))) == pending


@pytest.mark.parametrize(
    ("said", "overtaken"),
    [
        (["approve 2", "approve 3"], []),
        (["approve 2", "approve 3", "claim 3", "done 3"], [(2, 3)]),
        (["approve 3", "approve 2", "claim 2", "done 2"], [(3, 2)]),  # the later approval, not the higher number
        (["approve 3", "claim 3", "approve 2", "done 3"], []),
        (["approve 1", "approve 2", "approve 3", "claim 3", "void 3", "claim 2", "done 2"], [(1, 2)]),
        (["approve 2", "approve 3", "claim 3", "done 3", "withdraw 2"], []),
        (["approve 2", "approve 3", "claim 3", "done 3", "approve 2"], []),  # approved once more, after it
    ],
)
def test_an_earlier_approval_is_overtaken_by_a_later_one_that_served(
    said: list[str], overtaken: list[tuple[int, int]]
) -> None:
    found = find_overtaken(make_entries(said), "emotion")
    assert [(int(one.approval.content["version"]), one.by) for one in found] == overtaken


LINES = st.lists(
    st.tuples(st.sampled_from(FAMILIES), st.sampled_from(["approve", "serve", "fail", "undo", "withdraw"]), st.integers(1, 3)),
    max_size=24,
)  # fmt: skip


def write_lines(lines: list[tuple[str, str, int]]) -> list[Entry]:
    """Return the rows of several families, in one ledger."""
    rows: list[Entry] = []
    for task, word, version in lines:
        ends = {"serve": "done", "fail": "void", "undo": "undo"}
        said = [f"claim {version}", f"{ends[word]} {version}"] if word in ends else [f"{word} {version}"]
        rows += make_entries(said, task, begin=len(rows) + 1)
    return rows


@given(LINES, st.randoms(use_true_random=False))
def test_rows_of_other_families_do_not_matter_nor_how_they_are_mixed(
    lines: list[tuple[str, str, int]], draw: st.DrawFn
) -> None:
    of = {task: [line for line in lines if line[0] == task] for task in FAMILIES}
    whole = list_pending(write_lines(lines))
    for task in FAMILIES:
        alone = list_pending(write_lines(of[task]))
        assert versions([row for row in whole if row.task == task]) == versions(alone)
    places = [line[0] for line in lines]
    draw.shuffle(places)  # type: ignore[attr-defined]
    mixed = [of[task].pop(0) for task in places]
    again = list_pending(write_lines(mixed))
    for task in FAMILIES:
        assert versions([row for row in again if row.task == task]) == versions([r for r in whole if r.task == task])


def test_a_frozen_family_does_not_wait(tmp_path: Path) -> None:
    book = open_book(tmp_path)
    append_approval(book, "emotion", 1, AT)
    assert versions(list_waiting(book.read(), AT, LASTS)) == [1]
    freeze_family(book, "emotion", until=AT + timedelta(days=1), because="the fair", at=AT)
    assert list_waiting(book.read(), AT, LASTS) == []
    unfreeze_family(book, "emotion", because="over", at=AT)
    assert versions(list_waiting(book.read(), AT, LASTS)) == [1]


def test_what_has_lapsed_wakes_nobody(tmp_path: Path) -> None:
    book = open_book(tmp_path)
    append_approval(book, "emotion", 1, AT)
    append_approval(book, "asr", 2, AT + timedelta(days=1))
    assert versions(list_waiting(book.read(), AT + LASTS, LASTS)) == [1, 2]
    assert versions(list_waiting(book.read(), AT + LASTS + timedelta(hours=1), LASTS)) == [2]


def test_who_is_approved_by_a_row_comes_after_who_is_not_yet() -> None:
    entries = make_entries(["approve 3", "approve 2"])
    assert find_rank(entries, "emotion", 3) < find_rank(entries, "emotion", 2) < find_rank(entries, "emotion", 4)
    assert find_rank(entries, "asr", 3) == float("inf")


def make_waiting(tmp_path: Path) -> World:
    """Version 1 serves; 3 was approved first, then 2."""
    world = World(tmp_path)
    world.add(1)
    run(world, 1)
    for number in (3, 2):
        world.add(number, judged_against=1)
    return world


def choose_of(world: World, number: int | None = None, *, canary: int | None = None) -> int | None:
    platform = world.platform()
    champion = find_champion(platform.registry, platform.ledger, "emotion")
    found = choose(platform, champion, task="emotion", number=number, canary=canary)
    return None if found is None else found.number


def test_the_later_approval_serves_and_the_earlier_is_recorded_as_overtaken(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    world = make_waiting(tmp_path)
    assert choose_of(world) == 2, "not the higher number"
    run(world, 2)
    for _ in range(2):  # safe to run twice
        leave_behind(world.platform(), "emotion")
    assert capsys.readouterr().out.count("version 3 was overtaken by version 2") == 1
    (void,) = [entry for entry in world.entries() if entry.kind == VOID]
    assert void.content["because"] == "overtaken by version 2"
    assert void.subject == digest_of(3)
    assert list_pending(world.entries()) == []
    assert choose_of(world) is None
    with pytest.raises(RefusedError, match="none stands in the ledger"):
        choose_of(world, 3)
    mend(world)
    world.require_whole(2, 1)


def test_when_the_later_one_fails_the_earlier_serves(tmp_path: Path) -> None:
    world = make_waiting(tmp_path)
    world.heavy = {world.versions[2].serving_name}
    with pytest.raises(Exception, match="MiB"):
        run(world, 2)
    assert choose_of(world) == 3
    run(world, 3)
    world.require_whole(3, 1)
    assert list_pending(world.entries()) == []


def list_voids(world: World) -> list[tuple[int, str]]:
    rows = [entry.content for entry in world.entries() if entry.kind == VOID]
    return [(int(row["version"]), str(row["because"])) for row in rows]


def leave_twice(world: World) -> None:
    for _ in range(2):  # safe to run twice
        leave_behind(world.platform(), "emotion")


def test_what_was_approved_while_another_took_over_is_recorded_as_void(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    world = make_waiting(tmp_path)
    run(world, 3)  # chosen before 2 was approved: the later approval, and the older version
    leave_twice(world)
    assert list_voids(world) == [(2, "it is older than the champion, version 3")]
    said = "emotion version 2 is approved, but it is older than the champion, version 3: its approval is void"
    assert capsys.readouterr().out.count(said) == 1
    assert list_pending(world.entries()) == []


def test_what_was_judged_against_the_one_that_was_rolled_back_is_recorded_as_void(tmp_path: Path) -> None:
    world = make_waiting(tmp_path)
    run(world, 2)
    leave_twice(world)
    world.add(4, judged_against=2)
    roll_back(world.platform().ledger, "emotion", is_served=lambda _: True, because="it swears", at=world.now())
    leave_twice(world)
    assert list_voids(world)[1:] == [
        (4, f"it was judged against {digest_of(2)[:12]} and {digest_of(1)[:12]} is in service")
    ]
    assert list_pending(world.entries()) == []


def test_an_approval_that_has_lapsed_is_recorded_as_void_and_may_be_given_again(tmp_path: Path) -> None:
    world = make_waiting(tmp_path)
    world.moment += LASTS
    leave_twice(world)
    assert [number for number, because in list_voids(world) if "an approval stands 14 days" in because] == [3, 2]
    approve_in(world.platform().ledger, world.versions[2], at=world.now())
    leave_twice(world)
    assert versions(list_pending(world.entries())) == [2]
    assert choose_of(world) == 2


def test_what_a_person_says_meanwhile_stands(tmp_path: Path) -> None:
    world = make_waiting(tmp_path)
    earlier = list_pending(world.entries())[1]
    world.moment += LASTS
    approve_in(world.platform().ledger, world.versions[2], at=world.now())
    withdraw_approval(world.platform().ledger, earlier, because="it has lapsed", at=world.now())
    assert list_voids(world) == []
