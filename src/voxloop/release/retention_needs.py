"""What the registry needs kept, and which tracked runs may lose their artifacts. Their numbers and tags always stay."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta

from voxloop.errors import IntegrityError
from voxloop.ledger.book import open_ledger
from voxloop.ledger.entry import Entry
from voxloop.release.reviews import SPEAKERS_ARTIFACT
from voxloop.release.routes import read_route
from voxloop.release.standing import Archive, RegisteredModel, TrackedRun, describe_needs, read_needs
from voxloop.release.versions import EVIDENCE, ModelVersion
from voxloop.settings import Settings
from voxloop.store.retention import SERVED, Item, Needs, RetentionConfig, grace_ends
from voxloop.store.retention_runs import find_registration

FREED = "voxloop.artifacts_freed"
"""Tag of a run whose artifacts were freed: the moment."""
KIND = "artifacts of runs"


def ask_needs(archive: Archive, settings: Settings) -> Needs:
    """Return what every version that stands was made from and is served as.

    Raises:
        IntegrityError: The registry says what cannot be understood, or knows nothing of what was released here; or the
            ledger, which says what is in force, is not whole.
        ServiceUnavailableError: One of them does not answer.
    """
    digests: dict[str, str] = {}
    runs: dict[str, str] = {}
    models: dict[str, str] = {}
    listed = archive.list_models()
    if not any(model.aliases for model in listed) and (trace := find_release(settings)):
        # Registering gives an alias, and none is ever taken away without giving another.
        raise IntegrityError(
            f"no version in the registry carries an alias, yet {trace}",
            rule="the registry that is asked must be the one that was written to",
            remedy="name its server (VOXLOOP_PORTS__MLFLOW) or restore its database; if its models were "
            "deleted on purpose, remove what is named here by hand",
        )
    for version, why in (*read_needs(listed), *read_routed(listed, open_ledger(settings).read())):
        runs.setdefault(version.run_id, why)
        models.setdefault(version.serving_name, why)
        for digest in describe_needs(version):
            digests.setdefault(digest, why)
    return Needs(digests=digests, runs=runs, models=models)


def read_routed(models: Iterable[RegisteredModel], entries: Sequence[Entry]) -> list[tuple[ModelVersion, str]]:
    """Return every version whose model a route in force names: kept whatever alias somebody has moved.

    Args:
        models: By the registry.
        entries: All of the ledger.

    Raises:
        IntegrityError: A route cannot be read.
    """
    needs = []
    for model in models:
        route = read_route(entries, model.name)
        named = {*route.models, route.shadow, route.fallback} if route else set()
        needs += [(one, f"{one} (in the route)") for one in model.versions if one.model_digest in named]
    return needs


def find_release(settings: Settings) -> str | None:
    """Return a sign, in words, that a version was registered from here; None where nothing says so."""
    for folder in sorted(settings.model_repository.glob("*")):
        if folder.is_dir() and SERVED.fullmatch(folder.name):
            return f"{folder.name} is served"
    run = find_registration(settings.home / "runs")
    return f"run {run.name} registered a version" if run else None


def plan_artifacts(
    archive: Archive, needs: Needs, kept_runs: Mapping[str, str], config: RetentionConfig, at: datetime
) -> tuple[list[Item], list[Item]]:
    """Return the tracked runs whose artifacts may go, and those whose stay.

    Args:
        archive: Where the runs are.
        needs: What the versions that stand need.
        kept_runs: Runs of the retrainings that stay, with the reason.
        config: How long the others stay.
        at: Aware.
    """
    # Only what `voxloop track` wrote is ours to free.
    runs = [run for run in archive.list_runs() if EVIDENCE in run.tags and FREED not in run.tags]
    nights = set(sorted({_night(run) for run in runs}, reverse=True)[: config.nights])
    young = min((at - timedelta(days=config.run_days)).timestamp(), grace_ends(config, at))
    free: list[Item] = []
    keep: list[Item] = []
    for run in sorted(runs, key=lambda one: (one.changed, one.run_id)):
        reasons = (
            needs.runs.get(run.run_id),
            kept_runs.get(run.run_id),
            f"retraining of {_night(run)}" if _night(run) in nights else None,
            f"younger than {config.run_days:g} days" if run.changed >= young else None,
        )
        why = next((reason for reason in reasons if reason), None)
        size = sum(_list_freeable(archive, run.run_id).values())
        (keep if why else free).append(Item(KIND, run.run_id, size, why or "no kept night, no kept version"))
    return free, keep


def free_artifacts(archive: Archive, run_ids: Iterable[str], at: datetime) -> None:
    """Delete the artifacts of runs; the tag that says so is written last, so that a killed sweep is finished.

    Whom a model learnt from stays, a few kilobytes: a version out of service can still be asked about a speaker.
    """
    for run_id in run_ids:
        archive.delete_artifacts(run_id, sorted(_list_freeable(archive, run_id)))
        archive.tag_run(run_id, FREED, at.isoformat(timespec="seconds"))


def _list_freeable(archive: Archive, run_id: str) -> dict[str, int]:
    return {path: size for path, size in archive.list_artifacts(run_id).items() if path != SPEAKERS_ARTIFACT}


def _night(run: TrackedRun) -> date:
    return datetime.fromtimestamp(run.changed, UTC).date()
