from __future__ import annotations

import asyncio
import shutil
import threading
import time
from datetime import UTC, datetime

import pytest

from voxloop.gateway import route_watch
from voxloop.gateway.route_watch import RouteWatch
from voxloop.ledger.book import Ledger, open_ledger
from voxloop.ledger.entry import ROUTE, Draft
from voxloop.release.routes import Route, record_route
from voxloop.settings import Settings

AT = datetime(2026, 1, 2, tzinfo=UTC)


def put(settings: Settings, number: int, task: str = "emotion", *, is_on: bool = True) -> Route:
    route = Route(task, {f"{number:064x}": 1.0}, None, is_on, "salt", None)
    record_route(open_ledger(settings), route, act=f"route/{number}", at=AT)
    return route


@pytest.fixture
def watch(settings: Settings) -> RouteWatch:
    return RouteWatch(lambda: open_ledger(settings), 0.05)


def test_the_newest_row_of_each_family_is_in_force(settings: Settings, watch: RouteWatch) -> None:
    watch.look()
    assert (watch.tasks(), watch.trouble) == ([], "")
    put(settings, 1)
    newest = put(settings, 2)
    other = put(settings, 3, "asr", is_on=False)
    watch.look()
    assert (watch.find("emotion"), watch.find("asr"), watch.trouble) == (newest, other, "")
    newest = put(settings, 4)
    watch.look()
    assert watch.find("emotion") == newest


def test_a_ledger_that_is_away_or_cut_changes_nothing_and_is_told(settings: Settings, watch: RouteWatch) -> None:
    kept = put(settings, 1)
    watch.look()
    aside = settings.home / "aside"
    settings.ledger.rename(aside)
    for _ in range(2):
        watch.look()
        assert watch.trouble
        assert watch.find("emotion") == kept
    shutil.rmtree(settings.ledger, ignore_errors=True)
    aside.rename(settings.ledger)
    watch.look()
    assert watch.trouble == ""
    assert watch.find("emotion") == kept


def test_a_row_that_cannot_be_read_changes_nothing_and_is_told(settings: Settings, watch: RouteWatch) -> None:
    kept = put(settings, 1)
    watch.look()
    draft = Draft(kind=ROUTE, task="emotion", subject="none", act="route/bad", payload={"route": {}}, at=AT)
    open_ledger(settings).append(draft)
    other = put(settings, 2, "asr")
    watch.look()
    assert "holds no route" in watch.trouble
    assert (watch.find("emotion"), watch.find("asr")) == (kept, other)
    begun_later = RouteWatch(lambda: open_ledger(settings), 0.05)
    begun_later.look()
    assert (begun_later.find("emotion"), begun_later.find("asr")) == (None, other)
    mended = put(settings, 3)
    watch.look()
    assert (watch.find("emotion"), watch.trouble) == (mended, "")


def test_a_thread_looks_by_itself(settings: Settings, watch: RouteWatch) -> None:
    watch.start()
    try:
        newest = put(settings, 1)
        until = time.monotonic() + 10
        while watch.find("emotion") != newest and time.monotonic() < until:
            time.sleep(0.01)
        assert watch.find("emotion") == newest
    finally:
        watch.stop()


def test_a_fault_of_our_own_does_not_end_the_watch(settings: Settings) -> None:
    faults = iter([True, True])

    def opened() -> Ledger:
        if next(faults, False):
            raise RuntimeError("not foreseen")
        return open_ledger(settings)

    kept = put(settings, 1)
    watch = RouteWatch(opened, 0.05)
    watch.start()
    try:
        assert watch.trouble == "RuntimeError: not foreseen"
        until = time.monotonic() + 10
        while (watch.find("emotion"), watch.trouble) != (kept, "") and time.monotonic() < until:
            time.sleep(0.01)
        assert (watch.find("emotion"), watch.trouble) == (kept, "")
    finally:
        watch.stop()


def test_what_was_written_before_a_request_is_known_to_it(settings: Settings) -> None:
    watch = RouteWatch(lambda: open_ledger(settings), 3600)
    put(settings, 1)
    watch.look()

    async def ask_often() -> None:
        for number in range(2, 12):
            newest = put(settings, number)
            await asyncio.gather(*(watch.look_if_changed() for _ in range(16)))
            assert watch.find("emotion") == newest

    asyncio.run(ask_often())


def test_an_unchanged_ledger_is_not_read_again(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    watch = RouteWatch(lambda: open_ledger(settings), 3600)
    kept = put(settings, 1)
    watch.look()
    monkeypatch.setattr(watch, "look", lambda: pytest.fail("it was read"))
    asyncio.run(watch.look_if_changed())
    assert watch.find("emotion") == kept


def test_a_ledger_that_does_not_answer_keeps_nobody_waiting(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    watch = RouteWatch(lambda: open_ledger(settings), 3600)
    kept = put(settings, 1)
    watch.look()
    put(settings, 2)
    ended = threading.Event()
    monkeypatch.setattr(watch, "look", lambda: ended.wait(30))
    monkeypatch.setattr(route_watch, "LONGEST_WAIT", 0.2)

    async def ask() -> float:
        began = time.monotonic()
        await watch.look_if_changed()
        taken = time.monotonic() - began
        ended.set()
        return taken

    assert 0.2 <= asyncio.run(ask()) < 5
    assert watch.find("emotion") == kept
