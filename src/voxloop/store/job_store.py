"""Finished steps, kept by the digest of everything they were made from, and verified before they are used again.

A pure step is a function of its inputs, its configuration and the code. `run_step` is the only way one runs: it
looks the result up, checks every byte of it and copies it in; or makes it beside the place it was asked for, records
how, keeps a copy and renames it. A result that was changed, cut short or forged is put aside and made again.
"""

from __future__ import annotations

import hmac
import json
import os
import secrets
import shutil
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack, suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from voxloop.errors import InputError, IntegrityError
from voxloop.settings import get_settings
from voxloop.store.atomic import (
    build_folder,
    make_beside,
    refuse_occupied,
    remove_tree,
    sync_folder,
    sync_tree,
    write_file,
)
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
from voxloop.store.sweep import hold_store

KEY_BYTES = 32


@dataclass(frozen=True)
class StepRecord:
    """What a step was made from and what it made, as digests, with the runner's seal on it."""

    step: str
    key: str
    inputs: Mapping[str, str | None]
    config: Mapping[str, object]
    code: str
    outputs: Mapping[str, str]
    seal: str = ""

    def sealed(self, secret: bytes) -> StepRecord:
        """Return the record with the HMAC-SHA256 of its other fields."""
        return StepRecord(**{**asdict(self), "seal": self._seal(secret)})

    def is_authentic(self, secret: bytes) -> bool:
        """Return whether the seal is the one `secret` makes."""
        return hmac.compare_digest(self.seal, self._seal(secret))

    def _seal(self, secret: bytes) -> str:
        fields = {name: value for name, value in asdict(self).items() if name != "seal"}
        return hmac.new(secret, canonical_json(fields).encode(), "sha256").hexdigest()


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
    refuse_occupied(out)
    tombstones = _digest_tombstones()
    digests = {name: _digest_input(step, name, path) for name, path in inputs.items()}
    made_by = {"code": code_digest(), "libraries": library_versions()}
    key = digest_json({"step": step, "inputs": digests, "config": config, **made_by})
    store = JobStore(get_settings().store, read_runner_key(get_settings().runner_key_file))
    started = time.monotonic()
    if _reuse(store, step, key, out):
        print(f"step {step}: reused {key[:12]}", flush=True)
        return out
    with ExitStack() as held, build_folder(out) as folder:
        work(folder)
        # Shared until `out` has its name: an erasure holds it alone, so it comes before these checks or finds `out`.
        held.enter_context(hold_store(store.root, alone=False))
        _refuse_erased_meanwhile(step, tombstones)
        _refuse_changed_inputs(step, inputs, digests)
        record = StepRecord(step, key, digests, config, code_digest(), list_files(folder)).sealed(store.secret)
        write_file(folder / RECORD_NAME, canonical_json(asdict(record)))
        store.keep(record, folder)
    print(f"step {step}: computed {key[:12]} in {time.monotonic() - started:.1f} s", flush=True)
    return out


class JobStore:
    """Results on disk as `<root>/<step>/<key>/`, read-only.

    Args:
        root: Folder of the store.
        secret: The runner's key; a record sealed by another key is not believed.
    """

    def __init__(self, root: Path, secret: bytes) -> None:
        self.root = root
        self.secret = secret

    def find(self, step: str, key: str) -> Path | None:
        """Return the folder of a whole, unchanged result; a spoilt one is put aside and said so."""
        folder = self.root / step / key
        if not folder.is_dir():
            return None
        try:
            verify_result(folder, step, key, self.secret)
        except IntegrityError as spoilt:
            aside = self._put_aside(folder)
            print(f"step {step}: {spoilt}; put aside as {aside.name}", flush=True)
            return None
        return folder

    def keep(self, record: StepRecord, folder: Path) -> None:
        """Copy a finished result in. Of two that finish at once the first stays: they are the same."""
        place = self.root / record.step / record.key
        beside = make_beside(place)
        try:
            _copy_contents(folder, beside)
            sync_tree(beside)
            _set_writable(beside, writable=False)
            beside.chmod(0o755)  # a folder must be writable by its owner to be renamed
            if not place.exists():
                beside.rename(place)
                place.chmod(0o555)
                sync_folder(place.parent)
        finally:
            if beside.exists():
                remove_tree(beside)

    def _put_aside(self, folder: Path) -> Path:
        folder.chmod(0o755)
        return folder.rename(folder.with_name(f".spoilt-{folder.name}-{secrets.token_hex(4)}"))


def verify_result(folder: Path, step: str, key: str, secret: bytes) -> StepRecord:
    """Read the record of a kept result and check the seal and every byte it speaks of.

    Raises:
        IntegrityError: The record is missing, malformed, not sealed by this runner, of another step, or the files
            are not those it lists.
    """
    name = f"stored result {step}/{key[:12]}"
    try:
        record = StepRecord(**json.loads((folder / RECORD_NAME).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError) as unreadable:
        raise IntegrityError(f"{name} has no readable record ({unreadable})", remedy="it is made again") from None
    if not record.is_authentic(secret) or (record.step, record.key) != (step, key):
        raise IntegrityError(f"{name} carries a record this runner did not seal", remedy="it is made again")
    if (found := list_files(folder)) != dict(record.outputs):
        changed = sorted(set(found.items()) ^ set(record.outputs.items()))
        raise IntegrityError(f"{name} was changed in {changed[0][0]}", remedy="it is made again")
    return record


def read_record(folder: Path) -> StepRecord | None:
    """Return the record beside a step's outputs, unverified; None when the folder has none."""
    path = folder / RECORD_NAME
    return StepRecord(**json.loads(path.read_text(encoding="utf-8"))) if path.is_file() else None


def read_runner_key(path: Path) -> bytes:
    """Return the runner's key, making one of 32 random bytes on first use, readable by its owner alone."""
    if not path.exists():
        write_new_key(path)
    if len(key := path.read_bytes()) != KEY_BYTES:
        raise IntegrityError(
            f"{path} holds {len(key)} bytes",
            rule=f"the runner's key has {KEY_BYTES}",
            remedy="remove it: a new one is made, and stored results are computed again",
        )
    return key


def write_new_key(path: Path) -> None:
    """Write a fresh key unless another process was faster: the first one there stays."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = write_file(
        path.with_name(f".{path.name}.{secrets.token_hex(4)}"), secrets.token_bytes(KEY_BYTES), mode=0o600
    )
    try:
        path.hardlink_to(beside)
    except FileExistsError:
        pass
    finally:
        beside.unlink()


def _reuse(store: JobStore, step: str, key: str, out: Path) -> bool:
    """Copy a kept result to `out`; return False when there is none. No sweep takes it away meanwhile."""
    with hold_store(store.root, alone=False):
        if (kept := store.find(step, key)) is None:
            return False
        with suppress(PermissionError):  # another user's result, read all the same
            os.utime(kept)  # what is used stays in grace, also for a runner whose run folder lies elsewhere
        with build_folder(out) as folder:
            _copy_contents(kept, folder)
            verify_result(folder, step, key, store.secret)  # the copy too: a disk may fail while it is made
    return True


def _digest_input(step: str, name: str, path: Path | None) -> str | None:
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
        if _digest_input(step, name, path) != digests[name]:
            raise IntegrityError(
                f"{path} changed while {step} read it", rule="a result belongs to its inputs", remedy="run it again"
            )


def _digest_tombstones() -> str:
    try:
        return digest_file(get_settings().tombstones_file)
    except FileNotFoundError:  # nobody was erased yet
        return ""


def _refuse_erased_meanwhile(step: str, tombstones: str) -> None:
    if _digest_tombstones() != tombstones:
        raise IntegrityError(
            f"somebody was erased while {step} ran",
            rule="what it read before the erasure may hold them still",
            remedy="run it again",
        )


def _copy_contents(source: Path, target: Path) -> None:
    shutil.copytree(source, target, dirs_exist_ok=True, copy_function=shutil.copyfile)
    _set_writable(target, writable=True)


def _set_writable(folder: Path, *, writable: bool) -> None:
    for path in [folder, *folder.rglob("*")]:
        if path.is_dir():
            path.chmod(0o755 if writable else 0o555)
        else:
            path.chmod(0o644 if writable else 0o444)
