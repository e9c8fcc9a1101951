"""Erase a speaker from all data, features and stores, and say which models learnt from them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from voxloop.errors import InputError

if TYPE_CHECKING:
    from voxloop.jobs.erasure import Erasure

OUT_OF_REACH = (
    "raw corpus folders: remove their recordings there; `voxloop ingest` withholds them from now on",
    "DVC's cache and remote, which keep the datasets of before: `dvc push`, then `dvc gc --workspace --cloud`",
    "git history: it names digests, not voices; nothing to do unless somebody committed a file with their words",
    "backups and copies of the state folder: restore none without erasing again (`VOXLOOP_HOME=… voxloop erase`)",
    "their id, where it says whom a model learnt from (training/speakers.json) and in configurations you wrote",
    "weights: what a model learnt cannot be taken out; retrain without them and let the old versions go",
)
"""What this command cannot reach, each with the remedy."""


def erase(*, speaker: str, dataset: tuple[Path, ...] = (), dry_run: bool = False, reason: str = "") -> None:
    """Erase a speaker: shards, stored results, run folders, evaluation sets, features online and offline, artifacts.

    A tombstone (a salted hash) is left first, so that no ingest brings them back. Every model version that learnt from
    them, or cannot say, is listed, and one that is or may come into force gets a review. Killed at any moment, the
    same command goes on; done twice, the second changes nothing.

    Args:
        speaker: Their id, as the datasets spell it.
        dataset: A folder outside the state folder to rewrite, such as `data/dataset`; repeatable.
        dry_run: Print what would be done and change nothing.
        reason: Why, kept with the evaluation sets it changes: the number of the request, not the speaker's name.

    Raises:
        InputError: A folder is no dataset, or nobody knows the speaker.
        IntegrityError: A file that may hold them cannot be read, or holds them afterwards.
        ServiceUnavailableError: MLflow or the feature store does not answer, or a step is running: run it again.
    """
    from voxloop.adapters.mlflow_retention import MlflowArchive
    from voxloop.data.erasure_places import check_folders
    from voxloop.jobs.erasure import Erasure
    from voxloop.settings import get_settings

    if not speaker.strip() or speaker in reason:
        raise InputError(
            f"--speaker {speaker!r} with --reason {reason!r}",
            rule="a speaker has an id, and the reason is kept, so it does not name them",
            remedy="spell the id as the dataset does; give the number of the request as the reason",
        )
    folders = check_folders(dataset)
    settings = get_settings()
    erasure = Erasure(settings, MlflowArchive(settings), speaker, folders, dry_run=dry_run)
    try:
        erasure.run(reason)
    finally:
        for line in describe(erasure) if erasure.tombstone else ():  # not before it has begun
            print(line, flush=True)


def describe(erasure: Erasure) -> Iterator[str]:
    """Yield what was removed where, which models learnt from them, and what is out of reach."""
    done = erasure.done or [f"nothing of them was found{' (already erased)' if erasure.known else ''}"]
    dry = ", a dry run: nothing is changed" if erasure.dry_run else ""
    yield f"erase, tombstone {erasure.tombstone[:12]}{dry}"
    yield from (f"  {line}" for line in done)
    count = len(erasure.affected) if erasure.asked_registry else "not known: MLflow was not asked to the end"
    yield f"model versions that learnt from them: {count}"
    yield from (f"  {one}" for one in erasure.affected)
    yield "out of reach of this command:"
    yield from (f"  {line}" for line in (*erasure.left, *OUT_OF_REACH))
