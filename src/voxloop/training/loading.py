"""Batches made ahead of the step that takes them."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterable
from itertools import islice
from queue import SimpleQueue
from threading import Thread
from typing import Generic, NamedTuple, TypeVar

T = TypeVar("T")


class _Made(NamedTuple, Generic[T]):
    results: tuple[T, ...] = ()
    """The one result; none after an error."""
    error: BaseException | None = None


class Ahead(Generic[T]):
    """What makers make, in their order, made ahead by one thread: joining arrays lets go of the interpreter's lock.

    A thread and not a process: examples are in memory here, and a process would copy or unpickle them. Bare queues and
    not an executor: its futures cost a step of 10 ms half a percent.

    Args:
        makers: Called one after another, in the thread; what one raises is raised where its result is taken.
        depth: How many results wait at most.
    """

    def __init__(self, makers: Iterable[Callable[[], T]], *, depth: int = 2) -> None:
        self._makers = iter(makers)
        self._depth = depth
        self.waited = 0.0
        """Seconds that the taker has waited for results."""

    def __iter__(self) -> Generator[T, None, None]:
        orders: SimpleQueue[Callable[[], T] | None] = SimpleQueue()
        made: SimpleQueue[_Made[T]] = SimpleQueue()
        maker = Thread(target=_make, args=(orders, made), name="batches", daemon=True)
        maker.start()
        try:
            waiting = 0
            while waiting := waiting + self._order(orders, self._depth - waiting):
                started = time.monotonic()
                taken = made.get()
                self.waited += time.monotonic() - started
                waiting -= 1
                if taken.error is not None:
                    raise taken.error
                yield taken.results[0]
        finally:
            _clear(orders)
            orders.put(None)
            maker.join()

    def _order(self, orders: SimpleQueue[Callable[[], T] | None], count: int) -> int:
        ordered = 0
        for make in islice(self._makers, count):
            orders.put(make)
            ordered += 1
        return ordered


def _make(orders: SimpleQueue[Callable[[], T] | None], made: SimpleQueue[_Made[T]]) -> None:
    while (make := orders.get()) is not None:
        try:
            made.put(_Made((make(),)))
        except BaseException as error:  # noqa: BLE001 - raised again where the result is taken
            made.put(_Made(error=error))


def _clear(orders: SimpleQueue[Callable[[], T] | None]) -> None:
    while not orders.empty():
        orders.get()
