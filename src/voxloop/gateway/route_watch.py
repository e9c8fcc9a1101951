"""The routes in force, read from the ledger by a thread; the last known ones while the ledger is away.

Where the ledger is a file, each request looks whether it has changed, so that nobody is answered by a model whose route
had been replaced when the request came.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from voxloop.errors import IntegrityError, VoxloopError
from voxloop.ledger.book import Ledger
from voxloop.ledger.entry import ROUTE, Entry
from voxloop.release.routes import Route, route_of

log = logging.getLogger(__name__)

LONGEST_WAIT = 1.0
"""Seconds that a request waits for a ledger that has changed; then what is known answers it."""


@dataclass(frozen=True)
class RouteInForce:
    """A route, and the sequence number of its row in the ledger."""

    route: Route
    sequence: int


class RouteWatch:
    """Looks at the ledger every moment.

    Args:
        open_ledger: Gives the ledger; called again after it could not be read.
        seconds: From one look to the next.
    """

    def __init__(self, open_ledger: Callable[[], Ledger], seconds: float) -> None:
        self._open = open_ledger
        self._seconds = seconds
        self._ledger: Ledger | None = None
        self._last: Entry | None = None
        self._routes: dict[str, RouteInForce] = {}
        self._unreadable: dict[str, str] = {}
        self._stamp: int | None = None
        self._reading = threading.Lock()
        self._under_way: asyncio.Task[None] | None = None
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="route watch", daemon=True)
        self.trouble = "the ledger was not read yet"
        """Why what is known may be old; empty when it is not."""

    def start(self) -> None:
        """Look once, then begin to look by itself."""
        self.look()
        self._thread.start()

    def stop(self) -> None:
        """End the thread."""
        self._ended.set()
        self._thread.join()

    def find(self, task: str) -> Route | None:
        """Return the route of a family, as it was last known."""
        found = self._routes.get(task)
        return found.route if found else None

    def find_in_force(self, task: str) -> RouteInForce | None:
        """Return the same with the number of its row."""
        return self._routes.get(task)

    def tasks(self) -> list[str]:
        """Return the families that have a route."""
        return sorted(self._routes)

    async def look_if_changed(self) -> None:
        """Take up what was written before this call, where a glance tells that there is something.

        Takes some 10 us when there is nothing. A ledger that does not answer in time leaves what is known.
        """
        until = time.monotonic() + LONGEST_WAIT
        while self._has_changed() and (left := until - time.monotonic()) > 0:
            if self._under_way is None or self._under_way.done():
                self._under_way = asyncio.create_task(asyncio.to_thread(self.look))
            await asyncio.wait((self._under_way,), timeout=left)

    def look(self) -> None:
        """Take up what is new in the ledger. A row that cannot be read changes nothing and is told."""
        with self._reading:
            self._look()

    def _has_changed(self) -> bool:
        stamp = ledger.read_stamp() if (ledger := self._ledger) is not None else None
        return stamp is not None and stamp != self._stamp

    def _look(self) -> None:
        try:
            if self._ledger is None:
                self._ledger = self._open()
            stamp = self._ledger.read_stamp()  # before the rows: what is written meanwhile is looked for again
            # After what was read once, for good: a ledger that is empty again, or another, is none to believe.
            entries = self._ledger.read() if self._last is None else self._ledger.read_after(self._last)
            self._take(entries)
            self._stamp = stamp
        except (VoxloopError, OSError) as away:
            self._ledger = None
            self._tell(str(away))
        except Exception as fault:  # noqa: BLE001 - a watch that ends silently would serve an old route for ever
            self._ledger = None
            self._tell(f"{type(fault).__name__}: {fault}")
        else:
            self._tell("; ".join(self._unreadable.values()))

    def _take(self, entries: Iterable[Entry]) -> None:
        newest: dict[str, Entry] = {}
        for entry in entries:
            self._last = entry
            if entry.kind == ROUTE:
                newest[entry.task] = entry
        routes = dict(self._routes)
        for task, entry in newest.items():
            self._unreadable.pop(task, None)
            try:
                routes[task] = RouteInForce(route_of(entry), entry.sequence)
            except IntegrityError as unreadable:
                self._unreadable[task] = str(unreadable)
        self._routes = routes  # all at once: readers are on another thread

    def _tell(self, trouble: str) -> None:
        if trouble != self.trouble:
            log.warning("the ledger: %s", trouble or "read")
        self.trouble = trouble

    def _run(self) -> None:
        while not self._ended.wait(self._seconds):
            self.look()
