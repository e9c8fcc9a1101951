"""The picture of a training."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from voxloop.training.epoch_book import Epoch


def draw_curves(history: Sequence[Epoch], best_epoch: int, path: Path) -> None:
    """Draw losses and dev UAR over epochs as PNG, the best epoch marked."""
    figure = Figure(figsize=(9.0, 3.6), layout="constrained")
    FigureCanvasAgg(figure)
    losses, uars = figure.subplots(1, 2)
    epochs = [epoch.epoch for epoch in history]
    losses.plot(epochs, [epoch.train_loss for epoch in history], marker=".", label="train")
    losses.plot(epochs, [epoch.dev_loss for epoch in history], marker=".", label="dev")
    losses.set(xlabel="epoch", ylabel="loss", title="Loss")
    losses.legend()
    uars.plot(epochs, [epoch.dev_uar for epoch in history], marker=".", color="tab:green")
    uars.axvline(best_epoch, color="grey", linestyle=":", label=f"best epoch {best_epoch}")
    uars.set(xlabel="epoch", ylabel="UAR", title="Development UAR", ylim=(0.0, 1.0))
    uars.legend()
    figure.savefig(path, dpi=100, metadata={"Software": None})
