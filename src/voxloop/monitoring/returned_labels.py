"""A list that people have filled in, read back: each label goes into quarantine under the name of who gave it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from voxloop.data.corpora.tables import Row, TableForm, read_rows
from voxloop.errors import InputError
from voxloop.monitoring.feedback import FIELDS, PEOPLE, check_label, record_feedback
from voxloop.monitoring.labelling_list import TABLE, label_columns
from voxloop.monitoring.prediction import ANSWERED
from voxloop.monitoring.prediction_log import read_window
from voxloop.monitoring.request_ids import moment_of
from voxloop.monitoring.request_lookup import KNOWN, LONGEST, KnownRequest, know_row

HOUR = timedelta(hours=1)
DELIMITERS = (",", ";", "\t")
"""Spreadsheets write the second where a comma stands in numbers."""


@dataclass(frozen=True)
class Returned:
    """What became of the rows of a table.

    Args:
        taken: Labels that went into quarantine now.
        known: Labels that were there already, of the same person.
        empty: Rows without a label.
        refused: Rows whose label is none, each with the reason.
    """

    taken: int
    known: int
    empty: int
    refused: tuple[tuple[str, str], ...]


def return_labels(folder: Path, log: Path, feedback: Path, family: str, *, key_id: str, at: datetime) -> Returned:
    """Put the labels of a table into quarantine; those that are there already stay as they are.

    Args:
        folder: Of `voxloop worth-labelling`, its table filled in.
        log: Folder of the prediction log.
        feedback: Folder of all feedback.
        family: Whose answers.
        key_id: Of who labelled.
        at: Aware.

    Raises:
        CorpusError: The table is missing or malformed, or names an answer twice.
        OSError: A label cannot be written; those before it are.
    """
    rows = _read_table(folder / TABLE, family)
    filled = [row for row in rows if any(row[name].strip() for name in label_columns(family))]
    answers, unread = _find_answers(log, family, {row["request_id"] for row in filled})
    refused: list[tuple[str, str]] = []
    counts = {True: 0, False: 0}
    for row in filled:
        try:
            known = _know(row["request_id"], answers, unread)
            label = check_label(known, _read_label(row, family))
        except InputError as unfit:
            refused.append((row["request_id"][:40], str(unfit)))
            continue
        _, is_new = record_feedback(feedback, known, label, tenant=PEOPLE, key_id=key_id, at=at)
        counts[is_new] += 1
    return Returned(counts[True], counts[False], len(rows) - len(filled), tuple(refused))


def _read_table(path: Path, family: str) -> list[Row]:
    columns = ("request_id", *label_columns(family))
    delimiter = ","
    if path.is_file():
        with path.open("rb") as file:
            header = file.readline()
        delimiter = next((one for one in DELIMITERS if f"request_id{one}".encode() in header), ",")
    return read_rows(path, TableForm(columns=columns, key="request_id", delimiter=delimiter))


def _find_answers(log: Path, family: str, requests: Iterable[str]) -> tuple[dict[str, KnownRequest], list[str]]:
    """Return what callers were answered, by request, and the files that cannot be read; each hour is read once."""
    hours: dict[datetime, set[str]] = {}
    for request in requests:
        if (moment := moment_of(request)) is None:
            continue
        for one in (moment - LONGEST, moment + LONGEST):
            hours.setdefault(one.astimezone(UTC).replace(minute=0, second=0, microsecond=0), set()).add(request)
    found: dict[str, KnownRequest] = {}
    unread: list[str] = []
    names = ["status", "is_shadow", *(name for name in KNOWN if name != "at")]
    for hour, some in sorted(hours.items()):
        window = read_window(log, family, hour, hour + HOUR, columns=names, requests=some)
        unread += window.unreadable
        for row in window.table.to_pylist():
            known = know_row(row) if row["status"] == ANSWERED and not row["is_shadow"] else None
            found |= {row["request_id"]: known} if known else {}
    return found, unread


def _know(request_id: str, answers: Mapping[str, KnownRequest], unread: list[str]) -> KnownRequest:
    if request_id in answers:
        return answers[request_id]
    may_be = f"; it may be in a file that cannot be read ({unread[0]})" if unread else ""
    raise InputError(
        f"no answer to request {request_id[:40]!r} is in the prediction log{may_be}",
        rule="a label is of an answer",
        remedy="leave the column request_id as it was written",
    )


def _read_label(row: Row, family: str) -> dict[str, Any]:
    field = FIELDS[family]
    if field != "traits":
        return {field: row[field].strip()}
    return {field: {name: _read_number(name, row[name]) for name in label_columns(family) if row[name].strip()}}


def _read_number(name: str, text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise InputError(f"{name} = {text[:40]!r}", rule="a number", remedy="such as 0.5") from None
