"""Give features to the feature store."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from voxloop.errors import InputError
from voxloop.settings import get_settings, now


def publish(features: Path | None = None, *, at: str = "", online: bool = False) -> None:
    """Publish features to the offline source, apply the declarations and, if asked, carry the newest online.

    Safe to run twice and to kill: what is published again is there once, and only what has changed is written online.

    Args:
        features: Folder written by features; without it, the newest result of that step in the job store.
        at: Carry online what is known at this moment, such as 2026-02-01T00:00:00Z; without it, now. What is newer
            online already stays.
        online: Carry the newest row of every utterance and speaker into the online store.

    Raises:
        InputError: The folder holds no features, or `at` is no moment.
        ServiceUnavailableError: The online store does not answer.
    """
    moment = _read_moment(at) if at else now()
    from voxloop.adapters import feast

    if online:
        feast.check_online_store()
    folder = features or find_newest()
    if folder is None:
        print("nothing to publish: `voxloop features` has not run yet", flush=True)
        gained = feast.add_rows({})
    else:
        gained = feast.publish_features(folder)
        print(f"published {folder}", flush=True)
    for table, rows in gained.items():
        print(f"{table}: {rows} new rows", flush=True)
    feast.apply_declarations()
    if online:
        store = feast.open_feature_store()
        for view, entities in feast.materialize_features(store, at=moment).items():
            print(f"{view}: {entities} entities changed online", flush=True)


def find_newest() -> Path | None:
    """Return the newest whole result of the step features in the job store; None without one.

    The store names results by digest: `_record.json` is written when a result is finished, and never again.
    """
    from voxloop.store.digests import RECORD_NAME
    from voxloop.store.job_store import JobStore, read_runner_key

    settings = get_settings()
    kept = [path for path in (settings.store / "features").glob("*/") if not path.name.startswith(".")]
    store = JobStore(settings.store, read_runner_key(settings.runner_key_file))
    for folder in sorted(kept, key=lambda path: (path / RECORD_NAME).stat().st_mtime_ns, reverse=True):
        if store.find("features", folder.name) is not None:
            return folder
    return None


def _read_moment(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        raise InputError(
            f"{text!r} is no moment", rule="it is ISO 8601 with a time zone", remedy="write --at 2026-02-01T00:00:00Z"
        )
    return moment
