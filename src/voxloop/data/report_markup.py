"""Pieces of an HTML page that a person reads: tables, bars, histograms. Whatever comes in is escaped.

What these functions return is well-formed XML too, so that a test can take a page apart again.
"""

from __future__ import annotations

import base64
import html
import json
from collections.abc import Iterable, Sequence
from string import Template

MOST_ROWS = 50
"""Rows of a table; the others are counted below it."""
_LONGEST = 300  # characters of one value

_BAR = 200  # pixels of the longest bar
_WIDTH, _HEIGHT = 320, 72  # of a histogram
_WIDEST = 24.0  # pixels of one of its bars
_BLUE = "#3f6fb5"

_PAGE = """\
<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8"/>
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'@also"/>
<meta name="viewport" content="width=device-width, initial-scale=1"/>
<title>$title</title>
<style>
body { font: 15px/1.5 system-ui, sans-serif; color: #1d2430; background: #fff; max-width: 62rem; margin: 2rem auto;
  padding: 0 1rem; overflow-wrap: anywhere; }
h1 { font-size: 1.6rem; margin-bottom: 0; }
h2 { font-size: 1.15rem; margin: 2.2rem 0 .5rem; border-bottom: 1px solid #d5dae2; }
h3 { font-size: 1rem; margin: 1.2rem 0 .3rem; }
table { border-collapse: collapse; }
th, td { text-align: left; vertical-align: top; padding: .15rem 1.2rem .15rem 0; }
th { font-weight: 600; color: #566070; }
td.number, th.number { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
p.note { color: #566070; margin: .2rem 0; }
pre { background: #f4f6f9; padding: .8rem; white-space: pre-wrap; font-size: .85rem; }
</style>
</head>
<body>
<main>
$body
</main>
</body>
</html>
"""
PAGE = Template(_PAGE.replace("@also", ""))
PICTURE_PAGE = Template(_PAGE.replace("@also", "; img-src data:"))
"""One that holds pictures too, inside itself."""
SOUND_PAGE = Template(_PAGE.replace("@also", "; media-src data:"))
"""One that holds recordings too, inside itself."""
NAMED = "voxloop-names"
"""The `<meta>` element in which a page declares whom it shows."""


def escape_text(value: object) -> str:
    """Return a value as harmless text: no markup, no invisible or direction-changing characters, not endless."""
    text = str(value)
    shown = text if len(text) <= _LONGEST else f"{text[:_LONGEST]}… ({len(text):,} characters)"
    return html.escape("".join(letter if letter.isprintable() else _spell_out(letter) for letter in shown))


def _spell_out(letter: str) -> str:
    return letter.encode("unicode_escape").decode("ascii")


def make_declaration(names: Sequence[str]) -> str:
    """Return an element nobody sees that lists, as JSON, the ids of the speakers and utterances a page shows.

    Erasure reads it: words of a page are cut, escaped and broken at spaces, and an id of two letters is no word.
    """
    return f'<meta name="{NAMED}" content="{html.escape(json.dumps(list(names)))}"/>'


def make_section(title: str, *parts: str) -> str:
    """Return a headed section of parts that are HTML already."""
    return "\n".join((f"<section>\n<h2>{escape_text(title)}</h2>", *parts, "</section>"))


def make_fold(summary: str, *parts: str) -> str:
    """Return parts that are HTML already behind a line a reader opens; a browser does it without a script."""
    return "\n".join((f"<details><summary>{escape_text(summary)}</summary>", *parts, "</details>"))


def make_note(text: str) -> str:
    """Return a sentence of explanation."""
    return f'<p class="note">{escape_text(text)}</p>'


def make_player(flac: bytes) -> str:
    """Return a recording to listen to, inside the page: of a `SOUND_PAGE`."""
    content = base64.b64encode(flac).decode("ascii")
    return f'<audio controls="controls" preload="metadata" src="data:audio/flac;base64,{content}"></audio>'


def make_table(
    headings: Sequence[str], rows: Sequence[Sequence[object]], *, bars: Sequence[float] = (), rest: int = 0
) -> str:
    """Return a table of at most `MOST_ROWS` rows; integers and floats stand on the right.

    Args:
        headings: One a column.
        rows: Values in the order of the headings.
        bars: A length for each row, drawn behind it, the longest one across the whole width.
        rest: Rows there are beyond those given.
    """
    shown, longest = rows[:MOST_ROWS], max(bars, default=0.0)
    numbers = [bool(rows) and isinstance(value, int | float) for value in (rows[0] if rows else headings)]
    cells = [_make_cell("th", heading, number) for heading, number in zip(headings, numbers, strict=True)]
    lines = ["<table>", f"<tr>{''.join(cells)}{'<th></th>' if bars else ''}</tr>"]
    for place, row in enumerate(shown):
        drawn = f"<td>{_draw_bar(bars[place], longest)}</td>" if bars else ""
        lines.append(
            f"<tr>{''.join(_make_cell('td', value, isinstance(value, int | float)) for value in row)}{drawn}</tr>"
        )
    hidden = rest + len(rows) - len(shown)
    return "\n".join([*lines, "</table>", *([make_note(f"and {hidden:,} more")] if hidden else [])])


def _make_cell(kind: str, value: object, is_number: bool) -> str:
    style = ' class="number"' if is_number else ""
    return f"<{kind}{style}>{escape_text(format_value(value))}</{kind}>"


def format_value(value: object) -> str:
    """Return a value as people read it: whole numbers with commas, others to three decimals."""
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}"
    return f"{value:,.3f}" if isinstance(value, float) else str(value)


def make_list(items: Iterable[tuple[str, object]]) -> str:
    """Return pairs of a name and its value."""
    lines = [
        f"<tr><th>{escape_text(name)}</th><td>{escape_text(format_value(value))}</td></tr>" for name, value in items
    ]
    return "\n".join(["<table>", *lines, "</table>"])


def draw_histogram(counts: Sequence[int], lowest: float, highest: float, unit: str) -> str:
    """Draw how many values fall into each of equally wide bins between two numbers."""
    width, most = min(_WIDTH / max(len(counts), 1), _WIDEST), max(counts, default=0)
    bars = [
        f'<rect x="{place * width:.2f}" y="{_HEIGHT - count * _HEIGHT / most:.2f}" width="{width * 0.92:.2f}" '
        f'height="{count * _HEIGHT / most:.2f}"><title>{count:,}</title></rect>'
        for place, count in enumerate(counts)
        if count
    ]
    label = escape_text(f"from {lowest:.6g} to {highest:.6g} {unit}; the highest bar is {most:,}")
    drawn = (
        f'<svg role="img" aria-label="{label}" width="{_WIDTH}" height="{_HEIGHT}" fill="{_BLUE}">{"".join(bars)}</svg>'
    )
    return f'<div>{drawn}<p class="note">{label}</p></div>'


def _draw_bar(length: float, longest: float) -> str:
    share = length / longest if longest else 0.0
    bar = f'<rect width="{share * _BAR:.1f}" height="12" fill="{_BLUE}"/>'
    return f'<svg width="{_BAR}" height="12" aria-hidden="true">{bar}</svg>'
