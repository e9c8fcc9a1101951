"""Whether the chain is whole; if not, which entry is the first that is wrong, and how."""

from __future__ import annotations

from collections.abc import Sequence

from voxloop.errors import IntegrityError
from voxloop.ledger.entry import Entry, Sealer, read_entry
from voxloop.ledger.head import RUNBOOK, START, Head

Row = tuple[object, ...]


def follow(rows: Sequence[Row], sealer: Sealer, start: Head = START) -> list[Entry]:
    """Return the rows as entries that follow on `start` without a break.

    Args:
        rows: By sequence.
        sealer: Holds the key.
        start: The entry before the first of `rows`.

    Raises:
        IntegrityError: One was changed, removed, inserted, moved or sealed with another key; it names the first.
    """
    entries: list[Entry] = []
    for row in rows:
        entry = read_entry(row)
        if entry is None:
            raise _broken(f"entry {start.sequence + 1} was changed: a value has another type")
        if wrong := _find_fault(entry, start, sealer, last=start.sequence + len(rows) + 1):
            raise _broken(wrong)
        entries.append(entry)
        start = Head(entry.sequence, entry.digest)
    return entries


def check_head(entries: Sequence[Entry], head: Head | None) -> None:
    """Check the whole chain against the head that was kept; a chain that has gone on since is right.

    Raises:
        IntegrityError: There is no head, the chain is shorter, or has another entry there.
    """
    if head is None:
        if entries:
            raise _broken(f"there are {len(entries)} entries and no head is kept, so a cut tail cannot be seen")
        return
    if head.sequence > len(entries):
        raise _broken(f"its tail is cut: the head is entry {head.sequence}, the last there is is {len(entries)}")
    if head.sequence and entries[head.sequence - 1].digest != head.digest:
        raise _broken(f"entry {head.sequence} is another than the head that was kept: the chain was written again")


def follow_head(rows: Sequence[Row], sealer: Sealer, head: Head) -> Head:
    """Return the tip of the chain, of which `rows` are the head's entry and all after it.

    Raises:
        IntegrityError: As `follow` and `check_head`, about these rows alone.
    """
    if head.sequence:
        first = read_entry(rows[0]) if rows else None
        if first is None or first.sequence != head.sequence:
            raise _broken(f"its tail is cut, or entry {head.sequence} was changed: the head that was kept is not there")
        if first.digest != head.digest or not first.is_sealed(sealer):
            raise _broken(f"entry {head.sequence} is another than the head that was kept")
        rows = rows[1:]
    entries = follow(rows, sealer, head)
    return Head(entries[-1].sequence, entries[-1].digest) if entries else head


def _find_fault(entry: Entry, before: Head, sealer: Sealer, *, last: int) -> str:
    """Return what is wrong with the entry after `before`, empty for nothing."""
    place = before.sequence + 1
    if entry.sequence > place:
        return f"entry {place} was removed: the next there is is {entry.sequence}"
    if entry.sequence < place:
        return f"an entry {entry.sequence} was inserted"
    if not entry.is_sealed(sealer):
        return _explain_seal(entry, sealer, last)
    if entry.previous != before.digest:
        return f"entry {place} was sealed after another entry than the one before it: two histories were mixed"
    return ""


def _explain_seal(entry: Entry, sealer: Sealer, last: int) -> str:
    if entry.sealer != sealer.name:
        return f"entry {entry.sequence} is sealed with another key ({entry.sealer[:16]!r}, ours is {sealer.name!r})"
    was = next((place for place in range(1, last + 1) if entry.is_sealed(sealer, sequence=place)), None)
    if was is not None:
        return f"entry {entry.sequence} was sealed as entry {was}: entries were removed, inserted or reordered"
    return f"entry {entry.sequence} was changed, or inserted without the key"


def _broken(how: str) -> IntegrityError:
    return IntegrityError(f"the ledger is not whole: {how}", rule="it is only ever added to", remedy=RUNBOOK)
