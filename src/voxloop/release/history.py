"""Who was champion on any day, and why: read from the route rows of the ledger, and from nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import pairwise

from voxloop.ledger.entry import ROUTE, Entry
from voxloop.release.champion import list_promoted, read_champion
from voxloop.release.routes import list_route_rows, route_of

BACK = "written back"


@dataclass(frozen=True)
class Reign:
    """A time during which one model was champion.

    Args:
        since: Of its route row.
        until: Of the next; None while it lasts.
        model: Digest; None where nobody was.
        version: Number of its version; None where the ledger does not say.
        is_on: Whether the route answered, or was switched off.
        act: What kind of act began it: promotion, rollback, adopted …
        because: As the row says.
        sequence: Of the row.
    """

    since: datetime
    until: datetime | None
    model: str | None
    version: int | None
    is_on: bool
    act: str
    because: str
    sequence: int

    def covers(self, start: datetime, end: datetime) -> bool:
        """Return whether any of it lies between two moments, the second excluded unless it is the first."""
        begun = self.since <= start if start == end else self.since < end
        return begun and (self.until is None or self.until > start)


def list_reigns(entries: Sequence[Entry], task: str) -> list[Reign]:
    """Return who was champion of a family, oldest first; one ends when the next begins.

    Shared weights (a canary, an A/B test) change no champion. A promotion that was written back is in it twice: it was
    in force between its two rows.

    Args:
        entries: All of the ledger.
        task: Family.
    """
    rows = list_route_rows(entries, task)
    begun: list[Reign] = []
    for number, row in enumerate(rows):
        model, is_on = read_champion(rows[: number + 1], task), route_of(row).is_on
        if begun and (begun[-1].model, begun[-1].is_on) == (model, is_on):
            continue
        begun.append(
            Reign(
                since=datetime.fromisoformat(row.at),
                until=None,
                model=model,
                version=_find_version(entries, row, model),
                is_on=is_on,
                act=_name_act(row),
                because=str(row.content.get("because", "")),
                sequence=row.sequence,
            )
        )
    return [replace(reign, until=after.since) for reign, after in pairwise(begun)] + begun[-1:]


def _find_version(entries: Sequence[Entry], row: Entry, model: str | None) -> int | None:
    """Return the version as which a model was put into service last, up to a row."""
    promoted = list_promoted([entry for entry in entries if entry.sequence <= row.sequence], model or "")
    return promoted[-1] if promoted else row.content.get("version")


def _name_act(row: Entry) -> str:
    parts = row.act.split("/")
    if parts[-1] == "back":
        return BACK
    return parts[1] if parts[0] == ROUTE and len(parts) > 1 else parts[0]
