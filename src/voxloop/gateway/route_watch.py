"""The routes in force, read from the ledger by a thread; the last known ones while the ledger is away."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable

from voxloop.errors import IntegrityError, VoxloopError
from voxloop.ledger.book import Ledger
from voxloop.ledger.entry import ROUTE, Entry
from voxloop.release.routes import Route, route_of

log = logging.getLogger(__name__)


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
        self._routes: dict[str, Route] = {}
        self._unreadable: dict[str, str] = {}
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
        return self._routes.get(task)

    def tasks(self) -> list[str]:
        """Return the families that have a route."""
        return sorted(self._routes)

    def look(self) -> None:
        """Take up what is new in the ledger. A row that cannot be read changes nothing and is told."""
        try:
            if self._ledger is None:
                self._ledger = self._open()
            # After what was read once, for good: a ledger that is empty again, or another, is none to believe.
            entries = self._ledger.read() if self._last is None else self._ledger.read_after(self._last)
            self._take(entries)
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
                routes[task] = route_of(entry)
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
