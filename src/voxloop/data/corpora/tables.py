"""The tables that come with corpora, as CSV or TSV: read whole, and refused whole when one line cannot be right."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from voxloop.errors import CorpusError

Row = dict[str, str]
"""A line of a table: the columns asked for, by name."""


@dataclass(frozen=True)
class TableForm:
    """How a table is written.

    Args:
        columns: The columns that are needed; others are not kept.
        key: The column that names a row; no two rows may share it. Empty: rows have no name.
        delimiter: Between two fields.
        quoted: Whether a field with a delimiter or a line break in it stands in double quotes.
        encoding: The default also takes a byte order mark.
    """

    columns: tuple[str, ...]
    key: str = ""
    delimiter: str = ","
    quoted: bool = True
    encoding: str = "utf-8-sig"


def read_rows(path: Path, form: TableForm) -> list[Row]:
    """Read a table with a header into its rows, in its order.

    Raises:
        CorpusError: As `iter_rows`.
    """
    return list(iter_rows(path, form))


def iter_rows(path: Path, form: TableForm) -> Iterator[Row]:
    """Yield the rows of a table with a header, in its order; a table of millions of rows need not be held at once.

    Raises:
        CorpusError: The file is missing, is not text of that encoding, lacks a column, has no rows, a line with more or
            fewer fields than the header, or two rows of one name. The message names the line.
    """
    try:
        with path.open(encoding=form.encoding, newline="") as file:
            quoting: Literal[0, 3] = csv.QUOTE_MINIMAL if form.quoted else csv.QUOTE_NONE
            yield from _check_rows(path, csv.DictReader(file, delimiter=form.delimiter, quoting=quoting), form)
    except FileNotFoundError:
        raise CorpusError(
            f"{path} does not exist", rule=_rule(form), remedy="restore the file, or fix --path"
        ) from None
    except UnicodeDecodeError:
        raise bad_table(path, f"is not {form.encoding.upper().removesuffix('-SIG')} text", form) from None


def index_rows(path: Path, form: TableForm) -> dict[str, Row]:
    """Read a table into its rows by the column `form.key`, in its order.

    Raises:
        CorpusError: As `read_rows`.
    """
    return {row[form.key]: row for row in read_rows(path, form)}


def bad_table(path: Path, problem: str, form: TableForm) -> CorpusError:
    """Return the error of a table that cannot be used; `problem` continues the sentence that its path begins."""
    return CorpusError(f"{path} {problem}", rule=_rule(form), remedy="restore the file")


def _rule(form: TableForm) -> str:
    return f"its columns are {' '.join(form.columns)}"


def _check_rows(path: Path, reader: csv.DictReader[str], form: TableForm) -> Iterator[Row]:
    seen: set[str] = set()
    empty = True
    try:
        _check_header(path, reader.fieldnames or (), form)
        for line in reader:
            _check_line(path, reader.line_num, line, form)
            row = {name: line[name] for name in form.columns}
            if form.key:
                _check_name(path, reader.line_num, row[form.key], seen, form)
            empty = False
            yield row
    except csv.Error as broken:
        raise bad_table(path, f"is broken in line {reader.reader.line_num} ({broken})", form) from None
    if empty:
        raise bad_table(path, "has no rows", form)


def _check_header(path: Path, names: Sequence[str], form: TableForm) -> None:
    missing = [name for name in form.columns if name not in names]
    if missing:
        raise bad_table(path, f"lacks the column {missing[0]}", form)


def _check_line(path: Path, number: int, line: Mapping[str | None, object], form: TableForm) -> None:
    if None in line or None in line.values():
        more_or_fewer = "more" if None in line else "fewer"
        raise bad_table(path, f"has {more_or_fewer} fields than its header in line {number}", form)


def _check_name(path: Path, number: int, name: str, seen: set[str], form: TableForm) -> None:
    if name in seen:
        raise bad_table(path, f"names {name} twice, again in line {number}", form)
    seen.add(name)
