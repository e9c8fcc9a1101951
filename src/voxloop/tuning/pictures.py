"""The pictures of a study: how it went, and which parameters mattered."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import accumulate
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from optuna import Study
from optuna.importance import FanovaImportanceEvaluator, get_param_importances
from optuna.trial import TrialState

from voxloop.tuning.report import StudyReport

LEAST_TRIALS = 2
"""Trials run to their end below which nothing can be said of a parameter."""


def find_importances(study: Study) -> tuple[dict[str, float], str]:
    """Return each parameter's share in the variance of the objective, or none and why that cannot be told.

    F. Hutter et al., "An efficient approach for assessing hyperparameter importance", ICML 2014, of the trials that
    ran to their end.
    """
    done = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
    if len(done) < LEAST_TRIALS:
        return {}, f"{len(done)} trial{'s' * (len(done) != 1)} ran to the end: too few to compare"
    try:
        found = get_param_importances(study, evaluator=FanovaImportanceEvaluator(seed=0))
    except RuntimeError:  # Optuna's word for a variance of zero
        return {}, f"all {len(done)} trials that ran to the end are equally good"
    return {path: float(share) for path, share in found.items()}, ""


def draw_history(report: StudyReport, path: Path) -> None:
    """Draw every trial's objective by its number, and the best so far, as PNG."""
    figure, axes = _open(4.0)
    done = [(one.number, one.value) for one in report.trials if one.value is not None]
    ended = [(one.number, [*one.values.values()][-1]) for one in report.trials if one.state == "pruned" and one.values]
    best = accumulate([value for _, value in done], max if report.mode == "max" else min)
    axes.step([number for number, _ in done], list(best), where="post", color="tab:green", label="best so far")
    axes.plot(*zip(*done, strict=True), "o", label="ran to the end")
    if ended:
        axes.plot(*zip(*ended, strict=True), "x", color="grey", label="ended early, its last epoch")
    axes.set(xlabel="trial", ylabel=f"dev {report.objective}", title=f"{report.study}")
    axes.legend()
    _save(figure, path)


def draw_importances(shares: Mapping[str, float], unknown: str, path: Path) -> None:
    """Draw the shares as bars, or write why there are none, as PNG."""
    figure, axes = _open(1.5 + 0.35 * max(2, len(shares)))
    if shares:
        names = [*shares][::-1]
        axes.barh(names, [shares[name] for name in names])
        axes.set(xlabel="share in the variance of the objective", xlim=(0, 1))
    else:
        axes.axis("off")
        axes.text(0.5, 0.5, f"Importance cannot be told:\n{unknown}", ha="center", va="center")
    _save(figure, path)


def _open(height: float) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(8.0, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure, figure.subplots()


def _save(figure: Figure, path: Path) -> None:
    figure.savefig(path, dpi=100, metadata={"Software": None})
