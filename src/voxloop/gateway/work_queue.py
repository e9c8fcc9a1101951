"""Work that may crash, loop or block is done in processes that may die, while the event loop goes on.

A thread a process: it hands over one order at a time and waits. An order that kills its process costs that order alone.
"""

from __future__ import annotations

import queue
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass
from typing import Generic, TypeVar

from voxloop.data.decoding_pool import Death, DecodingPool, WorkerLimits
from voxloop.errors import ServiceUnavailableError, VoxloopError

Order = TypeVar("Order")
Outcome = TypeVar("Outcome")


@dataclass(frozen=True)
class Idle(Generic[Order, Outcome]):
    """What is ordered when nothing else is: so a process that died meanwhile is noticed and replaced.

    Args:
        seconds: Without an order.
        order: Gives the order, and what its outcome goes to.
    """

    seconds: float
    order: Callable[[], tuple[Order, Future[Outcome | Death]]]


class WorkQueue(Generic[Order, Outcome]):
    """Orders that wait, and a few processes that work on them.

    Args:
        work: What a process does; a function of a module, or a partial of one with plain data.
        limits: What one order may take.
        preload: Modules that the server of processes imports once.
        name: Of the threads.
        workers: How many processes.
        waiting: Orders that may wait for one of them.
        idle: What to do without an order; None: nothing.
    """

    def __init__(
        self,
        work: Callable[[Order], Outcome],
        limits: WorkerLimits,
        *,
        preload: Sequence[str],
        name: str,
        workers: int,
        waiting: int,
        idle: Idle[Order, Outcome] | None = None,
    ) -> None:
        self._work, self._limits, self._preload, self._idle = work, limits, preload, idle
        self._orders: queue.Queue[tuple[Order, Future[Outcome | Death]] | None] = queue.Queue(waiting)
        self._threads = [threading.Thread(target=self._run, name=f"{name} {n}", daemon=True) for n in range(workers)]

    def start(self) -> None:
        """Begin; processes start with the first orders."""
        for thread in self._threads:
            thread.start()

    def stop(self, seconds: float | None = None) -> None:
        """End all threads and processes; who still waits is told.

        Args:
            seconds: To wait for each; what has not ended by then ends with this process. None: until they have ended.
        """
        for _ in self._threads:
            with suppress(queue.Full):
                self._orders.put(None, timeout=seconds)
        for thread in self._threads:
            thread.join(seconds)

    def submit(self, order: Order) -> Future[Outcome | Death]:
        """Return what will come of an order.

        Raises:
            queue.Full: Too many wait already.
        """
        answer: Future[Outcome | Death] = Future()
        self._orders.put_nowait((order, answer))
        return answer

    def _run(self) -> None:
        """Feed one process until told to end. A failure that is nobody's fault is told, and a new process begins."""
        under_way: deque[Future[Outcome | Death]] = deque()
        ended = threading.Event()
        while not ended.is_set():
            pool = DecodingPool[Order, Outcome](self._work, self._limits, preload=self._preload, workers=1, batch=1)
            try:
                for outcome in pool.run(self._give(under_way, ended)):
                    under_way.popleft().set_result(outcome)
            except Exception as failed:  # noqa: BLE001 - whoever waits must hear of it, and the next must be answered
                while under_way:
                    _fail(under_way.popleft(), failed)

    def _give(self, under_way: deque[Future[Outcome | Death]], ended: threading.Event) -> Iterator[Order]:
        while (taken := self._take()) is not None:
            order, answer = taken
            if answer.set_running_or_notify_cancel():  # who has hung up meanwhile costs nothing
                under_way.append(answer)
                yield order
        ended.set()

    def _take(self) -> tuple[Order, Future[Outcome | Death]] | None:
        if self._idle is None:
            return self._orders.get()
        try:
            return self._orders.get(timeout=self._idle.seconds)
        except queue.Empty:
            return self._idle.order()


def _fail(answer: Future[Outcome | Death], failed: Exception) -> None:
    known = failed if isinstance(failed, VoxloopError) else VoxloopError(f"the work failed: {type(failed).__name__}")
    answer.set_exception(ServiceUnavailableError(known.problem, rule=known.rule, remedy=known.remedy))
