"""Hold the latest windows of the prediction log against a reference; say whether a retraining is asked for."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from voxloop.config import Overrides, find_config, load_config
from voxloop.errors import InputError
from voxloop.jobs.moments import read_moment

if TYPE_CHECKING:
    from voxloop.monitoring.drift.policy import DriftPolicy

RETRAIN, WAIT = "RETRAIN", "WAIT"
FLAG = Parameter(negative=())


def drift(
    task: str,
    *,
    make_reference: Annotated[bool, FLAG] = False,
    since: str | None = None,
    until: str | None = None,
    at: str | None = None,
    report: Annotated[bool, FLAG] = False,
    overrides: Overrides = (),
) -> str:
    """Say whether the latest windows of the prediction log have drifted, and whether that asks for a retraining.

    Each window is DRIFT, NO_DRIFT or CANNOT_TELL, held against a reference: the profile of an interval in which all
    was well, made once by `--make-reference --since … --until …`. A retraining is asked for by k of the last n windows
    (configs/drift), the latest among them, and not just after the last one. Nothing is started: the report says so.

    `--report` has Evidently draw the latest window that could be told, as a page for a person: it takes half a minute.
    It is logged to MLflow too, where that answers.

    Writes `drift/<task>/reference.json` or `report.json`, and `window-….html`, in the state folder.

    Args:
        task: Family whose answers are looked at.
        make_reference: Profile an interval for the windows to come.
        since: Begin of that interval: a day, or a moment in ISO 8601 (UTC unless it says otherwise).
        until: Its end, itself not in it.
        at: Look back from this moment instead of now.
        report: Draw a page of the latest window that could be told.
        overrides: Changes to configs/drift/<task>.yaml.

    Returns:
        RETRAIN or WAIT; of a reference, its path.

    Raises:
        InputError: There is no such family or moment, no reference, or one that cannot be read or is kept by another
            season than the policy's.
        RefusedError: The interval makes no reference: the log is not whole there, or has too few speakers. Or no page
            can be drawn: no window could be told, or too few rows of the reference are left in the log.
        IntegrityError: The ledger is not whole.
        ServiceUnavailableError: The ledger does not answer.
    """
    from voxloop.monitoring.drift.policy import DriftPolicy
    from voxloop.settings import now
    from voxloop.tasks import require_task

    require_task(task)
    policy = load_config(DriftPolicy, find_config("drift", task), overrides)
    if make_reference:
        if since is None or until is None or at is not None or report:
            raise InputError(
                "--make-reference without its interval, or with --at or --report",
                rule="a reference is of an interval in which all was well",
                remedy="--make-reference --since 2026-11-01 --until 2026-11-15",
            )
        return _make_reference(task, read_moment("--since", since), read_moment("--until", until), policy)
    if since is not None or until is not None:
        raise InputError(
            "--since or --until without --make-reference",
            rule="they are of a reference; what is looked at are the latest windows",
            remedy="add --make-reference, or give --at",
        )
    return _watch(task, now() if at is None else read_moment("--at", at), policy, with_page=report)


def _make_reference(task: str, since: datetime, until: datetime, policy: DriftPolicy) -> str:
    from voxloop.monitoring.drift.holding import list_thin_slots
    from voxloop.monitoring.drift.profile_file import write_reference
    from voxloop.monitoring.drift.season import Period
    from voxloop.monitoring.drift.watch import make_reference
    from voxloop.settings import get_settings, now

    if until > now():
        raise InputError(f"--until {until.isoformat()}", rule="that is not over yet", remedy="give an earlier moment")
    reference = make_reference(get_settings().predictions, task, since, until, policy)
    whole = reference.as_profile()
    path = _folder(task) / "reference.json"
    write_reference(path, reference)
    names = ", ".join(column.name for column in reference.columns)
    print(f"{task}: {whole.row_count} rows of {len(whole.speakers)} speakers: {names}", flush=True)
    season, least = reference.season, policy.check.least_reference_speakers
    if season.by is not Period.NONE:
        thin = list_thin_slots(reference, tuple(range(season.slots)), least)
        print(f"{task}: kept by {season.by} ({season.zone}), in {season.slots} slots", flush=True)
        if thin:
            print(f"fewer than {least} speakers, {policy.season.thin_slots}: {season.name_slots((*thin,))}", flush=True)
    print(path, flush=True)
    return str(path)


def _watch(task: str, at: datetime, policy: DriftPolicy, *, with_page: bool) -> str:
    from voxloop.jobs.drift_report import report_window
    from voxloop.ledger.book import open_ledger
    from voxloop.monitoring.drift.policy import decide
    from voxloop.monitoring.drift.profile_file import read_reference
    from voxloop.monitoring.drift.watch import describe_watch, find_last_retraining, watch_windows
    from voxloop.settings import get_settings
    from voxloop.store.atomic import write_file
    from voxloop.store.digests import canonical_json

    settings = get_settings()
    reference = read_reference(_folder(task) / "reference.json", task)
    last = find_last_retraining(open_ledger(settings).read(), task)
    windows = watch_windows(settings.predictions, reference, policy, at)
    decision = decide(policy, [one.as_judged() for one in windows], last, at)
    report = describe_watch(reference, windows, decision, at)
    write_file(_folder(task) / "report.json", canonical_json(report) + "\n")
    for one in windows:
        first = f": {one.judgement.reasons[0]}" if one.judgement.reasons else ""
        print(f"{one.start:%Y-%m-%d %H:%M} to {one.end:%H:%M} {one.judgement.outcome}{first}", flush=True)
    if with_page:
        print(report_window(task, policy, report).tell(settings.mlflow_url), flush=True)
    word = RETRAIN if decision.is_triggered else WAIT
    print(f"{task}: {word}: {'; '.join(decision.reasons)}", flush=True)
    return word


def _folder(task: str) -> Path:
    from voxloop.settings import get_settings

    return get_settings().drift / task
