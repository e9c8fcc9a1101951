"""The picture of a training."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from voxloop.tasks import Objective
from voxloop.training.progress import Epoch


def draw_curves(history: Sequence[Epoch], best_epoch: int, objective: Objective, path: Path) -> None:
    """Draw losses and the objective on dev over epochs as PNG, the best epoch marked."""
    figure = Figure(figsize=(9.0, 3.6), layout="constrained")
    FigureCanvasAgg(figure)
    losses, measure = figure.subplots(1, 2)
    epochs = [epoch.epoch for epoch in history]
    losses.plot(epochs, [epoch.train_loss for epoch in history], marker=".", label="train")
    losses.plot(epochs, [epoch.dev_loss for epoch in history], marker=".", label="dev")
    losses.set(xlabel="epoch", ylabel="loss", title="Loss")
    losses.legend()
    values = [epoch.dev[objective.name] for epoch in history]
    measure.plot(epochs, [float("nan") if value is None else value for value in values], marker=".", color="tab:green")
    measure.axvline(best_epoch, color="grey", linestyle=":", label=f"best epoch {best_epoch}")
    measure.set(xlabel="epoch", ylabel=objective.name, title=f"Development {objective.name}")
    measure.legend()
    figure.savefig(path, dpi=100, metadata={"Software": None})
