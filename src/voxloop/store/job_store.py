"""Finished steps, kept by the digest of everything they were made from, and verified before they are used again.

A pure step is a function of its inputs, its configuration and the code. `run_step` is the only way one runs: it
looks the result up, checks every byte of it and copies it in; or makes it beside the place it was asked for, records
how, keeps a copy and renames it. A result that was changed, cut short or forged is put aside and made again.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from contextvars import ContextVar
from dataclasses import asdict, dataclass
from pathlib import Path

from voxloop.errors import InputError, IntegrityError
from voxloop.settings import get_settings
from voxloop.store.atomic import build_folder, refuse_occupied, write_file
from voxloop.store.digests import (
    RECORD_NAME,
    canonical_json,
    code_digest,
    digest_file,
    digest_json,
    digest_tree,
    library_versions,
    list_files,
)
from voxloop.store.kept_results import JobStore, copy_contents
from voxloop.store.runner_key import read_runner_key
from voxloop.store.step_record import StepRecord, read_record, verify_result
from voxloop.store.sweep import hold_store
from voxloop.store.unfinished import Unfinished, discard_unfinished, hold_unfinished

__all__ = [
    "JobStore",
    "StepRecord",
    "digest_input",
    "digest_tombstones",
    "open_store",
    "read_record",
    "read_runner_key",
    "recomputing",
    "run_resumable_step",
    "run_step",
    "verify_result",
]


@dataclass(frozen=True)
class _Request:
    """What is asked of the store, resolved."""

    step: str
    inputs: Mapping[str, Path | None]
    digests: Mapping[str, str | None]
    config: Mapping[str, object]
    key: str
    out: Path
    tombstones: str
    """Digest of the tombstones when it was asked."""


_RECOMPUTING: ContextVar[tuple[StepRecord | None] | None] = ContextVar("recomputing", default=None)


@contextmanager
def recomputing(record: StepRecord | None) -> Iterator[None]:
    """Let a step run inside be computed even if its result is kept.

    Args:
        record: Of the computation it repeats: other inputs or another configuration are refused. None asks nothing.
    """
    token = _RECOMPUTING.set((record,))
    try:
        yield
    finally:
        _RECOMPUTING.reset(token)


def run_step(
    step: str,
    *,
    inputs: Mapping[str, Path | None],
    config: Mapping[str, object],
    out: Path,
    work: Callable[[Path], None],
) -> Path:
    """Run one pure step, or take its verified result from the store.

    Args:
        step: Name of the step.
        inputs: Files and folders it reads; None for an optional one that is not given.
        config: Its resolved configuration, JSON values only.
        out: The folder to write; it appears whole or not at all.
        work: Fills the folder it is given.

    Returns:
        `out`.

    Raises:
        InputError: An input does not exist, or `out` already holds something.
        IntegrityError: An input changed meanwhile, or somebody was erased: what was read before may hold them still.
    """
    request = _resolve(step, inputs, config, out)
    store = open_store()
    if not _reuse(store, request):
        _compute(store, request, work)
    return out


def run_resumable_step(
    step: str,
    *,
    inputs: Mapping[str, Path | None],
    config: Mapping[str, object],
    out: Path,
    work: Callable[[Path, Path], None],
) -> Path:
    """Run one pure step that can go on where it was stopped, or take its verified result from the store.

    Of two processes that ask for the same at once, the second waits and takes the first one's result.

    Args:
        step: As for `run_step`; so are the other arguments that are not named here.
        inputs: See there.
        config: See there; what changes only how often progress is kept does not belong in it.
        out: See there.
        work: Fills the first folder it is given. The second is its own between attempts: what it leaves there it finds
            again when the same step (inputs, configuration, code) is run after this attempt was stopped.

    Returns:
        `out`.

    Raises:
        InputError: As `run_step`.
        IntegrityError: As `run_step`; then nothing is left to go on from.
    """
    request = _resolve(step, inputs, config, out)
    store, place = open_store(), request.key if _RECOMPUTING.get() is None else f"{request.key}-again"
    if _reuse(store, request):
        discard_unfinished(store.root, step, place)
        return out
    with hold_unfinished(store.root, step, place) as unfinished:
        if not _reuse(store, request):  # else it was made by the process that was waited for
            _go_on(store, request, unfinished, work)
        unfinished.discard()
    return out


def open_store() -> JobStore:
    """Return the store of the settings."""
    return JobStore(get_settings().store, read_runner_key(get_settings().runner_key_file))


def _resolve(step: str, inputs: Mapping[str, Path | None], config: Mapping[str, object], out: Path) -> _Request:
    refuse_occupied(out)
    tombstones = digest_tombstones()
    digests = {name: digest_input(step, name, path) for name, path in inputs.items()}
    (recorded,) = _RECOMPUTING.get() or (None,)
    if recorded is not None:
        _refuse_other_than(recorded, digests, config)
    made_by = {"code": code_digest(), "libraries": library_versions()}
    key = digest_json({"step": step, "inputs": digests, "config": config, **made_by})
    return _Request(step, inputs, digests, config, key, out, tombstones)


def _reuse(store: JobStore, request: _Request) -> bool:
    """Copy a kept result to its place; return False when there is none. No sweep takes it away meanwhile."""
    step, key = request.step, request.key
    if _RECOMPUTING.get() is not None:
        return False
    with hold_store(store.root, alone=False):
        if (kept := store.find(step, key)) is None:
            return False
        with suppress(PermissionError):  # another user's result, read all the same
            os.utime(kept)  # what is used stays in grace, also for a runner whose run folder lies elsewhere
        with build_folder(request.out) as folder:
            copy_contents(kept, folder)
            verify_result(folder, step, key, store.secret)  # the copy too: a disk may fail while it is made
    print(f"step {step}: reused {key[:12]}", flush=True)
    return True


def _compute(store: JobStore, request: _Request, work: Callable[[Path], None]) -> None:
    started = time.monotonic()
    step, key = request.step, request.key
    with ExitStack() as held, build_folder(request.out) as folder:
        work(folder)
        # Shared until `out` has its name: an erasure holds it alone, so it comes before these checks or finds `out`.
        held.enter_context(hold_store(store.root, alone=False))
        _refuse_erased_meanwhile(step, request.tombstones)
        _refuse_changed_inputs(step, request.inputs, request.digests)
        outputs = list_files(folder)
        record = StepRecord(step, key, request.digests, request.config, code_digest(), outputs).sealed(store.secret)
        write_file(folder / RECORD_NAME, canonical_json(asdict(record)))
        store.keep(record, folder)
    print(f"step {step}: computed {key[:12]} in {time.monotonic() - started:.1f} s", flush=True)


def _go_on(store: JobStore, request: _Request, unfinished: Unfinished, work: Callable[[Path, Path], None]) -> None:
    """Compute; an error that comes after the work says that what it read must not be gone on with."""
    left, worked = unfinished.open(request.tombstones), False

    def attempt(folder: Path) -> None:
        nonlocal worked
        work(folder, left)
        worked = True

    try:
        _compute(store, request, attempt)
    except IntegrityError:
        if worked:
            unfinished.discard()
        raise


def _refuse_other_than(recorded: StepRecord, digests: Mapping[str, str | None], config: Mapping[str, object]) -> None:
    """Raise `IntegrityError` unless inputs and configuration are those of the record."""
    there, here = dict(recorded.inputs), dict(digests)
    changed = [f"its input {name}" for name in {**there, **here} if there.get(name) != here.get(name)]
    if json.loads(canonical_json(config)) != recorded.config:
        changed.append("its configuration")
    if changed:
        raise IntegrityError(
            f"{' and '.join(changed)} is not what step {recorded.step} was computed from",
            rule="it is computed again from exactly what it was computed from",
            remedy="put back what was there; what a changed configuration gives, a new run tells",
        )


def digest_input(step: str, name: str, path: Path | None) -> str | None:
    """Return the digest of an input of a step, None for one that is not given; `InputError` if it is not there."""
    if path is None:
        return None
    if not path.exists():
        raise InputError(
            f"{path} does not exist",
            rule=f"{step} reads it as --{name}",
            remedy="name a file or folder that does",
        )
    return digest_tree(path)


def _refuse_changed_inputs(step: str, inputs: Mapping[str, Path | None], digests: Mapping[str, str | None]) -> None:
    for name, path in inputs.items():
        if digest_input(step, name, path) != digests[name]:
            raise IntegrityError(
                f"{path} changed while {step} read it", rule="a result belongs to its inputs", remedy="run it again"
            )


def digest_tombstones() -> str:
    """Return the digest of who was erased so far."""
    try:
        return digest_file(get_settings().tombstones_file)
    except FileNotFoundError:  # nobody was erased yet
        return ""


def _refuse_erased_meanwhile(step: str, tombstones: str) -> None:
    if digest_tombstones() != tombstones:
        raise IntegrityError(
            f"somebody was erased while {step} ran",
            rule="what it read before the erasure may hold them still",
            remedy="run it again",
        )
