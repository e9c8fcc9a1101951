"""A comparison as pictures: every run's epochs, and its measures as bars."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Sequence
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from voxloop.comparison.differences import Comparison

BARS_A_ROW = 3
LABEL = 30
"""Characters of a line of a label."""
_HATCHES = ("", "//", "..", "xx", "\\\\", "++")  # of letters: figures with other bars may not be compared


def draw_curves(comparison: Comparison, path: Path) -> None:
    """Draw the objective on dev, one panel for each there is, and the loss in training over the epochs, as PNG."""
    objectives = list(dict.fromkeys(run.report.objective.name for run in comparison.runs))
    figure = _open(5.5 * (len(objectives) + 1), 4.2 + 0.2 * len(comparison.runs))
    *panels, losses = figure.subplots(1, len(objectives) + 1, squeeze=False)[0]
    for panel, objective in zip(panels, objectives, strict=True):
        for place, run in enumerate(comparison.runs):
            if run.report.objective.name == objective:
                values = [epoch.dev[objective] for epoch in run.report.history]
                _draw_curve(panel, comparison, place, [math.nan if value is None else value for value in values])
        panel.set(xlabel="epoch", ylabel=objective, title=f"{objective} on dev; the dot is the epoch kept")
    for place, run in enumerate(comparison.runs):
        _draw_curve(losses, comparison, place, [epoch.train_loss for epoch in run.report.history])
    losses.set(xlabel="epoch", ylabel="loss", title="loss in training")
    for panel in (*panels, losses):
        panel.xaxis.set_major_locator(MaxNLocator(integer=True))
    handles, names = losses.get_legend_handles_labels()
    figure.legend(handles, names, loc="outside lower center", ncols=2, fontsize="small")
    _save(figure, path)


def draw_measures(comparison: Comparison, path: Path) -> None:
    """Draw each measure as bars, a panel each on a scale of its own, as PNG; other hatching is not comparable."""
    measures = comparison.measures
    columns = min(BARS_A_ROW, len(measures))
    rows = -(-len(measures) // columns)
    labels = [_name(comparison, place) for place in range(len(comparison.runs))]
    figure = _open(4.0 * columns + 1.0, (1.1 + 0.35 * len(labels)) * rows + 0.5)
    panels = figure.subplots(rows, columns, squeeze=False).ravel()
    for panel in panels[len(measures) :]:
        panel.set_axis_off()
    for place, (panel, row) in enumerate(zip(panels, measures, strict=False)):
        _draw_bars(panel, comparison, row.values)
        panel.set_yticks(range(len(labels)), labels if place % columns == 0 else [""] * len(labels))
        panel.invert_yaxis()
        panel.set_title(row.name, fontsize="medium")
    if not comparison.is_comparable:
        figure.suptitle("only bars with the same letter may be compared", color="tab:red")
    _save(figure, path)


def _draw_curve(panel: Axes, comparison: Comparison, place: int, values: Sequence[float]) -> None:
    run = comparison.runs[place]
    epochs = [epoch.epoch for epoch in run.report.history]
    (line,) = panel.plot(epochs, values, color=f"C{place % 10}", label=_name(comparison, place), linewidth=1.2)
    panel.plot([run.report.best_epoch], [values[run.report.best_epoch - 1]], "o", color=line.get_color())


def _draw_bars(panel: Axes, comparison: Comparison, values: Sequence[float | None]) -> None:
    for place, value in enumerate(values):
        hatch = _HATCHES[(ord(comparison.groups[place][0]) - ord("a")) % len(_HATCHES)]
        bars = panel.barh(
            place, 0.0 if value is None else value, color=f"C{place % 10}", hatch=hatch, edgecolor="white"
        )
        panel.bar_label(bars, ["—" if value is None else f"{value:.4f}"], padding=3, fontsize="small")
    panel.margins(x=0.2)
    panel.set_ylim(-0.6, len(values) - 0.4)


def _name(comparison: Comparison, place: int) -> str:
    """Return a run's label for a picture; `$` would be mathematics."""
    label = textwrap.fill(comparison.labels[place], LABEL).replace("$", r"\$")
    return label if comparison.is_comparable else f"{label} [{comparison.groups[place]}]"


def _open(width: float, height: float) -> Figure:
    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def _save(figure: Figure, path: Path) -> None:
    figure.savefig(path, dpi=100, metadata={"Software": None})
