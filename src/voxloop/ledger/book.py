"""The ledger: append, read, verify.

Whatever is read is read from a chain that was checked whole first. Whatever is appended hangs on the head kept beside
the ledger, so nobody goes on with a ledger whose tail was cut.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from voxloop.errors import IntegrityError, RefusedError
from voxloop.ledger.chain import Row, check_head, follow, follow_head
from voxloop.ledger.entry import HEAD_RESTORED, Draft, Entry, Sealer, read_entry, seal_entry
from voxloop.ledger.head import RUNBOOK, START, Head, dump_head, load_head, read_head, write_head
from voxloop.ledger.restoring import require_settled
from voxloop.store.digests import digest_bytes
from voxloop.store.lock import hold_lock

if TYPE_CHECKING:
    from voxloop.ledger.database import Database
    from voxloop.ledger.pen import Pen
    from voxloop.settings import Settings


class Ledger:
    """An append-only book.

    Args:
        database: Where the entries lie.
        head: File of the head that this machine has seen last.
        sealer: Holds the key.
    """

    def __init__(self, database: Database, head: Path, sealer: Sealer) -> None:
        self._database = database
        self._head = head
        self._sealer = sealer

    @property
    def name(self) -> str:
        """Where it lies, for a person."""
        return self._database.name

    def append(self, draft: Draft) -> Entry:
        """Write one entry, to the disk, or return the one the same act has written before.

        Raises:
            IntegrityError: The act wrote something else before, or the end of the chain is not as it was left.
            ServiceUnavailableError: The database does not answer, or another process holds it for a minute.
        """
        entry = self._append(draft, None)
        assert entry is not None  # noqa: S101 - it is unconditional
        return entry

    def append_after(self, draft: Draft, sequence: int) -> Entry | None:
        """Write one entry if `sequence` still is the last (0 for an empty ledger): compare and set.

        Returns:
            As `append`, which says what is raised too; None when the ledger has moved on: read and decide again.
        """
        return self._append(draft, sequence)

    def append_decided(self, decide: Callable[[list[Entry]], Draft | Entry]) -> Entry:
        """Write what `decide` makes of all entries, and have it decide again whenever another was faster.

        Args:
            decide: Gives the draft to write, or the entry that says it already. Two drafts with other content have
                other acts.

        Raises:
            IntegrityError: As `append` and `read`.
            ServiceUnavailableError: As `append`.
        """
        while True:  # whoever was faster has appended, so somebody always gets on
            entries = self.read()
            decided = decide(entries)
            if isinstance(decided, Entry):
                return decided
            if entry := self.append_after(decided, len(entries)):
                return entry

    def read(self) -> list[Entry]:
        """Return all entries.

        Raises:
            IntegrityError: The ledger is not whole; it names the first entry that is wrong and how.
            ServiceUnavailableError: The database does not answer.
        """
        head = read_head(self._head, self._sealer)  # before the rows: others may append meanwhile
        rows = self._database.read_rows()
        if head is None and rows and self._head.exists():  # the first of all was appended meanwhile
            return self.read()
        entries = follow(rows, self._sealer)
        check_head(entries, head)
        return entries

    def read_after(self, last: Entry) -> list[Entry]:
        """Return the entries after one that was read before, for who looks every moment.

        Raises:
            IntegrityError: It is not there any more, or what follows is not whole.
            ServiceUnavailableError: The database does not answer.
        """
        rows, known = self._database.read_rows(last.sequence), Head(last.sequence, last.digest)
        follow_head(rows[:1], self._sealer, known)
        return follow(rows[1:], self._sealer, known)

    def read_stamp(self) -> int | None:
        """Return a number that every append changes, for microseconds; None where only reading can tell."""
        return self._database.read_stamp()

    def read_unchecked(self) -> list[Row]:
        """Return what is there, right or wrong, for a person who looks for what has happened."""
        return self._database.read_rows()

    def verify(self) -> list[Entry]:
        """Check every entry and return them; a head left behind by a killed process is brought up.

        Raises:
            IntegrityError: As `read`.
            ServiceUnavailableError: As `read`.
        """
        entries = self.read()
        tip = Head(entries[-1].sequence, entries[-1].digest) if entries else START
        if entries and read_head(self._head, self._sealer) != tip:
            with hold_lock(self._lock):
                self._advance(read_head(self._head, self._sealer), tip)
        return entries

    def copy_head(self, entries: Sequence[Entry]) -> str:
        """Return the end of `entries`, sealed, as a line of text to keep elsewhere: a witness of all before it."""
        return dump_head(Head(entries[-1].sequence, entries[-1].digest) if entries else START, self._sealer)

    def read_copy(self, entries: Sequence[Entry], text: str) -> Head:
        """Return the head that `copy_head` once gave, when the ledger still goes through it.

        Args:
            entries: All of the ledger.
            text: What was kept elsewhere.

        Raises:
            ValueError: It is no copy of ours, or was changed.
            IntegrityError: The ledger is shorter, or has another entry there: it was cut or written again.
        """
        head = load_head(text, self._sealer)
        check_head(entries, head)
        return head

    def migrate(self) -> None:
        """Make the tables, or bring them up to date."""
        with hold_lock(self._lock), self._database.writing():
            pass

    def restore_head(self, because: str, at: datetime) -> Entry:
        """Take the chain as it ends now for whole, where no head is kept; an entry keeps the reason for good.

        Args:
            because: How the head was lost, and why nothing else was; or which machine joins.
            at: Aware.

        Raises:
            RefusedError: There is a head.
            IntegrityError: The chain itself is not whole.
        """
        with hold_lock(self._lock):
            if self._head.exists():
                raise RefusedError(
                    f"{self._head} is there",
                    rule="the head is the only witness of a cut tail, and restored only when it is gone",
                    remedy="find out what happened first; then move it away and ask again",
                )
            with self._database.writing() as pen:
                entries = follow(pen.read_from(0), self._sealer)
                tip = Head(entries[-1].sequence, entries[-1].digest) if entries else START
                draft = Draft(
                    kind=HEAD_RESTORED,
                    task="all",
                    subject="head",
                    act=f"{HEAD_RESTORED}/{tip.sequence}/{tip.digest[:16]}",
                    payload={"because": because, "after": tip.sequence},
                    at=at,
                )
                entry = self._write(pen, draft, tip)
            self._advance(None, Head(entry.sequence, entry.digest))
            return entry

    @property
    def _lock(self) -> Path:
        return self._head.with_name("lock")

    def _append(self, draft: Draft, after: int | None) -> Entry | None:
        """Hold this machine's lock until the head is written too, so that heads never go back."""
        with hold_lock(self._lock):
            head = read_head(self._head, self._sealer)
            with self._database.writing() as pen:
                tip = self._find_tip(pen, head)
                entry = self._find_act(pen, draft)
                if entry is None and after in (None, tip.sequence):
                    entry = self._write(pen, draft, tip)
                    tip = Head(entry.sequence, entry.digest)
            self._advance(head, tip)
            return entry

    def _find_tip(self, pen: Pen, head: Head | None) -> Head:
        if head is not None:
            return follow_head(pen.read_from(head.sequence), self._sealer, head)
        check_head(follow(pen.read_from(0), self._sealer), None)
        # Before anything is committed: from now on a missing head was taken away, and is not one never written.
        write_head(self._head, START, self._sealer)
        return START

    def _find_act(self, pen: Pen, draft: Draft) -> Entry | None:
        row = pen.find_act(draft.act)
        if row is None:
            return None
        entry = read_entry(row)
        if entry is None or not entry.is_sealed(self._sealer):
            raise IntegrityError(
                f"the ledger is not whole: the entry of act {draft.act!r} was changed",
                rule="it is only ever added to",
                remedy=RUNBOOK,
            )
        return entry.require_same(draft)

    def _write(self, pen: Pen, draft: Draft, tip: Head) -> Entry:
        entry = seal_entry(draft, tip.sequence + 1, tip.digest, self._sealer)
        pen.insert(entry)
        return entry

    def _advance(self, known: Head | None, tip: Head) -> None:
        if known is None or known.sequence < tip.sequence:
            write_head(self._head, tip, self._sealer)


def open_ledger(settings: Settings) -> Ledger:
    """Return the ledger these settings name; it is made by the first entry.

    Raises:
        ConfigError: `ledger_url` is no address of a PostgreSQL database.
        IntegrityError: The runner's key is malformed.
        RefusedError: A restore into this home was begun and not ended.
    """
    from voxloop.ledger.database import open_database
    from voxloop.store.runner_key import read_runner_key

    require_settled(settings.home)
    database = open_database(settings.ledger, settings.ledger_url)
    # A head is of one ledger: an address changed for another's must not make it look cut.
    of = "" if settings.ledger_url is None else f"-{digest_bytes(database.name.encode())[:12]}"
    return Ledger(database, settings.ledger / f"head{of}.json", Sealer(read_runner_key(settings.runner_key_file)))
