"""What several trainings reached and in what they differ; which of their figures may be held against each other."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from voxloop.comparison.trained import TrainedRun
from voxloop.errors import InputError

NOTE = "dev figures choose, the gate judges: a difference on dev comes without an interval"

DIGITS = 12
"""Of a digest, for people."""


class Row(NamedTuple):
    """One thing told of every run, in their order; None where a run does not have it."""

    name: str
    values: tuple[Any, ...]

    @property
    def differs(self) -> bool:
        """Whether two runs say different things; `1` and `1.0` and `true` are three."""
        return len({repr(value) for value in self.values}) > 1


@dataclass(frozen=True)
class Comparison:
    """Several trainings side by side.

    Args:
        runs: The trainings.
        labels: A name for each, all different.
        groups: A letter for each: figures of runs with the same letter were measured for one task on the same dev data.
        reasons: Why letters differ; empty when all figures may be held against each other.
        facts: What the runs are.
        measures: What they reached on dev at their best epochs, losses last.
        settings: Values of the configuration that differ, by dotted key.
    """

    runs: tuple[TrainedRun, ...]
    labels: tuple[str, ...]
    groups: tuple[str, ...]
    reasons: tuple[str, ...]
    facts: tuple[Row, ...]
    measures: tuple[Row, ...]
    settings: tuple[Row, ...]

    @property
    def is_comparable(self) -> bool:
        """Whether every figure may be held against every other."""
        return len(set(self.groups)) == 1

    @property
    def difference(self) -> tuple[float | None, ...] | None:
        """Second run minus first, for each of `measures`; None for more runs than two or what is not comparable."""
        if len(self.runs) != 2 or not self.is_comparable:
            return None
        return tuple(
            None if None in row.values else float(row.values[1]) - float(row.values[0]) for row in self.measures
        )


def compare_runs(runs: Sequence[TrainedRun]) -> Comparison:
    """Hold two or more trainings against each other.

    Raises:
        InputError: There are fewer than two.
    """
    require_several([run.names[0] for run in runs])
    runs = tuple(runs)
    groups, reasons = group_runs(runs)
    rows = [Row(name, tuple(take(run) for run in runs)) for name, take in _FACTS]
    always = [row for row in rows[:_ALWAYS] if any(value is not None for value in row.values)]
    return Comparison(
        runs=runs,
        labels=label_runs([run.names for run in runs]),
        groups=groups,
        reasons=reasons,
        facts=(*always, *(row for row in rows[_ALWAYS:] if row.differs)),
        measures=tuple(_list_measures(runs)),
        settings=tuple(_list_settings(runs)),
    )


def require_several(names: Sequence[str]) -> None:
    """Raise `InputError` unless two or more runs are named."""
    if len(names) < 2:
        raise InputError(
            f"{names[0]!r} alone cannot be compared" if names else "no run is named",
            rule="two or more are compared",
            remedy="name another: a folder written by train, a pipeline run, an MLflow run or a model version",
        )


def label_runs(names: Sequence[Sequence[str]]) -> tuple[str, ...]:
    """Return a label for each run, all different: its shortest name that no other run has, or a number behind it."""
    taken = Counter(name for some in names for name in set(some))
    labels: list[str] = []
    for some in names:
        chosen = next((name for name in some if taken[name] == 1), some[0])
        same = (chosen, *(f"{chosen} ({number})" for number in range(2, len(names) + 2)))
        labels.append(next(label for label in same if label not in labels))
    return tuple(labels)


def group_runs(runs: Sequence[TrainedRun]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return a letter for each run, by task and dev data, and why letters differ."""
    keys = [(run.report.task, run.report.dataset_digest, run.report.utterances.dev) for run in runs]
    order = list(dict.fromkeys(keys))
    told = ("the tasks", "the datasets", "the numbers of dev utterances")
    reasons = []
    for place, what in enumerate(told):
        found = dict.fromkeys(_shorten(key[place]) for key in keys)
        if len(found) > 1:
            reasons.append(f"{what} differ ({', '.join(found)})")
    return tuple(_letter(order.index(key)) for key in keys), tuple(reasons)


def flatten(config: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Give the values of nested mappings by dotted key; an empty mapping is a value."""
    for key, value in config.items():
        if isinstance(value, Mapping) and value:
            yield from flatten(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def _list_measures(runs: Sequence[TrainedRun]) -> Iterator[Row]:
    chosen = dict.fromkeys(run.report.objective.name for run in runs)
    others = dict.fromkeys(name for run in runs for name in run.report.dev)
    for name in [*chosen, *(name for name in others if name not in chosen)]:
        yield Row(name, tuple(run.report.dev.get(name) for run in runs))
    yield Row("dev loss", tuple(run.report.best.dev_loss for run in runs))
    yield Row("train loss", tuple(run.report.best.train_loss for run in runs))


def _list_settings(runs: Sequence[TrainedRun]) -> Iterator[Row]:
    """Give the keys that differ between two runs whose task knows them: another family's keys are no difference."""
    configs = [dict(flatten(run.report.config)) for run in runs]
    for key in dict.fromkeys(key for config in configs for key in config):
        knowing = {run.report.task for run, config in zip(runs, configs, strict=True) if key in config}
        row = Row(key, tuple(config.get(key, ABSENT) for config in configs))
        among = [value for run, value in zip(runs, row.values, strict=True) if run.report.task in knowing]
        if Row(key, tuple(among)).differs:
            yield row


class _Absent:
    """Stands for a key that a configuration does not have; null is a value."""

    def __repr__(self) -> str:
        return "—"


ABSENT = _Absent()


def _letter(place: int) -> str:
    return chr(ord("a") + place) if place < 26 else f"z{place - 25}"


def _shorten(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)[:DIGITS]


def _digest_of(name: str) -> Callable[[TrainedRun], str | None]:
    return lambda run: (run.inputs.get(name) or "")[:DIGITS] or None


def _seconds(run: TrainedRun) -> float | None:
    return None if run.seconds is None else round(run.seconds, 1)


_FACTS: tuple[tuple[str, Callable[[TrainedRun], Any]], ...] = (
    ("from", lambda run: run.kind),
    ("task", lambda run: run.report.task),
    ("best epoch", lambda run: f"{run.report.best_epoch} of {len(run.report.history)}"),
    ("parameters", lambda run: run.report.parameters),
    ("train, hours of audio", lambda run: round(run.report.audio_seconds.train / 3600, 3)),
    ("dev, hours of audio", lambda run: round(run.report.audio_seconds.dev / 3600, 3)),
    ("train, utterances", lambda run: int(run.report.utterances.train)),
    ("dev, utterances", lambda run: int(run.report.utterances.dev)),
    ("training step, seconds", _seconds),
    ("dataset", lambda run: run.report.dataset_digest[:DIGITS]),
    ("features", _digest_of("features")),
    ("went on from", _digest_of("start")),
    ("torch", lambda run: run.report.torch),
    ("code", lambda run: run.code and run.code[:DIGITS]),
)
_ALWAYS = len(_FACTS) - 2  # the last ones are told only where they differ
