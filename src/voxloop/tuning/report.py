"""What is known of a study, in plain values: for the files, the pictures and the tracking server."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Sequence
from typing import Any, Literal

from optuna import Study
from optuna.trial import FrozenTrial, TrialState

from voxloop.config import StrictModel
from voxloop.tasks import Objective
from voxloop.tuning.ledger import ERROR, RETRY_OF, retried, seconds_of

State = Literal["complete", "pruned", "failed", "lost", "running", "waiting"]
STATES: dict[TrialState, State] = {
    TrialState.COMPLETE: "complete",
    TrialState.PRUNED: "pruned",
    TrialState.FAIL: "failed",
    TrialState.RUNNING: "running",
    TrialState.WAITING: "waiting",
}
GIVEN_UP = "its worker died, time after time"


class TrialReport(StrictModel):
    """One trial."""

    number: int
    state: State
    """`lost`: its worker died and another trial went on."""
    params: dict[str, Any]
    values: dict[int, float]
    """The objective on dev by epoch, counted from 1."""
    value: float | None
    """At its best; None for a trial that did not run to its end."""
    seconds: float
    error: str | None = None
    retry_of: int | None = None


class StudyReport(StrictModel):
    """One study."""

    study: str
    task: str
    digest: str
    """Of all that its trials have in common."""
    objective: str
    mode: Literal["max", "min"]
    trials: tuple[TrialReport, ...]

    @property
    def best(self) -> TrialReport | None:
        """The trial with the best objective of those that ran to their end, the earliest of equals."""
        done = [trial for trial in self.trials if trial.value is not None]
        sign = -1 if self.mode == "max" else 1
        return min(done, key=lambda trial: (sign * (trial.value or 0.0), trial.number), default=None)

    def count(self, *states: State) -> int:
        """Return how many trials are in one of these states."""
        return sum(trial.state in states for trial in self.trials)

    def table(self) -> str:
        """Return the trials as CSV, a column for each parameter."""
        paths = list(dict.fromkeys(path for trial in self.trials for path in trial.params))
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(["number", "state", "value", "epochs", "seconds", "retry_of", "error", *paths])
        for one in self.trials:
            plain = [one.number, one.state, one.value, len(one.values), one.seconds, one.retry_of, one.error]
            writer.writerow([*plain, *(_cell(one.params.get(path)) for path in paths)])
        return text.getvalue()


def read_study(study: Study, *, task: str, digest: str, objective: Objective, space: Any) -> StudyReport:
    """Return what a study holds now."""
    trials = study.get_trials(deepcopy=False)
    lost = retried(trials)
    choices = {parameter.path: parameter for parameter in space.parameters}
    return StudyReport(
        study=study.study_name,
        task=task,
        digest=digest,
        objective=objective.name,
        mode=objective.mode,
        trials=tuple(_read_trial(trial, lost, choices) for trial in trials),
    )


def _read_trial(trial: FrozenTrial, lost: set[int], choices: dict[str, Any]) -> TrialReport:
    state = "lost" if trial.number in lost else STATES[trial.state]
    failed = GIVEN_UP if state == "failed" else None
    return TrialReport(
        number=trial.number,
        state=state,
        params={path: choices[path].value_of(value) for path, value in trial.params.items()},
        values={step: value for step, value in sorted(trial.intermediate_values.items()) if math.isfinite(value)},
        value=trial.value if trial.state is TrialState.COMPLETE else None,
        seconds=round(seconds_of(trial), 3),
        error=trial.user_attrs.get(ERROR, failed),
        retry_of=trial.user_attrs.get(RETRY_OF),
    )


def describe_trial(trial: TrialReport, report: StudyReport, *, trials: int, workers: int) -> str:
    """Return the line that is printed when a trial has ended.

    Args:
        trial: It.
        report: The study as it stands.
        trials: How many are asked for.
        workers: How many are training, this one included.
    """
    done, best = report.count("complete", "pruned", "failed"), report.best
    times = [one.seconds for one in report.trials if one.state in {"complete", "pruned", "failed"}]
    left = max(0, trials - done) * sum(times) / max(1, len(times)) / max(1, workers)
    shown = trial.value if trial.value is not None else next(reversed(trial.values.values()), None)
    value = "" if shown is None else f"  dev {report.objective} {shown:.3f}"
    leader = "" if best is None or best.value is None else f"  best {best.value:.3f} (trial {best.number})"
    end = f"{trial.state} after epoch {len(trial.values)}" if trial.error is None else f"failed: {trial.error}"
    return f"trial {trial.number}  {end}{value}{leader}  {trial.seconds:.1f} s  {done}/{trials}, {_spell(left)} left"


def write_json(report: StudyReport, extra: dict[str, Any]) -> str:
    """Return `study.json`: the report, what leads to it, and counts."""
    states: Sequence[State] = ("complete", "pruned", "failed", "lost")
    counts = {state: report.count(state) for state in states}
    content = {"schema_version": 1, **extra, "counts": counts, **report.model_dump(mode="json")}
    return json.dumps(content, indent=2) + "\n"


def _cell(value: Any) -> Any:
    return json.dumps(value) if isinstance(value, list | dict) else value


def _spell(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min"
