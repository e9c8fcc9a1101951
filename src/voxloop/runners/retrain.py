"""Train a family again for a reason, once: `voxloop retrain` and `voxloop retry`.

The command claims the retraining in the ledger, holds its lock, runs the pipeline `training` and writes how that ended.
Whoever is killed leaves an open attempt, which the same command, or the next reason of the family, goes on with; steps
that had finished come back from the job store.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from voxloop.config import Overrides
from voxloop.errors import InputError, VoxloopError
from voxloop.monitoring.retraining import (
    ASKED,
    JUDGED,
    Attempt,
    Reason,
    Retraining,
    find_open,
    find_retraining,
    list_retrainings,
)
from voxloop.settings import Settings, get_settings, now

if TYPE_CHECKING:
    from voxloop.ledger.book import Ledger
    from voxloop.ledger.entry import Entry
    from voxloop.runners.result import RunResult

PIPELINE = "training"


def retrain(
    *,
    kind: str = ASKED,
    episode: str | None = None,
    because: str = "",
    asked_by: str = "",
    config: str = "local",
    overrides: Overrides = (),
) -> Path:
    """Train a family again for a reason, once however often the reason is given, and wait for its end.

    A reason is the family, its kind and its episode; its id is a function of them. The first to give it claims the
    retraining, and binds the arguments and the data. Given again, by whomever, it runs nothing a second time: who
    comes while it runs waits for its end. While the family has another retraining open, the reason joins that one,
    under the arguments that are bound there, and goes on with it should its process have died. A night, or drift,
    with nothing new since a retraining that was judged (code, configuration, arguments, data) is not trained: it
    would make the same model. A rejected model is a verdict, not a failure: the exit code is 0. What fails for good
    stays failed until a person says `voxloop retry`. Who gives a reason that claims or joins a retraining stands in
    the ledger, and does not approve what comes of it.

    Args:
        kind: `night`, `drift` or `asked`.
        episode: Which one of its kind; the time of day when left out, so that it is a reason of its own.
        because: In words; the ledger keeps it for good.
        asked_by: For whom a scheduler runs this: its user who started the run. Beside whoever's process this is: the
            account of MLflow that the environment names, and the system's.
        config: Arguments of the pipeline: `configs/pipelines/training/<config>.yaml`; `--set` changes one.
        overrides: Changes to the arguments.

    Returns:
        Folder of the run, where `result.json` says what came of it.

    Raises:
        ConfigError: An argument the pipeline does not have, or of the wrong type.
        InputError: `recorded_before` is no time with a zone.
        RefusedError: An earlier attempt for this reason failed for good, or its data or code changed under it.
        VoxloopError: A step failed; exit code 75 or 85 says that trying again can help.
    """
    from voxloop.data.recording_bound import read_bound
    from voxloop.jobs.principal import find_principal
    from voxloop.ledger.book import open_ledger
    from voxloop.monitoring.retraining_acts import claim
    from voxloop.runners.compile import read_arguments

    arguments = read_arguments(PIPELINE, config, overrides)
    at = now()
    if arguments.get("recorded_before"):
        read_bound(str(arguments["recorded_before"]))
    reason = Reason(str(arguments["task"]), kind, episode or f"{at:%Y-%m-%dT%H:%M:%S.%fZ}")
    settings, ledger = get_settings(), open_ledger(get_settings())
    bound = {"arguments": arguments, "data": digest_data(arguments)}
    _end_abandoned(settings, ledger, find_open(ledger.read(), reason.task))
    if kind != ASKED and (same := _find_same(settings, ledger.read(), reason, bound)):
        return _say_nothing_new(settings, same)
    askers = [*find_principal(), *filter(None, [asked_by])]
    retraining, has_joined = claim(ledger, reason, bound=bound, because=because or str(reason), at=at, asked_by=askers)
    if has_joined:
        print(f"{reason.retrain_id} joins {retraining.retrain_id} ({retraining.reason})", flush=True)
    return _see_through(settings, ledger, retraining.retrain_id)


def retry(retrain_id: str, *, because: str) -> Path:
    """Try a retraining that failed once more, under the same id, with the arguments and the data bound at its claim.

    Args:
        retrain_id: As `voxloop retrain` and the log of the DAG name it.
        because: What was mended; the ledger keeps it for good.

    Returns:
        Folder of the run.

    Raises:
        InputError: There is no such retraining, or no reason.
        RefusedError: It was judged, or the family has another one open, or its data changed.
        VoxloopError: A step failed.
    """
    from voxloop.jobs.principal import find_principal
    from voxloop.ledger.book import open_ledger
    from voxloop.monitoring.retraining_acts import begin_retry

    settings, ledger = get_settings(), open_ledger(get_settings())
    _end_abandoned(settings, ledger, find_retraining(ledger.read(), retrain_id))
    code, asked_by = digest_recipe(settings), find_principal()
    attempt = begin_retry(ledger, retrain_id, code=code, because=because, at=now(), asked_by=asked_by)
    print(f"attempt {attempt.number} of {attempt.began.subject}", flush=True)
    return _see_through(settings, ledger, attempt.began.subject)


def retraining_folder(settings: Settings, retrain_id: str) -> Path:
    """Return the folder of a retraining's run, the same for all of its attempts."""
    return settings.home.absolute() / "runs" / retrain_id


def digest_data(arguments: Mapping[str, Any]) -> str | None:
    """Return the digest of the rows that a run would read; None where they lie on another machine.

    Of a run as of a moment, those recorded before it: what comes later is none of its business. Where they cannot be
    listed, the whole folder counts, and the step that reads it says what is wrong.
    """
    from voxloop.store.digests import digest_tree

    path = Path(str(arguments["corpus_path"])) if arguments.get("corpus_path") else None
    if path is not None and not path.exists():
        return None
    if arguments.get("corpus"):
        with suppress(InputError):
            return _digest_rows(arguments, path)
    return None if path is None else digest_tree(path)


def _digest_rows(arguments: Mapping[str, Any], path: Path | None) -> str:
    from voxloop.jobs.ingest import digest_corpus

    return digest_corpus(
        path,
        corpus=str(arguments["corpus"]),
        recorded_before=str(arguments.get("recorded_before", "")),
        overrides=tuple(arguments.get("corpus_overrides") or ()),
    )


def digest_recipe(settings: Settings) -> str:
    """Return the digest of the code and of the configuration files that an attempt runs with."""
    from voxloop.store.digests import code_digest, digest_json, digest_tree

    return digest_json([code_digest(), digest_tree(settings.project_root / "configs")])


def lock_of(settings: Settings, retrain_id: str) -> Path:
    """Return the lock that whoever runs a retraining on this machine holds."""
    return settings.home / "retrainings" / f"{retrain_id}.lock"


def _end_abandoned(settings: Settings, ledger: Ledger, found: Retraining | None) -> None:
    """End an open attempt that nobody runs and nobody can go on with: its code, configuration or data are no more.

    Without this the family would wait for it for ever.
    """
    from voxloop.monitoring.retraining_acts import begin_attempt, end_attempt, require_retraining
    from voxloop.store.lock import take_lock

    if found is None or not found.is_open:
        return
    if (lock := take_lock(lock_of(settings, found.retrain_id))) is None:
        return
    with lock:
        found = require_retraining(ledger.read(), found.retrain_id)  # whoever held the lock may just have ended it
        if not found.is_open or not (gone := _find_gone(settings, found)):
            return
        begun = found.attempts or (begin_attempt(ledger, found.retrain_id, code=digest_recipe(settings), at=now()),)
        error = f"its process died, and its {gone} changed before anybody went on with it"
        end_attempt(ledger, begun[-1], {"error": error}, at=now())
        print(f"{found.retrain_id}, attempt {begun[-1].number}: {error}", flush=True)


def _find_gone(settings: Settings, found: Retraining) -> str:
    """Return what an open retraining was bound to and is not there any more, in words; empty when all of it is."""
    if found.attempts and found.attempts[-1].began.content["code"] != digest_recipe(settings):
        return "code or configuration"
    return "" if digest_data(found.bound["arguments"]) == found.bound["data"] else "data"


def _find_same(
    settings: Settings, entries: Sequence[Entry], reason: Reason, bound: Mapping[str, Any]
) -> Retraining | None:
    """Return a judged retraining that read and ran just what a new reason would; None where something is new."""
    if find_retraining(entries, reason.retrain_id) is not None or find_open(entries, reason.task) is not None:
        return None
    code = digest_recipe(settings)
    same = [
        found
        for found in list_retrainings(entries, reason.task)
        if found.state == JUDGED
        and _reads_same(found.bound, bound)
        and found.attempts[-1].began.content["code"] == code
    ]
    return same[-1] if same else None


def _reads_same(there: Mapping[str, Any], here: Mapping[str, Any]) -> bool:
    """Return whether two retrainings are bound to the same, whatever the moments as of which they read the same rows.

    Where there is no digest of the rows, only the same moment gives the same.
    """
    if here["data"] is None or there["data"] is None:
        return there == here

    def leave_moment(bound: Mapping[str, Any]) -> dict[str, Any]:
        return {key: value for key, value in bound["arguments"].items() if key != "recorded_before"}

    return there["data"] == here["data"] and leave_moment(there) == leave_moment(here)


def _say_nothing_new(settings: Settings, same: Retraining) -> Path:
    folder = retraining_folder(settings, same.retrain_id)
    made = f"{same.retrain_id} ({same.reason}; {same.attempts[-1]})"
    reason = f"nothing new since {made}: code, arguments and data are its, so new labelled data are what it takes"
    print(reason, flush=True)
    print(json.dumps({"retrain_id": same.retrain_id, "folder": str(folder), "nothing_new": reason}), flush=True)
    return folder


def _see_through(settings: Settings, ledger: Ledger, retrain_id: str) -> Path:
    """Run what is left of a retraining; only one process does, the others wait for it."""
    from voxloop.monitoring.retraining_acts import begin_attempt, require_retraining

    folder = retraining_folder(settings, retrain_id)
    with _hold_alone(lock_of(settings, retrain_id), retrain_id):
        found = require_retraining(ledger.read(), retrain_id)
        if found.state == JUDGED:
            print(f"{retrain_id} was judged already: {found.attempts[-1]}", flush=True)
        else:
            attempt = begin_attempt(ledger, retrain_id, code=digest_recipe(settings), at=now())
            _run(ledger, found, attempt, folder)
    print(json.dumps({"retrain_id": retrain_id, "folder": str(folder)}), flush=True)
    return folder


@contextmanager
def _hold_alone(lock: Path, retrain_id: str) -> Iterator[None]:
    """Hold a retraining's lock; who has to wait for it says so."""
    from voxloop.store.lock import hold_lock, take_lock

    if (held := take_lock(lock)) is not None:
        with held:
            yield
        return
    print(f"another process runs {retrain_id}: waiting for its end", flush=True)
    with hold_lock(lock):
        yield


def _run(ledger: Ledger, found: Retraining, attempt: Attempt, folder: Path) -> None:
    """Run the pipeline as it was bound. What another try can mend leaves the attempt open, and so does a kill."""
    from voxloop.monitoring.retraining_acts import end_attempt

    print(f"{found.retrain_id}, attempt {attempt.number} ({found.reason})", flush=True)
    try:
        _require_same_data(found)
        # Not bound with the rest: with its own name among them, no two retrainings had the same arguments.
        result = _run_pipeline({**found.bound["arguments"], "retrain_id": found.retrain_id}, folder)
    except Exception as failed:
        if not getattr(failed, "transient", False):
            problem = failed.problem if isinstance(failed, VoxloopError) else f"{type(failed).__name__}: {failed}"
            end_attempt(ledger, attempt, {"error": problem[:2000]}, at=now())
        raise
    ended = end_attempt(ledger, attempt, _read_outcome(result, folder), at=now())
    print(f"{found.retrain_id}: {Attempt(attempt.began, ended)}", flush=True)


def _run_pipeline(arguments: Mapping[str, object], folder: Path) -> RunResult:
    from voxloop.runners.run import run_arguments

    return run_arguments(PIPELINE, dict(arguments), folder)


def _require_same_data(found: Retraining) -> None:
    data = digest_data(found.bound["arguments"])
    if data != found.bound["data"]:
        raise InputError(
            f"the corpus of {found.retrain_id} is {str(data)[:12]}, {str(found.bound['data'])[:12]} was bound",
            rule="a retraining reads the data it was claimed for",
            remedy="put them back, or give a new reason for the new data",
        )


def _read_outcome(result: RunResult, folder: Path) -> dict[str, object]:
    """Return what the ledger keeps of a run: verdicts, names of evidence that lies elsewhere, and what it learned."""
    from voxloop.runners.learned import read_learned

    learned = read_learned(result, folder)
    return {
        "data_verdict": result.data_verdict,
        "verdict": result.verdict,
        "model": result.model_digest,
        "run": result.run_id,
        "version": result.version,
        **({"learned": learned.as_page()} if learned else {}),
    }
