"""What may go and what must stay: a plan, made from the files alone and from what the registry said is needed.

Mark and sweep. The roots are the models in force or up for approval and the retrainings that are kept; a stored result
stays when a root reaches it through the lineage of digests. The plan is pure: making it changes nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from pathlib import Path

from pydantic import Field

from voxloop.config import StrictModel
from voxloop.settings import Settings
from voxloop.store.retention_lineage import mark, read_entries
from voxloop.store.retention_runs import RunFolder, choose_nights, read_runs
from voxloop.store.sweep import find_doomed, find_leftovers, last_change, weigh
from voxloop.store.unfinished import find_unfinished

UNKNOWN = "the registry could not be asked"
SERVED = re.compile(r"[^.].*-[0-9a-f]{12}")
"""Name of a folder that `voxloop deploy` puts into Triton's model repository."""
_DAY = re.compile(r"(?:\w+=)?(\d{4}-\d{2}-\d{2})(?:\.\w+)*")

_PAGE = re.compile(r"(?:episode|window)-(\d{8})T\d{4}Z\.(?:html|note\.json)")


class RetentionConfig(StrictModel):
    """How long what nothing needs is kept. See configs/retention.yaml for the reasons."""

    nights: int = Field(ge=1)
    run_days: float = Field(ge=0)
    grace_hours: float = Field(ge=1)
    prediction_days: int = Field(ge=1)
    profile_days: int = Field(ge=1)
    spoilt_days: float = Field(ge=0)


@dataclass(frozen=True)
class Needs:
    """What the registry needs, each with the reason: digests of folders, tracked runs, names of served models."""

    digests: Mapping[str, str] = field(default_factory=dict)
    runs: Mapping[str, str] = field(default_factory=dict)
    models: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Item:
    """One thing that goes or stays: its kind, where it lies (or its id), its bytes, why."""

    kind: str
    place: Path | str
    size: int
    why: str


@dataclass(frozen=True)
class Plan:
    """What goes and what stays."""

    free: tuple[Item, ...]
    keep: tuple[Item, ...]
    kept_runs: Mapping[str, str]
    """Tracked runs of the run folders that stay, with the reason."""


def plan_sweep(settings: Settings, needs: Needs | None, config: RetentionConfig, at: datetime) -> Plan:
    """Return what may go at the moment `at`.

    Args:
        settings: Where things lie.
        needs: What the registry needs; None when it could not be asked: then nothing goes that it might need.
        config: How long the rest is kept.
        at: Aware. What was written after `at` minus the grace stays.
    """
    runs = read_runs(settings.home / "runs")
    kept = _keep_runs(runs, needs, config, at)
    items = [
        *_sort_runs(runs, kept),
        *_sort_results(settings.store, runs, kept, needs, config, at),
        *_sort_unfinished(settings.store, config, at),
        *_sort_models(settings, needs, config, at),
        *_sort_predictions(settings.home / "predictions", config, at),
        *_sort_pages(settings.drift, config, at),
        *_sort_debris(settings, config, at),
    ]
    return Plan(
        free=tuple(item for goes, item in items if goes),
        keep=tuple(item for goes, item in items if not goes),
        kept_runs={run.mlflow_run: kept[run.folder] for run in runs if run.mlflow_run and run.folder in kept},
    )


def grace_ends(config: RetentionConfig, at: datetime) -> float:
    """Return the moment (seconds since 1970) after which everything is too young to go."""
    return (at - timedelta(hours=config.grace_hours)).timestamp()


def _keep_runs(
    runs: Iterable[RunFolder], needs: Needs | None, config: RetentionConfig, at: datetime
) -> dict[Path, str]:
    """Return the run folders that stay, the strongest reason of each."""
    runs = list(runs)
    if needs is None:
        return {run.folder: UNKNOWN for run in runs}
    nights = choose_nights(runs, config.nights)
    young = (at - timedelta(days=config.run_days)).timestamp()
    kept: dict[Path, str] = {}
    for run in runs:
        reasons = (
            needs.runs.get(run.mlflow_run or ""),
            needs.digests.get(run.model_digest or ""),
            nights.get(run.folder),
            "in flight" if run.changed >= grace_ends(config, at) else None,
            f"younger than {config.run_days:g} days" if run.changed >= young else None,
        )
        if why := next((reason for reason in reasons if reason), None):
            kept[run.folder] = why
    return kept


def _sort_runs(runs: Iterable[RunFolder], kept: Mapping[Path, str]) -> Iterator[tuple[bool, Item]]:
    for run in runs:
        why = kept.get(run.folder)
        yield why is None, Item("run folders", run.folder, weigh(run.folder), why or "no kept night, no kept version")


def _sort_results(
    store: Path,
    runs: Iterable[RunFolder],
    kept: Mapping[Path, str],
    needs: Needs | None,
    config: RetentionConfig,
    at: datetime,
) -> Iterator[tuple[bool, Item]]:
    entries, lost = read_entries(store)
    roots = {key: kept[run.folder] for run in runs if run.folder in kept for key in run.keys}
    needed = mark(entries, roots, needs.digests) if needs else {entry.key: UNKNOWN for entry in entries}
    young = grace_ends(config, at)
    for entry in entries:
        why = needed.get(entry.key) or ("in grace" if entry.changed >= young else None)
        yield why is None, Item("stored results", entry.folder, weigh(entry.folder), why or "no root reaches it")
    for folder in lost:
        goes = last_change(folder) < young
        why = "no step can find it: it has no record of its own" if goes else "in grace"
        yield goes, Item("stored results", folder, weigh(folder), why)


def _sort_unfinished(store: Path, config: RetentionConfig, at: datetime) -> Iterator[tuple[bool, Item]]:
    waiting, held = find_unfinished(store)
    for folder in waiting:
        goes = last_change(folder) < grace_ends(config, at)
        why = "nobody went on with it" if goes else "in grace"
        yield goes, Item("unfinished steps", folder, weigh(folder), why)
    for folder in held:
        yield False, Item("unfinished steps", folder, weigh(folder), "a process works on it")


def _sort_models(
    settings: Settings, needs: Needs | None, config: RetentionConfig, at: datetime
) -> Iterator[tuple[bool, Item]]:
    for folder in sorted(settings.model_repository.glob("*")):
        if folder.name.startswith(".") or not folder.is_dir():
            continue
        why = _why_served(folder, needs, config, at)
        yield (
            why is None,
            Item("served models", folder, weigh(folder), why or "no version in force or open to approval"),
        )


def _why_served(folder: Path, needs: Needs | None, config: RetentionConfig, at: datetime) -> str | None:
    if needs is None:
        return UNKNOWN
    if not SERVED.fullmatch(folder.name):
        return "not put there by voxloop"
    young = last_change(folder) >= grace_ends(config, at)
    return needs.models.get(folder.name) or ("in grace" if young else None)


def _sort_predictions(log: Path, config: RetentionConfig, at: datetime) -> Iterator[tuple[bool, Item]]:
    oldest = (at - timedelta(days=config.prediction_days)).date()
    for path, day in _find_days(log):
        goes = day < oldest
        why = f"older than {config.prediction_days} days" if goes else f"younger than {config.prediction_days} days"
        yield goes, Item("days of the prediction log", path, weigh(path), why)


def _sort_pages(drift: Path, config: RetentionConfig, at: datetime) -> Iterator[tuple[bool, Item]]:
    """Yield Evidently's pages and their notes: what they show goes with the rows they were drawn from."""
    oldest = f"{at - timedelta(days=config.prediction_days):%Y%m%d}"
    for path in sorted(drift.glob("*/*")):
        if found := _PAGE.fullmatch(path.name):
            goes = found[1] < oldest
            why = f"{'older' if goes else 'younger'} than {config.prediction_days} days"
            yield goes, Item("pages about drift", path, weigh(path), why)


def _find_days(folder: Path) -> Iterator[tuple[Path, date]]:
    """Yield what is named for a day (`2026-11-20`, `day=2026-11-20`, `2026-11-20.parquet`), however deep."""
    for path in sorted(folder.glob("*")):
        if found := _DAY.fullmatch(path.name):
            try:
                yield path, date.fromisoformat(found[1])
            except ValueError:  # looks like a day and is none: not ours to judge
                continue
        elif path.is_dir():
            yield from _find_days(path)


def _sort_debris(settings: Settings, config: RetentionConfig, at: datetime) -> Iterator[tuple[bool, Item]]:
    spoilt_before = (at - timedelta(days=config.spoilt_days)).timestamp()
    for folder in sorted(settings.store.glob("*/.spoilt-*")):
        goes = folder.stat().st_ctime < spoilt_before  # the moment it was renamed; its mtime is that of its making
        yield goes, Item("results put aside", folder, weigh(folder), "its check failed")
    for path in find_doomed([settings.home]):
        yield True, Item("leftovers", path, weigh(path), "an earlier sweep did not live to delete it")
    dead, alive = find_leftovers([settings.home])
    staging = sorted((settings.home / "triton" / "staging").glob("*"))
    for path in (*dead, *staging):
        goes = last_change(path) < grace_ends(config, at)
        yield goes, Item("leftovers", path, weigh(path), "a killed process left it half built")
    for path in alive:
        yield False, Item("leftovers", path, weigh(path), "a process is filling it")
