"""Airflow's ear for approvals: an event trigger that fires while the ledger has one that is not served yet.

The event only wakes. Of several at once Airflow starts one run, and an event can be lost; so it is fired again while
the same is pending, less and less often, and the run asks for all that waits. Imported by the triggerer and by every
reading of the DAG file: it loads nothing heavy.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

from airflow.triggers.base import BaseEventTrigger, TriggerEvent

POLL_SECONDS = 2.0
"""An approval is to be under way within ten: two to be seen, two to five from an event to its task."""
AGAIN_SECONDS, MOST_SECONDS = 30.0, 300.0

Waiting = tuple[tuple[str, int, int], ...]
"""Family, version and ledger sequence of each approval that waits."""


@dataclass
class Alarm:
    """When to fire: at once for what is new, again after twice as long each time while nothing changes.

    Args:
        first: Seconds after which the same is fired again.
        most: Seconds it grows to.
    """

    first: float = AGAIN_SECONDS
    most: float = MOST_SECONDS
    _seen: Waiting = ()
    _due: float = 0.0
    _gap: float = 0.0

    def is_due(self, waiting: Waiting, moment: float) -> bool:
        """Return whether to fire now.

        Args:
            waiting: All that waits.
            moment: Monotonic, s.
        """
        is_new = bool(set(waiting) - set(self._seen))
        self._seen = waiting
        if not waiting or not (is_new or moment >= self._due):
            return False
        self._gap = self.first if is_new else min(2 * self._gap, self.most)
        self._due = moment + self._gap
        return True


@dataclass
class LedgerWatch:
    """Reads the ledger whole once, then only what was added."""

    _entries: list[Any] = field(default_factory=list)

    def find_waiting(self) -> Waiting:
        """Return what waits now.

        Raises:
            VoxloopError: The ledger is not whole, or does not answer; configs/release.yaml is not acceptable.
        """
        from voxloop.errors import IntegrityError
        from voxloop.ledger.book import open_ledger
        from voxloop.release.pending import list_waiting
        from voxloop.release.policy import load_release_policy
        from voxloop.settings import get_settings, now

        ledger = open_ledger(get_settings())
        try:
            known = self._entries
            self._entries = [*known, *ledger.read_after(known[-1])] if known else ledger.read()
        except IntegrityError:  # restored from a backup, perhaps: only the whole of it can tell
            self._entries = []
            self._entries = ledger.read()
        waiting = list_waiting(self._entries, now(), load_release_policy().lasts)
        return tuple((entry.task, int(entry.content["version"]), entry.sequence) for entry in waiting)


class ApprovalTrigger(BaseEventTrigger):
    """Fires while an approval waits to be served.

    Args:
        poll_seconds: Seconds between two looks at the ledger.
        again_seconds: Seconds after which the same approvals fire again; doubled each time, up to five minutes.
    """

    def __init__(self, poll_seconds: float = POLL_SECONDS, again_seconds: float = AGAIN_SECONDS) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.poll_seconds = poll_seconds
        self.again_seconds = again_seconds

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Return what makes the trigger again, elsewhere."""
        return (
            "voxloop.runners.approval_trigger.ApprovalTrigger",
            {"poll_seconds": self.poll_seconds, "again_seconds": self.again_seconds},
        )

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Look at the ledger for ever, in a thread: other triggers share this loop."""
        watch, alarm, told = LedgerWatch(), Alarm(self.again_seconds), ""
        while True:
            waiting: Waiting | None = None
            try:
                waiting = await asyncio.to_thread(watch.find_waiting)
                told = ""
            except Exception as problem:  # noqa: BLE001 - a watch that ends would hear nothing more
                if (said := f"{type(problem).__name__}: {problem}") != told:
                    self.log.warning("the ledger cannot be asked what is approved: %s", said)
                told = said
            # What waited before a ledger that could not be asked is nothing new after it.
            if waiting is not None and alarm.is_due(waiting, time.monotonic()):
                yield TriggerEvent({"waiting": [list(one) for one in waiting]})  # type: ignore[no-untyped-call]
            await asyncio.sleep(self.poll_seconds)
