"""What a finished study leaves: the best configuration, every trial, and pictures."""

from __future__ import annotations

import shlex
from pathlib import Path

import optuna
import yaml

from voxloop.config import resolved
from voxloop.errors import VoxloopError
from voxloop.store.atomic import write_file
from voxloop.tuning.pictures import draw_history, draw_importances, find_importances
from voxloop.tuning.plan import Plan
from voxloop.tuning.report import StudyReport, TrialReport, write_json
from voxloop.tuning.space import write_override

BEST_NAME, STUDY_NAME, TABLE_NAME = "best.yaml", "study.json", "trials.csv"
HISTORY_NAME, IMPORTANCE_NAME = "history.png", "importance.png"


def write_results(folder: Path, plan: Plan, study: optuna.Study, *, command: str) -> None:
    """Write `best.yaml`, `study.json`, `trials.csv`, `history.png` and `importance.png`, and say what is best.

    Args:
        folder: Existing folder to fill.
        plan: What was searched.
        study: It, over.
        command: What trains the configuration that was varied.

    Raises:
        VoxloopError: No trial ran to its end.
    """
    report = plan.read(study)
    best = _require_best(report)
    overrides = tuple(write_override(path, value) for path, value in best.params.items())
    recipe = resolved(plan.configure(overrides))
    line = f"{command} {' '.join(f'--set {shlex.quote(one)}' for one in overrides)}"
    heading = (
        f"# {plan.name}: trial {best.number}, dev {report.objective} {best.value:.4f}. The same by hand:\n# {line}\n"
    )
    write_file(folder / BEST_NAME, heading + yaml.safe_dump(recipe, sort_keys=False, allow_unicode=True, width=120))
    shares, unknown = find_importances(study)
    found = {"number": best.number, "value": best.value, "params": best.params, "command": line}
    about = {
        "best": found,
        "importance": shares or None,
        "importance_unknown": unknown or None,
        "search": resolved(plan.space),
        "config": plan.values,
    }
    write_file(folder / STUDY_NAME, write_json(report, about))
    write_file(folder / TABLE_NAME, report.table())
    draw_history(report, folder / HISTORY_NAME)
    draw_importances(shares, unknown, folder / IMPORTANCE_NAME)
    print(f"best: trial {best.number}, dev {report.objective} {best.value:.4f}\n{line}", flush=True)
    print(f"importance cannot be told: {unknown}" if unknown else f"importance: {_spell(shares)}", flush=True)


def _require_best(report: StudyReport) -> TrialReport:
    if (best := report.best) is not None:
        return best
    failed = [trial for trial in report.trials if trial.state == "failed"]
    ended = report.count("complete", "pruned", "failed")
    why = f"; {len(failed)} failed, trial {failed[0].number} by {failed[0].error}" if failed else ""
    raise VoxloopError(
        f"none of the {ended} trials of {report.study} ran to its end{why}",
        rule="the best configuration is one that was trained to its end",
        remedy="correct what made them fail, then ask for more --trials or name another --study",
    )


def _spell(shares: dict[str, float]) -> str:
    return ", ".join(f"{path} {share:.0%}" for path, share in shares.items())
