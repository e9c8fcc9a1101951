"""A comparison as files: JSON and CSV for programs, pictures and a page for people."""

from __future__ import annotations

import base64
import csv
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from voxloop.comparison.differences import ABSENT, NOTE, Comparison
from voxloop.comparison.pictures import draw_curves, draw_measures
from voxloop.comparison.table import list_headings, list_notes, list_sections
from voxloop.data.report_markup import PICTURE_PAGE, escape_text, make_note, make_section, make_table
from voxloop.store.atomic import write_file

JSON_NAME, CSV_NAME, PAGE_NAME = "compare.json", "compare.csv", "report.html"
CURVES_NAME, MEASURES_NAME = "curves.png", "measures.png"


def write_comparison(comparison: Comparison, folder: Path) -> None:
    """Write `compare.json`, `compare.csv`, `curves.png`, `measures.png` and `report.html` into an existing folder."""
    draw_curves(comparison, folder / CURVES_NAME)
    draw_measures(comparison, folder / MEASURES_NAME)
    write_file(folder / JSON_NAME, json.dumps(describe(comparison), indent=2) + "\n")
    write_file(folder / CSV_NAME, make_csv(comparison))
    write_file(folder / PAGE_NAME, make_page(comparison, folder))


def describe(comparison: Comparison) -> dict[str, Any]:
    """Return everything as JSON values."""
    labels = comparison.labels
    return {
        "schema_version": 1,
        "comparable": comparison.is_comparable,
        "reasons": list(comparison.reasons),
        "note": NOTE,
        "runs": [_describe_run(comparison, place) for place in range(len(labels))],
        "settings": {
            row.name: {label: value for label, value in zip(labels, row.values, strict=True) if value is not ABSENT}
            for row in comparison.settings
        },
        "difference": None
        if comparison.difference is None
        else {row.name: step for row, step in zip(comparison.measures, comparison.difference, strict=True)},
    }


def _describe_run(comparison: Comparison, place: int) -> dict[str, Any]:
    run = comparison.runs[place]
    return {
        "label": comparison.labels[place],
        "group": comparison.groups[place],
        "from": run.kind,
        "seconds": run.seconds,
        "inputs": dict(run.inputs),
        "code": run.code,
        **run.report.model_dump(mode="json", exclude={"schema_version"}),
    }


def make_csv(comparison: Comparison) -> str:
    """Return a row for each run; settings that differ as JSON text, empty where there is nothing."""
    head = ["run", "group", *(row.name for row in comparison.facts)]
    head += [f"dev.{row.name}" for row in comparison.measures] + [f"config.{row.name}" for row in comparison.settings]
    lines = io.StringIO()
    table = csv.writer(lines, lineterminator="\n")
    table.writerow(head)
    for place, label in enumerate(comparison.labels):
        known = [row.values[place] for row in (*comparison.facts, *comparison.measures)]
        settings = [row.values[place] for row in comparison.settings]
        told = ["" if value is ABSENT else json.dumps(value) for value in settings]
        table.writerow([label, comparison.groups[place], *("" if one is None else one for one in known), *told])
    return lines.getvalue()


def make_page(comparison: Comparison, folder: Path) -> str:
    """Return a page that needs nothing beside it: the table, what has to be known, and the pictures in `folder`."""
    title = f"{len(comparison.runs)} trainings compared"
    body = [f"<h1>{title}</h1>", *map(make_note, list_notes(comparison)), *_list_tables(comparison)]
    told = {CURVES_NAME: "Epoch by epoch", MEASURES_NAME: "Measures on dev at the best epoch"}
    body += [make_section(heading, _embed(folder / name, heading)) for name, heading in told.items()]
    return PICTURE_PAGE.substitute(title=escape_text(title), body="\n".join(body))


def _list_tables(comparison: Comparison) -> Iterator[str]:
    headings = ("", *list_headings(comparison))
    for title, rows in list_sections(comparison):
        yield make_section(title.capitalize() or "The runs", make_table(headings, rows) if rows else "")


def _embed(path: Path, told: str) -> str:
    content = base64.b64encode(path.read_bytes()).decode("ascii")
    return f'<p><img alt="{escape_text(told)}" style="max-width:100%" src="data:image/png;base64,{content}"/></p>'
