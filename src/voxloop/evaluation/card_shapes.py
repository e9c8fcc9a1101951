"""Shapes of SVG and the axes they stand on; whatever text comes in is escaped."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from voxloop.data.report_markup import escape_text

OURS, THEIRS, BOUND, LINE = "#2f6db5", "#c9772b", "#b3261e", "#aab2bf"
"""Colours of the challenger, the champion, the policy's bounds, axes."""
GRID, MUTED = "#e5e9ef", "#566070"


@dataclass(frozen=True)
class Axis:
    """Values from `low` to `high` on pixels from `start` to `end`."""

    low: float
    high: float
    start: float
    end: float

    def at(self, value: float) -> float:
        """Return the pixel of a value."""
        return self.start + (value - self.low) / (self.high - self.low) * (self.end - self.start)

    def ticks(self) -> list[float]:
        """Return round values inside, four or so."""
        raw = (self.high - self.low) / 4
        power = 10.0 ** math.floor(math.log10(raw))
        step = next((size * power for size in (1, 2, 5) if size * power >= raw), 10 * power)
        first, last = math.ceil(self.low / step), math.floor(self.high / step)
        return [place * step for place in range(first, last + 1)]


def show_number(value: float) -> str:
    """Return a number as an axis shows it, never as -0."""
    return f"{value + 0.0:.3g}"


def draw_line(x1: float, y1: float, x2: float, y2: float, colour: str, *, dashed: bool = False) -> str:
    """Draw a straight line between two points."""
    dash = ' stroke-dasharray="4 3"' if dashed else ""
    return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="{colour}" stroke-width="1.5"{dash}/>'


def draw_dot(x: float, y: float, radius: float, colour: str, told: str) -> str:
    """Draw a dot that says `told` when pointed at."""
    return (
        f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{radius:.1f}" fill="{colour}" fill-opacity="0.75">'
        f"<title>{escape_text(told)}</title></circle>"
    )


def write_text(
    x: float, y: float, said: str, *, colour: str = "#1d2430", anchor: str = "start", longest: int = 90
) -> str:
    """Write a text, cut after `longest` characters and escaped."""
    shown = said if len(said) <= longest else f"{said[: longest - 1]}…"
    return f'<text x="{x:.1f}" y="{y:.1f}" fill="{colour}" text-anchor="{anchor}">{escape_text(shown)}</text>'


def make_svg(width: float, height: float, label: str, parts: Iterable[str]) -> str:
    """Return a picture of a size in pixels, with what it shows in words for who cannot see it."""
    return (
        f'<svg role="img" aria-label="{escape_text(label)}" width="{width:.0f}" '
        f'height="{height:.0f}" viewBox="0 0 {width:.0f} {height:.0f}" font-size="12">{"".join(parts)}</svg>'
    )


def draw_ticks(axis: Axis, y: float) -> str:
    """Draw a horizontal axis at a height, with its numbers."""
    base = draw_line(axis.start, y, axis.end, y, LINE)
    return base + "".join(
        draw_line(axis.at(tick), y, axis.at(tick), y + 4, LINE)
        + write_text(axis.at(tick), y + 16, show_number(tick), anchor="middle")
        for tick in axis.ticks()
    )


def draw_grid(across: Axis, up: Axis) -> str:
    """Draw the lines and numbers of a plot."""
    parts = [draw_line(across.start, up.at(tick), across.end, up.at(tick), GRID) for tick in up.ticks()]
    parts += [write_text(across.start - 4, up.at(tick) + 4, show_number(tick), anchor="end") for tick in up.ticks()]
    parts += [write_text(across.at(tick), up.start + 16, show_number(tick), anchor="middle") for tick in across.ticks()]
    return "".join(parts)
