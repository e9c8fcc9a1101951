"""Batches made ahead of the step that takes them."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Generic, TypeVar

T = TypeVar("T")


class Ahead(Generic[T]):
    """What makers make, in their order, made ahead by one thread: joining arrays lets go of the interpreter's lock.

    A thread and not a process: examples are in memory here, and a process would copy or unpickle them.

    Args:
        makers: Called one after another.
        depth: How many results wait at most.
    """

    def __init__(self, makers: Iterable[Callable[[], T]], *, depth: int = 2) -> None:
        self._makers = iter(makers)
        self._depth = depth
        self.waited = 0.0
        """Seconds that the taker has waited for results."""

    def __iter__(self) -> Generator[T, None, None]:
        waiting: deque[Future[T]] = deque()
        with ThreadPoolExecutor(1, thread_name_prefix="batches") as maker:
            try:
                while self._fill(waiting, maker):
                    started = time.monotonic()
                    made = waiting.popleft().result()
                    self.waited += time.monotonic() - started
                    yield made
            finally:
                for unwanted in waiting:
                    unwanted.cancel()

    def _fill(self, waiting: deque[Future[T]], maker: ThreadPoolExecutor) -> bool:
        while len(waiting) < self._depth and (make := next(self._makers, None)) is not None:
            waiting.append(maker.submit(make))
        return bool(waiting)
