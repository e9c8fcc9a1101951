"""The pictures of a model card: SVG written by hand, so that equal figures are equal bytes."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from voxloop.data.report_markup import escape_text
from voxloop.evaluation.card import ReliabilityBin
from voxloop.evaluation.card_shapes import (
    BOUND,
    GRID,
    LINE,
    MUTED,
    OURS,
    Axis,
    draw_dot,
    draw_grid,
    draw_line,
    draw_ticks,
    make_svg,
    show_number,
    write_text,
)

_LABEL, _PLOT, _TEXT = 210.0, 360.0, 190.0
_ROW, _MARK = 18.0, 13.0
_LONGEST = 30  # characters of a row's name


@dataclass(frozen=True)
class Mark:
    """An estimate with the ends of its interval, None where there are none."""

    estimate: float | None
    low: float | None
    high: float | None
    colour: str = OURS


@dataclass(frozen=True)
class Row:
    """One line of a forest plot: a name, its marks from top to bottom, and the bound they are held against."""

    name: str
    marks: tuple[Mark, ...]
    bound: float | None = None


def draw_forest(rows: Sequence[Row], label: str, zero: float | None = 0.0) -> str:
    """Draw estimates with their intervals one below the other, the bounds as dashes, and a line at `zero`.

    Args:
        rows: From top to bottom.
        label: What the axis shows.
        zero: Where the line stands; None draws none.
    """
    axis = _axis(_values(rows, zero), _LABEL, _LABEL + _PLOT)
    parts: list[str] = []
    top = 4.0
    for row in rows:
        height = _ROW + _MARK * (len(row.marks) - 1)
        parts.append(write_text(0, top + height / 2 + 4, row.name, longest=_LONGEST))
        for place, mark in enumerate(row.marks):
            parts.append(_draw_mark(mark, axis, top + _ROW / 2 + _MARK * place))
        if row.bound is not None:
            parts.append(draw_line(axis.at(row.bound), top, axis.at(row.bound), top + height, BOUND, dashed=True))
        top += height + 4
    if zero is not None:
        parts.insert(0, draw_line(axis.at(zero), 0, axis.at(zero), top, LINE))
    parts += [draw_ticks(axis, top), write_text(_LABEL, top + 32, label, colour=MUTED)]
    return make_svg(_LABEL + _PLOT + _TEXT, top + 40, label, parts)


def draw_dots(values: Sequence[tuple[str, float]], label: str, zero: float | None = 0.0) -> str:
    """Draw values in the order given, one dot each, named when pointed at."""
    axis = _axis([value for _, value in values] + ([] if zero is None else [zero]), 190.0, 10.0)
    along = Axis(0, max(len(values), 1), 60.0, 60.0 + _PLOT * 1.5)
    parts = [draw_line(60, axis.at(tick), along.end, axis.at(tick), GRID) for tick in axis.ticks()]
    parts += [write_text(0, axis.at(tick) + 4, show_number(tick)) for tick in axis.ticks()]
    if zero is not None:
        parts.append(draw_line(60, axis.at(zero), along.end, axis.at(zero), LINE))
    parts += [
        draw_dot(along.at(place + 0.5), axis.at(value), 3.5, OURS, f"{name}: {value:.3f}")
        for place, (name, value) in enumerate(values)
    ]
    parts.append(write_text(60, 215, label, colour=MUTED))
    return make_svg(_LABEL + _PLOT + _TEXT, 222, label, parts)


def draw_matrix(counts: Sequence[Sequence[int]], labels: Sequence[str], title: str) -> str:
    """Draw how often each reference (row) got each answer (column): darkness is the share of the row."""
    size, left, top = 54.0, 110.0, 34.0
    parts = [write_text(0, 14, title)]
    for row, line in enumerate(counts):
        total = max(sum(line), 1)
        parts.append(write_text(0, top + size * (row + 0.5) + 4, labels[row], longest=15))
        for column, count in enumerate(line):
            share = count / total
            x, y = left + size * column, top + size * row
            told = escape_text(f"{labels[row]} answered as {labels[column]}: {count} of {sum(line)}")
            parts.append(
                f'<rect x="{x:.1f}" y="{y:.1f}" width="{size - 2:.1f}" height="{size - 2:.1f}" fill="{OURS}" '
                f'fill-opacity="{0.04 + 0.9 * share:.3f}"><title>{told}</title></rect>'
            )
            colour = "#ffffff" if share > 0.55 else "#1d2430"
            parts.append(write_text(x + size / 2 - 1, y + size / 2 + 4, str(count), colour=colour, anchor="middle"))
    bottom = top + size * len(labels) + 14
    parts += [
        write_text(left + size * (place + 0.5) - 1, bottom, name, anchor="middle", longest=9)
        for place, name in enumerate(labels)
    ]
    return make_svg(left + size * len(labels) + 10, bottom + 10, title, parts)


def draw_reliability(models: Iterable[tuple[Sequence[ReliabilityBin], str]], label: str) -> str:
    """Draw the share that is right over how sure the model was: on the diagonal it is as sure as it should be."""
    across, up = Axis(0, 1, 40, 280), Axis(0, 1, 250, 10)
    parts = [draw_grid(across, up), draw_line(across.start, up.start, across.end, up.end, LINE, dashed=True)]
    for bins, colour in models:
        most = max((one.count for one in bins), default=1)
        places = " ".join(f"{across.at(one.confidence):.1f},{up.at(one.right):.1f}" for one in bins)
        parts.append(f'<polyline points="{places}" fill="none" stroke="{colour}"/>')
        parts += [
            draw_dot(
                across.at(one.confidence),
                up.at(one.right),
                2 + 5 * math.sqrt(one.count / most),
                colour,
                f"{one.count} answers, {one.confidence:.2f} sure, {one.right:.2f} right",
            )
            for one in bins
        ]
    parts.append(write_text(40, 285, label, colour=MUTED, longest=60))
    return make_svg(330, 294, label, parts)


def draw_scatter(points: Iterable[tuple[float, float, str, str]], span: tuple[float, float], label: str) -> str:
    """Draw points (reference, answer, colour, name); on the diagonal an answer is the reference."""
    across, up = Axis(*span, 36, 216), Axis(*span, 196, 16)
    parts = [draw_grid(across, up), draw_line(across.start, up.start, across.end, up.end, LINE, dashed=True)]
    parts += [
        draw_dot(across.at(x), up.at(y), 2.5, colour, f"{name}: {x:.2f}, answered {y:.2f}")
        for x, y, colour, name in points
    ]
    parts.append(write_text(36, 10, label))
    return make_svg(228, 222, label, parts)


def _values(rows: Iterable[Row], zero: float | None) -> list[float]:
    found = [value for row in rows for mark in row.marks for value in (mark.estimate, mark.low, mark.high)]
    found += [row.bound for row in rows] + [zero]
    return [value for value in found if value is not None]


def _axis(values: Sequence[float], start: float, end: float) -> Axis:
    low, high = min(values, default=0.0), max(values, default=1.0)
    room = (high - low) * 0.05 or max(abs(high), 1.0) * 0.05
    return Axis(low - room, high + room, start, end)


def _draw_mark(mark: Mark, axis: Axis, y: float) -> str:
    if mark.estimate is None:
        return write_text(axis.start, y + 4, "cannot be measured", colour=MUTED)
    told = f"{mark.estimate:.3f}"
    parts = [draw_dot(axis.at(mark.estimate), y, 4, mark.colour, told)]
    if mark.low is not None and mark.high is not None:
        told += f" ({mark.low:.3f} to {mark.high:.3f})"
        parts.insert(0, draw_line(axis.at(mark.low), y, axis.at(mark.high), y, mark.colour))
    else:
        told += " (no interval)"
    return "".join([*parts, write_text(_LABEL + _PLOT + 12, y + 4, told, colour=mark.colour)])
