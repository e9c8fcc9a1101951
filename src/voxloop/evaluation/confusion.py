"""The confusion picture: which label is taken for which."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from voxloop.evaluation.answers import Answers
from voxloop.evaluation.measures import label_of


def count_confusion(answers: Answers, labels: Sequence[str]) -> npt.NDArray[np.int64]:
    """Return how often each reference (row) was answered by each label (column), int64 [labels, labels]."""
    place = {label: index for index, label in enumerate(labels)}
    counts = np.zeros((len(labels), len(labels)), dtype=np.int64)
    for reference, predicted in zip(answers.references, answers.answers, strict=True):
        if (label := label_of(predicted)) in place:
            counts[place[label_of(reference)], place[label]] += 1
    return counts


def draw_confusion(models: Mapping[str, Answers], labels: Sequence[str], path: Path) -> None:
    """Draw one matrix a model, side by side: colour is the share of the row, the number the count.

    Args:
        models: Answers by the name to write above.
        labels: Order of rows and columns.
        path: PNG file to write.
    """
    figure = Figure(figsize=(5.2 * len(models), 5.0), layout="constrained")
    for axes, (name, answers) in zip(np.atleast_1d(figure.subplots(1, len(models))), models.items(), strict=True):
        counts = count_confusion(answers, labels)
        _draw_matrix(axes, counts, labels)
        right = int(np.trace(counts))
        axes.set_title(
            f"{name}: {right} of {len(answers)} utterances right, {answers.speaker_count()} speakers", fontsize=9
        )
    figure.savefig(path, dpi=110, metadata={"Software": None})  # equal answers, equal bytes


def _draw_matrix(axes: Axes, counts: npt.NDArray[np.int64], labels: Sequence[str]) -> None:
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    axes.set_xticks(range(len(labels)), labels, rotation=45, ha="right")
    axes.set_yticks(range(len(labels)), labels)
    axes.set_xlabel("answered")
    axes.set_ylabel("reference")
    for (row, column), count in np.ndenumerate(counts):
        colour = "white" if shares[row, column] > 0.5 else "black"
        axes.text(column, row, str(count), ha="center", va="center", color=colour, fontsize=8)
