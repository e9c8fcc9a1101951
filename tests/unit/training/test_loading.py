"""Batches made ahead: in order, not too many, with their errors, and no thread left behind."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from functools import partial

import pytest

from voxloop.training.loading import Ahead


def makers_of(numbers: range) -> list[Callable[[], int]]:
    return [partial(int, number) for number in numbers]


@pytest.fixture
def others() -> set[threading.Thread]:
    """Return the threads of before the test: it answers for its own alone."""
    return set(threading.enumerate())


def maker_threads(others: set[threading.Thread]) -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "batches" and thread not in others]


def fail(message: str) -> int:
    raise ValueError(message)


@pytest.mark.parametrize("depth", [1, 2, 7, 100])
def test_results_come_in_the_order_of_their_makers(depth: int, others: set[threading.Thread]) -> None:
    assert list(Ahead(makers_of(range(50)), depth=depth)) == list(range(50))
    assert not maker_threads(others)


def test_nothing_to_make_is_nothing() -> None:
    assert list(Ahead([])) == []


def test_what_is_made_may_be_none_or_false() -> None:
    assert list(Ahead([partial(bool, 0), partial(bool, 1)])) == [False, True]


def test_makers_are_run_by_another_thread() -> None:
    assert set(Ahead([threading.get_ident] * 3)).isdisjoint({threading.get_ident()})


def test_no_more_than_the_depth_is_asked_for() -> None:
    asked = []

    def makers() -> Iterator[Callable[[], int]]:
        for number in range(10):
            asked.append(number)
            yield partial(int, number)

    results = iter(Ahead(makers(), depth=3))
    for number in range(5):
        assert next(results) == number
        assert len(asked) == number + 3


def test_an_error_reaches_the_taker_in_its_place(others: set[threading.Thread]) -> None:
    makers: list[Callable[[], int]] = [*makers_of(range(3)), partial(fail, "batch 3"), *makers_of(range(9))]
    results = iter(Ahead(makers))
    assert [next(results) for _ in range(3)] == [0, 1, 2]
    with pytest.raises(ValueError, match="batch 3"):
        next(results)
    assert not maker_threads(others)


def test_an_error_of_the_plan_itself_reaches_the_taker(others: set[threading.Thread]) -> None:
    def makers() -> Iterator[Callable[[], int]]:
        yield partial(int, 0)
        raise ValueError("no plan")

    with pytest.raises(ValueError, match="no plan"):
        list(Ahead(makers(), depth=1))
    assert not maker_threads(others)


def test_a_taker_who_leaves_early_leaves_no_thread(others: set[threading.Thread]) -> None:
    made = []

    def make(number: int) -> int:
        made.append(number)
        return number

    results = iter(Ahead((partial(make, number) for number in range(1_000)), depth=4))
    assert next(results) == 0
    assert maker_threads(others)
    results.close()
    assert not maker_threads(others)
    assert len(made) <= 1 + 4


def test_an_error_of_the_taker_leaves_no_thread(others: set[threading.Thread]) -> None:
    def take() -> None:
        for _ in Ahead(makers_of(range(100))):
            raise KeyError("the step failed")

    with pytest.raises(KeyError, match="the step failed"):
        take()
    assert not maker_threads(others)


def test_the_wait_of_the_taker_is_counted() -> None:
    def make() -> int:
        time.sleep(0.05)
        return 0

    slow = Ahead([make] * 4)
    for _ in slow:
        pass
    assert slow.waited >= 0.15


def test_what_was_made_while_the_taker_worked_costs_no_wait() -> None:
    finished = [threading.Event() for _ in range(3)]

    def make(number: int) -> int:
        finished[number].set()
        return number

    ready = Ahead([partial(make, number) for number in range(3)], depth=3)
    results = iter(ready)
    next(results)
    before = ready.waited
    assert all(event.wait(10.0) for event in finished)
    time.sleep(0.05)
    assert list(results) == [1, 2]
    assert ready.waited - before < 0.04
