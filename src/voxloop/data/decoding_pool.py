"""Foreign files are opened in processes that may die: a pool of prepared workers with limits on memory and time.

A file that crashes the decoder, loops or eats memory costs a worker, never the run. Files travel in small batches; the
files of a batch whose worker died are tried again one by one, so that only the guilty one is refused.

One pipe a worker and one thread here: nothing is shared, so a worker can be killed at any moment without leaving a
lock behind. Workers are forked from a server that has loaded the decoders (70 ms each instead of 0.7 s).
"""

from __future__ import annotations

import fcntl
import multiprocessing
import os
import signal
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import islice
from multiprocessing.connection import Connection, wait
from multiprocessing.context import ForkServerContext
from pathlib import Path
from typing import Any, Generic, TypeVar, cast

from voxloop.data.decoding_worker import OUT_OF_MEMORY, Fault, WorkerLimits, serve
from voxloop.errors import VoxloopError

__all__ = ["BATCH", "Death", "DecodingPool", "WorkerLimits"]

BATCH = 24
"""Files a message: pickling and waking are shared by them, and a death costs at most so many files again."""

_AHEAD = 2  # batches a worker may be ahead of the one that is waited for
_PIPE_BYTES = 2**20  # what Linux allows everybody: a batch goes through in one piece
_WAITING = 10  # times the processor seconds that a file may take on the clock

Item = TypeVar("Item")
Result = TypeVar("Result")


@dataclass(frozen=True)
class Death:
    """What a file did to the worker that opened it: `took too long`, `too much memory` or `crashed the decoder`."""

    reason: str
    detail: str


@dataclass
class _Batch(Generic[Item]):
    """Some files and what came of them so far; `alone`: one goes at a time, since together they killed a worker."""

    items: list[Item]
    results: list[Any] = field(default_factory=list)
    alone: bool = False

    @property
    def left(self) -> list[Item]:
        rest = self.items[len(self.results) :]
        return rest[:1] if self.alone else rest


class DecodingPool(Generic[Item, Result]):
    """Call `work` on items in other processes.

    Args:
        work: A function of a module, or a partial of one with plain data. A VoxloopError it raises ends the run.
        limits: What one item may take.
        preload: Modules that the server of workers imports once, before the first of them is forked.
        workers: How many processes; as many as there are processors for us when None.
        batch: Items a message.
    """

    def __init__(
        self,
        work: Callable[[Item], Result],
        limits: WorkerLimits,
        *,
        preload: Sequence[str] = (),
        workers: int | None = None,
        batch: int = BATCH,
    ) -> None:
        self._work = work
        self._limits = limits
        self._preload = list(preload)
        self._count = workers or len(os.sched_getaffinity(0))
        self._batch = batch
        self._workers: list[_Worker[Item]] = []

    def run(self, items: Iterable[Item]) -> Iterator[Result | Death]:
        """Yield what came of each item, in their order, a few batches ahead at most.

        Raises:
            VoxloopError: `work` raised something else than it returns findings for, or no worker starts.
        """
        source = iter(items)
        batches = iter(lambda: _Batch(list(islice(source, self._batch))), _Batch([]))
        under_way: deque[_Batch[Item]] = deque()
        try:
            while self._hand_out(batches, under_way):
                self._collect()
                while under_way and not under_way[0].left:
                    yield from under_way.popleft().results
        finally:
            for worker in self._workers:
                worker.stop()
            self._workers = []

    def _hand_out(self, batches: Iterator[_Batch[Item]], under_way: deque[_Batch[Item]]) -> bool:
        """Give every idle worker a batch; return whether anything is under way."""
        idle = [worker for worker in self._workers if worker.batch is None]
        while len(under_way) < _AHEAD * self._count and (idle or len(self._workers) < self._count):
            if (batch := next(batches, None)) is None:
                break
            under_way.append(batch)
            if not idle:
                idle.append(self._hire())
            idle.pop().give(batch)
        return bool(under_way)

    def _hire(self) -> _Worker[Item]:
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload(self._preload)
        self._workers.append(_Worker(context, self._work, self._limits))
        return self._workers[-1]

    def _collect(self) -> None:
        """Wait until a worker has answered, died or run out of time."""
        busy = {worker.connection: worker for worker in self._workers if worker.batch is not None}
        soonest = min(worker.deadline for worker in busy.values())
        for ready in wait(list(busy), max(0.0, soonest - time.monotonic())):
            worker = busy.pop(cast(Connection, ready))
            if (answer := worker.take()) is None:
                self._replace(worker, late=False)
            else:
                self._settle(worker, answer)
        for worker in busy.values():
            if time.monotonic() >= worker.deadline:
                self._replace(worker, late=True)

    def _settle(self, worker: _Worker[Item], results: list[Any]) -> None:
        for result in results:
            if isinstance(result, Fault):
                raise result.error
        batch = worker.batch
        if batch is not None:
            batch.results.extend(results)
            worker.give(batch)

    def _replace(self, worker: _Worker[Item], *, late: bool) -> None:
        """Put a new worker in the place of one that died or must, to go on with its batch one file at a time."""
        self._workers.remove(worker)
        death = self._explain(worker.stop(wait_first=not late), late=late)
        batch = worker.batch
        if batch is not None and batch.alone:
            batch.results.append(death)
        elif batch is not None:
            batch.alone = True
            batch.results.clear()
        if batch is not None and batch.left:
            self._hire().give(batch)

    def _explain(self, exit_code: int, *, late: bool) -> Death:
        limits = self._limits
        if late:
            return Death("took too long", f"more than {limits.seconds * _WAITING:g} s by the clock")
        if exit_code == -signal.SIGPROF:
            return Death("took too long", f"more than {limits.seconds:g} s of processor time")
        if exit_code == OUT_OF_MEMORY:
            return Death("too much memory", f"more than {limits.mebibytes} MiB")
        told = signal.Signals(-exit_code).name if exit_code < 0 else f"exit code {exit_code}"
        return Death("crashed the decoder", f"its process ended with {told}")


class _Worker(Generic[Item]):
    """One process and its pipe; `batch` is what it is at."""

    def __init__(self, context: ForkServerContext, work: Callable[[Item], Any], limits: WorkerLimits) -> None:
        self.connection, results = context.Pipe(duplex=False)
        orders, self._orders = context.Pipe(duplex=False)
        for end in (results, self._orders):  # what fits wakes nobody twice: four seconds of FLAC are 90 KB
            fcntl.fcntl(end.fileno(), fcntl.F_SETPIPE_SZ, _PIPE_BYTES)
        self.batch: _Batch[Item] | None = None
        self.deadline = 0.0
        self._seconds = limits.seconds * _WAITING
        self._process = context.Process(
            target=serve, args=(orders, results, work, limits, str(Path.cwd())), daemon=True
        )
        self._process.start()
        orders.close()
        results.close()
        if self.take() is None:
            self._process.join()
            raise VoxloopError(
                f"a decoding process ended as it began, exit code {self._process.exitcode}",
                rule="every file is opened in a process of its own",
                remedy="call voxloop from under `if __name__ == '__main__':`, or give it more memory",
            )

    def give(self, batch: _Batch[Item]) -> None:
        """Send what is left of a batch; with nothing left the worker is idle. Only an idle worker is ever sent any."""
        self.batch = batch if batch.left else None
        self.deadline = time.monotonic() + self._seconds  # for one file or for a batch: those that wait are tried alone
        if self.batch is not None:
            with suppress(BrokenPipeError):  # it died idle: the answer that never comes will say so
                self._orders.send(batch.left)

    def take(self) -> list[Any] | None:
        """Return the worker's answer; None when it died, before it or in its midst (an OSError of recv)."""
        try:
            answer: list[Any] = self.connection.recv()
        except (EOFError, OSError):
            return None
        return answer

    def stop(self, *, wait_first: bool = False) -> int:
        """End the process, whatever it is at, and return its exit code: negative for a signal."""
        self.connection.close()
        self._orders.close()
        if wait_first:
            self._process.join(1.0)
        self._process.kill()
        self._process.join()
        return self._process.exitcode or 0
