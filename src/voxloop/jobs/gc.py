"""Free what no model in force, no open approval and no replayable retraining needs."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from voxloop.config import Overrides, find_config, load_config
from voxloop.errors import InputError, ServiceUnavailableError, VoxloopError

if TYPE_CHECKING:
    from voxloop.release.standing import Archive
    from voxloop.settings import Settings
    from voxloop.store.retention import Item, Needs, Plan, RetentionConfig


@dataclass(frozen=True)
class Collected:
    """What was freed (in a dry run: would be), what stays, and what kept registry and profiles from being asked."""

    freed: tuple[Item, ...]
    kept: tuple[Item, ...]
    blind: str = ""
    without_profiles: VoxloopError | None = None


def gc(*, dry_run: bool = False, at: str | None = None, overrides: Overrides = ()) -> None:
    """Free what nothing needs: results, runs, served models, artifacts, days of the prediction log, old profiles.

    What champion, fallback, an open approval or one of the newest nights of retrainings needs is never freed: a
    retraining that is kept can be run again and finds all of its steps. When MLflow does not answer, says what cannot
    be understood, or knows no version in force although one was released here (another database), nothing goes that it
    might need, and the exit code is 75.

    Args:
        dry_run: Print what would be freed and remove nothing.
        at: The moment to judge ages by, ISO 8601, UTC unless it says otherwise; by default now.
        overrides: Changes to configs/retention.yaml.

    Raises:
        InputError: The moment is none, or lies in the future.
        IntegrityError: The journal of speakers' profiles is none; everything else was freed.
        ServiceUnavailableError: What MLflow needs is not known, or profiles could not be taken out; what does not
            depend on it was freed.
    """
    from voxloop.adapters.mlflow_retention import MlflowArchive
    from voxloop.settings import get_settings
    from voxloop.store.retention import RetentionConfig

    config = load_config(RetentionConfig, find_config("retention"), overrides)
    moment = read_moment(at)
    settings = get_settings()
    done = collect(settings, MlflowArchive(settings), config, moment, dry_run=dry_run)
    print(f"gc at {moment:%Y-%m-%dT%H:%MZ}{', a dry run: nothing is removed' if dry_run else ''}", flush=True)
    for line in (*describe("frees", done.freed), *describe("keeps", done.kept)):
        print(line, flush=True)
    if done.without_profiles is not None:
        print(f"profiles stay: {done.without_profiles}", flush=True)
    if done.blind:
        raise ServiceUnavailableError(
            f"what the registry needs is not known: {done.blind}",
            rule="nothing is freed that a model in force might need",
            remedy="`voxloop gc` again once MLflow answers for it",
        )
    if done.without_profiles is not None:
        raise done.without_profiles


def read_moment(text: str | None) -> datetime:
    """Return the moment `text` names, or now.

    Raises:
        InputError: It is none, or lies in the future, where everything in flight would look old.
    """
    from voxloop.settings import now

    if text is None:
        return now()
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise InputError(f"--at {text!r} is no moment", rule="ISO 8601", remedy="2026-11-20T02:00:00Z") from None
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    if moment > now():
        raise InputError(
            f"--at {text} lies in the future", rule="what is in flight would look old", remedy="leave it out"
        )
    return moment.astimezone(UTC)


def collect(
    settings: Settings, archive: Archive, config: RetentionConfig, at: datetime, *, dry_run: bool = False
) -> Collected:
    """Plan and sweep. Steps and deployments wait while names are taken away, not while bytes are deleted."""
    from voxloop.release.retention_needs import ask_needs, free_artifacts, plan_artifacts
    from voxloop.store.lock import hold_lock

    needs: Needs | None = None
    blind = ""
    with hold_lock(settings.home / "gc.lock"):
        try:
            needs = ask_needs(archive, settings)
        except VoxloopError as unknown:
            blind = str(unknown)
        plan = sweep_files(settings, needs, config, at, dry_run=dry_run)
        free: list[Item] = []
        keep: list[Item] = []
        try:
            if needs is not None:
                free, keep = plan_artifacts(archive, needs, plan.kept_runs, config, at)
                free_artifacts(archive, [str(item.place) for item in free if not dry_run], at)
        except VoxloopError as unknown:  # gone away meanwhile
            blind = str(unknown)
        old, young, failed = free_profiles(settings, config, at, dry_run=dry_run)
    return Collected((*plan.free, *free, *old), (*plan.keep, *keep, *young), blind, failed)


def free_profiles(
    settings: Settings, config: RetentionConfig, at: datetime, *, dry_run: bool
) -> tuple[list[Item], list[Item], VoxloopError | None]:
    """Take out the profiles of speakers who were not heard for long. No registry is asked for them.

    Returns:
        What went, what stays, and why the rest of what should have gone did not.
    """
    from voxloop.data.heard_journal import HeardJournal
    from voxloop.data.profile_retention import plan_profiles, profiles_end

    gone: list[Item] = []
    stay: list[Item] = []
    try:
        journal = HeardJournal(settings.heard_journal, 1)  # nothing is added to it
        old, stay = plan_profiles(journal, config, at)
        if dry_run or not old:
            return old, stay, None
        from voxloop.adapters.feast_profiles import forget_profile

        for item in old:
            if forget_profile(str(item.place), journal, profiles_end(config, at)):
                gone.append(item)
            else:
                stay.append(replace(item, why="heard while it was to go"))
    except VoxloopError as failed:
        return gone, stay, failed
    return gone, stay, None


def sweep_files(
    settings: Settings, needs: Needs | None, config: RetentionConfig, at: datetime, *, dry_run: bool
) -> Plan:
    """Plan under the locks, take the names away, and delete what has lost its name without holding anybody up."""
    from voxloop.store.lock import hold_lock
    from voxloop.store.retention import plan_sweep
    from voxloop.store.sweep import DOOMED, delete, doom, hold_store

    doomed: list[Path] = []
    with hold_lock(settings.home / "triton" / "deploy.lock"), hold_store(settings.store, alone=True):
        plan = plan_sweep(settings, needs, config, at)
        for place in [item.place for item in plan.free if isinstance(item.place, Path) and not dry_run]:
            with suppress(FileNotFoundError):  # inside a folder that went before it
                doomed.append(place if place.name.startswith(DOOMED) else doom(place))
    for path in doomed:
        delete(path)
    return plan


def describe(verb: str, items: Iterable[Item]) -> Iterator[str]:
    """Yield a line for each kind: how many, how many bytes, and for which reasons."""
    kinds: dict[str, list[Item]] = defaultdict(list)
    for item in items:
        kinds[item.kind].append(item)
    if not kinds:
        yield f"{verb} nothing"
    for kind, found in sorted(kinds.items()):
        reasons: dict[str, int] = defaultdict(int)
        for item in found:
            reasons[item.why] += 1
        why = ", ".join(f"{count} for: {reason}" for reason, count in sorted(reasons.items()))
        yield f"{verb} {len(found)} {kind}, {show_bytes(sum(item.size for item in found))}: {why}"


def show_bytes(size: int) -> str:
    """Return a size with a unit a person reads."""
    amount = float(size)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if amount < 1024:
            return f"{amount:.0f} {unit}" if unit == "B" else f"{amount:.1f} {unit}"
        amount /= 1024
    return f"{amount:.1f} TiB"
