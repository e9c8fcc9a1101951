"""The ledger: verify it, show it, count looks; and the two acts that keep it in order."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter
from cyclopts.validators import Number

from voxloop.config import Overrides, find_config, load_config
from voxloop.errors import InputError
from voxloop.jobs.moments import read_moment

if TYPE_CHECKING:
    from voxloop.ledger.book import Ledger
    from voxloop.ledger.looks import Wear
    from voxloop.release.history import Reign

SHORT = 20
"""Characters of a digest that a table shows."""


def verify() -> None:
    """Check the whole ledger: every seal, the chain, and that its end is the one that was seen last.

    Raises:
        IntegrityError: It is not whole (exit 4); the message names the first entry that is wrong and how.
        ServiceUnavailableError: Its database does not answer (exit 75).
    """
    book = _open()
    entries = book.verify()
    last = f", the last of {entries[-1].at}, {entries[-1].digest[:12]}" if entries else ""
    print(f"ledger whole: {len(entries)} entries{last}, in {book.name}", flush=True)


def show(
    task: str | None = None,
    *,
    at: str | None = None,
    kind: str | None = None,
    subject: str | None = None,
    limit: Annotated[int, Parameter(validator=Number(gte=1))] = 20,
    as_json: Annotated[bool, Parameter(name="--json", negative=())] = False,
) -> None:
    """Print the newest entries, oldest first; of a family, who was champion when, and why.

    `voxloop ledger show emotion` is the table of its champions, by the ledger alone: since and until when, version,
    model, by which act, and the reason; with `--kind` or `--subject` it is the entries of the family instead.

    Entries are printed even if the ledger is not whole, for somebody who looks for what has happened; then the command
    says what is wrong and ends with exit 4. Champions are not.

    Args:
        task: A family.
        at: Only who was champion at this moment, or on this day (ISO 8601, UTC unless it says otherwise).
        kind: Only those, such as `judgement`, `look` or `bootstrap`.
        subject: Only those whose subject begins so: a model's digest, an evaluation set.
        limit: How many at most.
        as_json: A JSON object a line, payload included, instead of a table.

    Raises:
        InputError: There is no such family, or no such moment.
        IntegrityError: The ledger is not whole.
        ServiceUnavailableError: Its database does not answer.
    """
    from voxloop.ledger.entry import FIELDS

    book = _open()
    if at is not None or (task is not None and kind is None and subject is None):
        show_champions(book, task, at, as_json=as_json)
        return
    rows = [dict(zip(FIELDS, row, strict=True)) for row in book.read_unchecked()]
    wanted = [row for row in rows if kind in (None, row["kind"]) and str(row["subject"]).startswith(subject or "")]
    wanted = [row for row in wanted if task in (None, row["task"])]
    for row in wanted[-limit:]:
        print(json.dumps(row, sort_keys=True, default=repr) if as_json else _describe(row))
    if not as_json:
        print(f"{len(wanted[-limit:])} of {len(rows)} entries" if rows else "the ledger is empty", flush=True)
    book.read()


def show_champions(book: Ledger, task: str | None, at: str | None, *, as_json: bool) -> None:
    """Print who was champion of a family when, and why; of a ledger that is whole alone.

    Raises:
        InputError: No family is named, there is no such one, or no such moment.
        IntegrityError: The ledger is not whole.
    """
    from voxloop.release.history import list_reigns
    from voxloop.tasks import require_task

    if task is None:
        raise InputError("--at without a family", rule="a family has champions", remedy="voxloop ledger show emotion")
    require_task(task)
    reigns = list_reigns(book.read(), task)
    if at is not None:
        start, end = _read_span(at)
        reigns = [reign for reign in reigns if reign.covers(start, end)]
    for reign in reigns:
        print(_as_json(task, reign) if as_json else _as_line(reign))
    if not reigns and not as_json:
        print(f"{task} had no champion{f' then ({at})' if at else ' yet'}", flush=True)


def looks(*, task: str | None = None, overrides: Overrides = ()) -> None:
    """Print how often each evaluation set was looked at, and how often it may be.

    A set `test-…` is the test split of a dataset, known by its rows: the one looked at last, and any near its end.

    Args:
        task: Only sets of this family.
        overrides: Changes to configs/ledger.yaml.

    Raises:
        IntegrityError: The ledger is not whole, or an evaluation set is gone.
        ServiceUnavailableError: The ledger's database does not answer.
    """
    from voxloop.settings import now

    found = list_wear(task, overrides)
    width = max((len(f"{one.task}/{one.name}") for one in found), default=0)
    if found:
        print(f"{'evaluation set':<{width}}  looks  budget   left")
    for one in found:
        print(f"{one.task + '/' + one.name:<{width}}  {one.looks:5}  {one.budget:6}  {one.left:5}")
    for warning in filter(None, (one.warning(now()) for one in found)):
        print(warning)
    if not found:
        print("there is no evaluation set whose looks are counted; voxloop evalset cut makes one")


def migrate() -> None:
    """Make the ledger's tables, or bring them up to date.

    A ledger in a file does so by itself. On PostgreSQL, where voxloop's user may only read and insert, run this as
    the owner of the tables: VOXLOOP_LEDGER_URL with the owner's name.

    Raises:
        VoxloopError: The user may not, or the tables were made by a newer version.
        ServiceUnavailableError: The database does not answer.
    """
    book = _open()
    book.migrate()
    print(f"the tables of the ledger in {book.name} are up to date", flush=True)


def restore_head(*, because: str) -> None:
    """Take the ledger as it ends now for whole, where no head is kept: it was lost, or another machine joins.

    Nobody here can tell whether its tail was cut: that is a person's word, and an entry keeps it for good.

    Args:
        because: How the head was lost, and how you know that no entry was; or which machine joins.

    Raises:
        InputError: No reason is given.
        RefusedError: There is a head.
        IntegrityError: The chain itself is not whole.
    """
    from voxloop.settings import now

    if not because.strip():
        raise InputError("--because is empty", rule="the reason is kept for good", remedy="say how the head was lost")
    entry = _open().restore_head(because.strip(), now())
    print(f"the head is restored; entry {entry.sequence} says why", flush=True)


@dataclass(frozen=True)
class _Named:
    task: str
    name: str
    domain: str


def _open() -> Ledger:
    from voxloop.ledger.book import open_ledger
    from voxloop.settings import get_settings

    return open_ledger(get_settings())


def list_wear(task: str | None, overrides: tuple[str, ...]) -> list[Wear]:
    """Return the wear of the frozen sets there are, of those that were looked at and are gone, and of test splits."""
    from voxloop.data.evaluation_sets import list_evaluation_sets
    from voxloop.ledger.looks import LookPolicy, list_looked_at, list_own_test_splits, measure_wear
    from voxloop.settings import get_settings

    policy = load_config(LookPolicy, find_config("ledger"), overrides)
    entries = _open().read()
    sets = list_evaluation_sets(get_settings().evaluation_sets)
    known = {(one.task, one.name): one.domain for one in sets if one.looks == "counted"}
    known.update({(of, name): domain for of, name, domain in list_looked_at(entries)})
    named = (_Named(of, name, domain) for (of, name), domain in sorted(known.items()) if task in (None, of))
    own = [one for one in list_own_test_splits(entries, policy) if task in (None, one.task)]
    return [*(measure_wear(entries, one, policy) for one in named), *own]


def _read_span(text: str) -> tuple[datetime, datetime]:
    """Return first and last of a day, or a moment twice."""
    start = read_moment("--at", text)
    return start, start + timedelta(days=1) if len(text) <= len("2026-11-21") else start


def _as_json(task: str, reign: Reign) -> str:
    until = reign.until.isoformat() if reign.until else None
    return json.dumps({"task": task, **vars(reign), "since": reign.since.isoformat(), "until": until}, sort_keys=True)


def _as_line(reign: Reign) -> str:
    until = f"{reign.until:%Y-%m-%d %H:%M:%S}" if reign.until else "now"
    version = f"version {reign.version}" if reign.version else "-"
    model = (reign.model or "none")[:12] if reign.is_on else f"{(reign.model or 'none')[:12]} (off)"
    told = _plain(reign.because)
    return f"{reign.since:%Y-%m-%d %H:%M:%S}  {until:<19}  {version:<10}  {model:<12}  {reign.act:<12}  {told}"


def _describe(row: dict[str, object]) -> str:
    """Return a row as a line; what is not printable is replaced, for somebody may have written it to fool a reader."""
    at, kind, task, subject = (_plain(row[name]) for name in ("at", "kind", "task", "subject"))
    told = _plain(row["payload"])[:60]
    return f"{row['sequence']!s:>6}  {at[:19]}  {kind:<13}  {task:<11}  {subject[:SHORT]:<{SHORT}}  {told}"


def _plain(value: object) -> str:
    return "".join(letter if letter.isprintable() else "?" for letter in str(value))
