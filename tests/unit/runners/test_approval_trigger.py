"""The trigger that hears approvals: how it travels, when it fires, and that nothing ends it."""

from __future__ import annotations

import asyncio
import importlib
import threading
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest

from tests.unit.release.approval_rows import append_approval
from tests.unit.runners.own_airflow import Alarm, ApprovalTrigger, AssetWatcher, LedgerWatch, Waiting, encode_trigger
from voxloop.errors import IntegrityError
from voxloop.ledger.book import open_ledger
from voxloop.settings import Settings, now

AT = now()  # an approval of long ago waits no more
ONE, TWO = ("emotion", 3, 7), ("asr", 1, 8)


def approve(settings: Settings, number: int, task: str = "emotion", at: datetime = AT) -> None:
    append_approval(open_ledger(settings), task, number, at)


def test_it_travels_as_its_class_and_two_numbers() -> None:
    made = encode_trigger(AssetWatcher(name="watch", trigger=ApprovalTrigger(poll_seconds=0.5)).trigger)
    module, _, name = made["classpath"].rpartition(".")
    again = getattr(importlib.import_module(module), name)(**ApprovalTrigger(poll_seconds=0.5).serialize()[1])
    assert isinstance(again, ApprovalTrigger)
    assert again.serialize() == ApprovalTrigger(poll_seconds=0.5).serialize()


@pytest.mark.parametrize(
    ("looks", "fired"),
    [
        ([(0, ()), (2, ()), (4, (ONE,))], [4]),
        ([(0, (ONE,)), (2, (ONE,)), (29, (ONE,)), (30, (ONE,)), (60, (ONE,)), (90, (ONE,))], [0, 30, 90]),
        ([(0, (ONE,)), (2, (ONE, TWO)), (4, (TWO,)), (40, (TWO,))], [0, 2, 40]),
        ([(0, (ONE,)), (2, ()), (4, (ONE,))], [0, 4]),
    ],
)
def test_it_fires_at_once_for_what_is_new_and_ever_less_for_the_same(
    looks: list[tuple[float, Waiting]], fired: list[float]
) -> None:
    alarm = Alarm(first=30.0)
    assert [moment for moment, waiting in looks if alarm.is_due(waiting, moment)] == fired


def test_a_day_of_the_same_is_no_storm() -> None:
    alarm = Alarm()
    assert sum(alarm.is_due((ONE,), float(moment)) for moment in range(0, 86_400, 2)) < 24 * 12 + 6


def test_the_ledger_is_read_whole_once_and_then_what_was_added(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    watch = LedgerWatch()
    assert watch.find_waiting() == ()
    approve(settings, 1)
    assert watch.find_waiting() == (("emotion", 1, 1),)
    monkeypatch.setattr("voxloop.ledger.book.Ledger.read", lambda _: pytest.fail("it is known already"))
    monkeypatch.undo()
    approve(settings, 2)
    monkeypatch.setattr("voxloop.ledger.book.Ledger.read", lambda _: pytest.fail("it is known already"))
    assert watch.find_waiting() == (("emotion", 1, 1), ("emotion", 2, 2))


def test_what_has_lapsed_is_not_heard(settings: Settings) -> None:
    approve(settings, 1, at=AT - timedelta(days=15))
    approve(settings, 2, at=AT - timedelta(days=13))
    assert LedgerWatch().find_waiting() == (("emotion", 2, 2),)


def test_a_ledger_that_was_restored_is_read_anew(settings: Settings) -> None:
    import shutil

    watch = LedgerWatch()
    for number in (1, 2):
        approve(settings, number)
    assert len(watch.find_waiting()) == 2
    shutil.rmtree(settings.ledger)
    assert watch.find_waiting() == ()
    approve(settings, 5, "asr")
    assert watch.find_waiting() == (("asr", 5, 1),)


async def listen(
    trigger: ApprovalTrigger, count: int, *, meanwhile: Callable[[], object] = lambda: None, seconds: float = 20
) -> list[Any]:
    heard: list[Any] = []
    stream = trigger.run()
    task = asyncio.ensure_future(anext(stream))
    await asyncio.sleep(0.15)
    meanwhile()
    while len(heard) < count:
        heard.append((await asyncio.wait_for(task, seconds)).payload)
        task = asyncio.ensure_future(anext(stream))
    task.cancel()
    return heard


def test_a_row_is_heard_and_fired_again_while_it_waits(settings: Settings) -> None:
    trigger = ApprovalTrigger(poll_seconds=0.05, again_seconds=0.3)
    heard = asyncio.run(listen(trigger, 2, meanwhile=lambda: approve(settings, 4)))
    assert heard == [{"waiting": [["emotion", 4, 1]]}] * 2


def test_the_loop_goes_on_while_the_ledger_is_slow_and_after_it_has_failed(monkeypatch: pytest.MonkeyPatch) -> None:
    import time

    problems: list[Exception] = [RuntimeError("anything"), IntegrityError("cut")]
    looked = 0
    threads: set[int] = set()

    def look(_: LedgerWatch) -> Waiting:
        nonlocal looked
        looked += 1
        threads.add(threading.get_ident())
        time.sleep(0.2)
        if looked in (7, 8):
            raise IntegrityError("once more")
        if problems:
            raise problems.pop()
        return (ONE,)

    monkeypatch.setattr(LedgerWatch, "find_waiting", look)
    ticks = 0

    async def both() -> list[Any]:
        async def tick() -> None:
            nonlocal ticks
            while True:
                ticks += 1
                await asyncio.sleep(0.01)

        ticking = asyncio.ensure_future(tick())
        try:
            trigger = ApprovalTrigger(poll_seconds=0.01, again_seconds=600)
            heard = await listen(trigger, 1)
            with pytest.raises(TimeoutError):  # what waited before a failure is nothing new after it
                await listen(trigger, 2, seconds=6)
            return heard
        finally:
            ticking.cancel()

    assert asyncio.run(both()) == [{"waiting": [list(ONE)]}]
    assert looked > 8
    assert ticks > 15, "0.6 s of looks, in a thread of their own"
    assert threading.get_ident() not in threads
