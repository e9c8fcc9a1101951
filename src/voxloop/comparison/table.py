"""A comparison as lines of a terminal, and the same cells for other pages."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from voxloop.comparison.differences import ABSENT, NOTE, Comparison

WIDTH = 100
"""Characters of a line, where a run's column does not need more."""
WIDEST = 30
"""Characters of a column; longer cells go on below."""
_NOTHING = "—"
_GAP = "  "


class Section(NamedTuple):
    """Some lines of the table under a title."""

    title: str
    rows: list[tuple[str, ...]]
    """A name and a cell for each run (and the difference, where there is one)."""


def list_sections(comparison: Comparison) -> list[Section]:
    """Return everything a person reads, as text: what the runs are, their measures, the settings that differ."""
    more = [""] if comparison.difference else []
    facts = [(row.name, *map(_tell, row.values), *more) for row in comparison.facts]
    settings = [(row.name, *map(_tell_setting, row.values), *more) for row in comparison.settings]
    return [
        Section("", facts),
        Section(_title_measures(comparison), _list_measures(comparison)),
        Section("configuration that differs" if settings else "the configurations are the same", settings),
    ]


def list_headings(comparison: Comparison) -> tuple[str, ...]:
    """Return what stands above the columns behind the names."""
    return (*comparison.labels, *(("difference",) if comparison.difference else ()))


def list_notes(comparison: Comparison) -> list[str]:
    """Return what has to be known to read the table."""
    warning = (
        []
        if comparison.is_comparable
        else [f"NOT COMPARABLE: {'; '.join(comparison.reasons)}: only figures with the same letter may be compared"]
    )
    return [*warning, "* the epoch was chosen by it", NOTE]


def draw_table(comparison: Comparison) -> Iterator[str]:
    """Yield the lines: blocks of as many runs as fit side by side, then what has to be known."""
    headings, sections = list_headings(comparison), list_sections(comparison)
    names = min(WIDEST, max(len(row[0]) for section in sections for row in section.rows))
    widths = [
        min(WIDEST, max(len(headings[place]), *(len(row[place + 1]) for section in sections for row in section.rows)))
        for place in range(len(headings))
    ]
    for block in _pack(widths, WIDTH - names):
        columns = [names, *(widths[place] for place in block)]
        yield from _draw_row(["", *(headings[place] for place in block)], columns)
        for title, rows in sections:
            yield from ([f"-- {title} --"] if title else [])
            for row in rows:
                yield from _draw_row([row[0], *(row[place + 1] for place in block)], columns)
        yield ""
    for note in list_notes(comparison):
        yield from textwrap.wrap(_plain(note), WIDTH)


def _title_measures(comparison: Comparison) -> str:
    return f"measures on dev at the best epoch{'' if comparison.is_comparable else ', NOT COMPARABLE between letters'}"


def _list_measures(comparison: Comparison) -> list[tuple[str, ...]]:
    difference = comparison.difference
    rows = []
    for place, row in enumerate(comparison.measures):
        cells = [
            _tell_measure(
                value,
                chosen=run.report.objective.name == row.name,
                letter="" if comparison.is_comparable else group,
            )
            for value, run, group in zip(row.values, comparison.runs, comparison.groups, strict=True)
        ]
        step = [] if difference is None else [_NOTHING if difference[place] is None else f"{difference[place]:+.4f}"]
        rows.append((row.name, *cells, *step))
    return rows


def _tell_measure(value: float | None, *, chosen: bool, letter: str) -> str:
    if value is None:
        return _NOTHING
    return f"{value:.4f}{' *' if chosen else ''}{f' [{letter}]' if letter else ''}"


def _tell(value: Any) -> str:
    if value is None:
        return _NOTHING
    return f"{value:,}" if isinstance(value, int) else str(value)


def _tell_setting(value: Any) -> str:
    return _NOTHING if value is ABSENT else value if isinstance(value, str) else json.dumps(value)


def _pack(widths: Sequence[int], room: int) -> Iterator[list[int]]:
    """Give places of columns that fit side by side into `room`, one at least."""
    block: list[int] = []
    left = room
    for place, width in enumerate(widths):
        if block and width + len(_GAP) > left:
            yield block
            block, left = [], room
        block.append(place)
        left -= width + len(_GAP)
    yield block


def _draw_row(cells: Sequence[str], widths: Sequence[int]) -> Iterator[str]:
    wrapped = [textwrap.wrap(_plain(cell), width) or [""] for cell, width in zip(cells, widths, strict=True)]
    for line in range(max(map(len, wrapped))):
        parts = [some[line] if line < len(some) else "" for some in wrapped]
        yield _GAP.join(f"{part:<{width}}" for part, width in zip(parts, widths, strict=True)).rstrip()


def _plain(text: str) -> str:
    """Return text that moves no cursor, whoever wrote it."""
    return "".join(letter if letter.isprintable() else "?" for letter in text)
