"""A simulation as a page: the pictures, and the promises one by one; self-contained, without scripts or links."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from voxloop.data.report_markup import PAGE, escape_text, make_list, make_note, make_section, make_table
from voxloop.evaluation.card_shapes import (
    BOUND,
    LINE,
    MUTED,
    OURS,
    THEIRS,
    Axis,
    draw_dot,
    draw_grid,
    draw_line,
    make_svg,
    write_text,
)
from voxloop.local.simulation.config import WINDOWS_A_DAY
from voxloop.local.simulation.report import summarise
from voxloop.store.atomic import write_file

WIDTH, HEIGHT, LEFT, TOP = 900.0, 250.0, 40.0, 24.0
MOST_SHARE = 10.0
"""Of a threshold, in the picture: what is far beyond it stands at its edge."""
Page = Mapping[str, Any]


def write_page(path: Path, report: Page) -> Path:
    """Write the page of a report."""
    title = escape_text(f"voxloop: a simulation, seed {report['seed']}")
    body = (
        f"<h1>{title}</h1>",
        make_note(summarise(report)),
        make_section(
            "Quality over time, with and without voxloop",
            draw_quality(report),
            make_note(
                "Mean recall of the labels in each window of six hours: blue, what callers were answered; orange, "
                "what the first champion, never retrained, says of the same sounds. Dashed red: a drift begins. "
                "Grey: a decoy. Blue line: a promotion."
            ),
        ),
        make_section("How far production has drifted", draw_scores(report), make_note(_SCORES)),
        make_section("Drifts", _list_drifts(report["drifts"])),
        make_section("Decoys", _list_decoys(report["decoys"])),
        make_section("Models, and their quality on each frozen evaluation set", _list_sets(report)),
        make_section("Cost of the retrainings", make_list(report["cost"].items()), make_note(_COST)),
        make_section("Window by window", _list_windows(report["windows"])),
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    return write_file(path, PAGE.substitute(title=title, body="\n".join(body)))


_SCORES = (
    "The greatest distance of each window, in thresholds: beyond 1 it has drifted. None while there is no reference."
)


_COST = "Hours by the clock of all steps, from data to a judged model; the price is that of configs/drift."


def draw_quality(report: Page) -> str:
    """Draw the quality of both models, window by window."""
    windows = report["windows"]
    across, up = _axes(windows, 1.0)
    parts = [draw_grid(across, up), *_draw_events(report, across, up)]
    for key, colour, name in (("unattended", THEIRS, "first champion"), ("served", OURS, "served")):
        parts += _draw_series([(one["window"], one[key]) for one in windows], across, up, colour, name)
    return make_svg(WIDTH, HEIGHT + 30, "quality over time, with and without voxloop", parts)


def draw_scores(report: Page) -> str:
    """Draw the greatest distance of each window, in thresholds."""
    found = [(one["window"], (one["scores"] or {}).get("share")) for one in report["windows"]]
    shown = [(number, None if share is None else min(share, MOST_SHARE)) for number, share in found]
    across, up = _axes(report["windows"], MOST_SHARE)
    threshold = draw_line(across.start, up.at(1), across.end, up.at(1), BOUND, dashed=True)
    parts = [draw_grid(across, up), *_draw_events(report, across, up), threshold]
    parts += _draw_series(shown, across, up, OURS, "thresholds")
    return make_svg(WIDTH, HEIGHT + 30, "drift over time, in thresholds", parts)


def _axes(windows: Sequence[Page], most: float) -> tuple[Axis, Axis]:
    return Axis(0, max(len(windows), 1), LEFT, WIDTH - 10), Axis(0, most, HEIGHT, TOP)


def _draw_series(
    points: Iterable[tuple[int, float | None]], across: Axis, up: Axis, colour: str, name: str
) -> list[str]:
    known = [(number, value) for number, value in points if value is not None]
    places = " ".join(f"{across.at(number + 0.5):.1f},{up.at(value):.1f}" for number, value in known)
    dots = [
        draw_dot(across.at(number + 0.5), up.at(value), 3, colour, f"window {number}, {name}: {value:.3f}")
        for number, value in known
    ]
    return [f'<polyline points="{places}" fill="none" stroke="{colour}" stroke-width="1.5"/>', *dots]


def _draw_events(report: Page, across: Axis, up: Axis) -> list[str]:
    parts = []
    for one in report["decoys"]:
        left, right = across.at(one["begins"]), across.at(one["ends"])
        parts.append(
            f'<rect x="{left:.1f}" y="{up.end:.1f}" width="{right - left:.1f}" height="{up.start - up.end:.1f}" '
            f'fill="{LINE}" fill-opacity="0.35"><title>{escape_text(one["kind"])}</title></rect>'
        )
    for one in report["drifts"]:
        x = across.at(one["begins"])
        parts.append(draw_line(x, up.start, x, up.end, BOUND, dashed=True))
        parts.append(write_text(x + 3, up.end - 6, f"{one['kind']} {one['strength']:g}", colour=BOUND))
    for one in report["models"]:
        if one["window"] is not None:
            x = across.at(one["window"] + 1)
            parts.append(draw_line(x, up.start, x, up.end, OURS))
            parts.append(write_text(x + 3, up.start - 6, f"version {one['version']}", colour=MUTED))
    return parts


def _list_drifts(drifts: Sequence[Page]) -> str:
    rows = [
        (
            f"{one['kind']} {one['strength']:g}",
            one["begins"],
            one["answered_by"],
            _say_list(one["retrainings"]),
            _say_list(one["decisions_to_wait"]),
            one["answer"],
            _say(one.get("quality_before")),
            _say(one.get("quality_drifted")),
            _say(one.get("quality_after")),
            "-" if one["won_back"] is None else f"{one['won_back']:.0%}",
            one["unattended_is"] or "-",
        )
        for one in drifts
    ]
    headings = (
        *("drift", "begins", "to be answered before", "retrained after", "decided to wait", "promise"),
        *("quality before", "drifted", "after", "won back", "unattended stays down"),
    )
    return make_table(headings, rows)


def _list_decoys(decoys: Sequence[Page]) -> str:
    rows = [(one["kind"], one["begins"], one["ends"], _say_list(one["retrainings"])) for one in decoys]
    return make_table(("decoy", "begins", "ends", "retrainings"), rows)


def _list_sets(report: Page) -> str:
    names = [f"version {one['version']}" for one in report["models"]]
    rows = [(one["name"], *(_say(value) for value in one["quality"])) for one in report["sets"]]
    return make_table(("set", *names), rows)


def _list_windows(windows: Sequence[Page]) -> str:
    rows = [
        (
            one["window"],
            one["window"] / WINDOWS_A_DAY,
            "" if one["served"] is None else one["served"],
            "" if one["unattended"] is None else one["unattended"],
            _shorten(one["watch"]),
            _shorten(one["decision"]),
        )
        for one in windows
    ]
    parts = [make_table(_WINDOW_HEADINGS, rows[at : at + 50]) for at in range(0, len(rows), 50)]
    return "\n".join(parts)


def _shorten(said: str | None) -> str:
    """Return the word and its first reason: `simulation.json` has all of them."""
    return (said or "").partition(";")[0].partition(": ")[2] or (said or "")


_WINDOW_HEADINGS = ("window", "day", "served", "unattended", "voxloop drift", "voxloop decide")


def _say(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def _say_list(values: Sequence[int]) -> str:
    return ", ".join(str(one) for one in values) or "none"
