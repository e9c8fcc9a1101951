"""Checkpoints of a training under way: safetensors and JSON in a folder each, whole or not there.

A checkpoint is built beside, synced and renamed; what is taken away is renamed first and then deleted. So a kill at
any moment leaves whole ones under their names, and at most hidden folders that the next save removes. Nothing goes
through the system's folder for temporary files.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load, save_file
from torch import Tensor

from voxloop.errors import InputError, IntegrityError, VoxloopError
from voxloop.store.atomic import build_folder, write_file
from voxloop.store.digests import digest_json
from voxloop.store.plain_files import read_json_object, read_plain_file
from voxloop.store.sweep import DOOMED, delete, doom
from voxloop.training.tensors import digest_tensors, is_finite

TENSORS_NAME = "tensors.safetensors"
STATE_NAME = "state.json"
SCHEMA_VERSION = 1
_PLACE = re.compile(r"step-(?P<step>\d{9})(-\d{2})?")
_LEFTOVER = re.compile(r"\.(doomed-\.?)*step-\d{9}.*")


@dataclass(frozen=True)
class Checkpoint:
    """One saved place: tensors by name, JSON values, and the training it was made for."""

    step: int
    tensors: dict[str, Tensor]
    state: dict[str, Any]
    made_for: str = ""


class CheckpointStore:
    """The newest checkpoints of one training.

    Args:
        root: Folder of this training's checkpoints; nobody else writes there.
        keep: How many stay.
        made_for: Digest of what the training is a function of (configuration, data); goes into each checkpoint, and
            one made for another is refused. Empty asks nothing.
    """

    def __init__(self, root: Path, *, keep: int, made_for: str = "") -> None:
        self.root = root
        self.keep = keep
        self.made_for = made_for
        self._broken: set[Path] = set()

    def save(self, step: int, tensors: Mapping[str, Tensor], state: Mapping[str, Any]) -> Path:
        """Write one, then remove all but the newest `keep`.

        The training stands at `step`: what is there of a later one was found broken, and goes. One of the same step
        stays until the new one is there.

        Args:
            step: Steps done.
            tensors: On the CPU, contiguous; they may not change meanwhile.
            state: JSON values.

        Returns:
            The checkpoint's folder.

        Raises:
            VoxloopError: It could not be written (the disk is full, say); those before are as they were.
        """
        try:
            self._sweep()
            place = self._free_place(step)
            with build_folder(place) as folder:
                self._write(folder, step, tensors, state)
        except (OSError, SafetensorError, ValueError) as failed:
            raise VoxloopError(
                f"the checkpoint at step {step} could not be written to {self.root}: {failed}",
                rule="those before it are as they were",
                remedy="make room there, then run the same command again: it goes on from the newest",
            ) from failed
        earlier = [found for found in self._places() if found.name < place.name and found not in self._broken]
        for gone in {*self._places()} - {place, *earlier[: self.keep - 1]}:
            delete(doom(gone))
        return place

    def load_newest(self) -> Checkpoint | None:
        """Return the newest whole one, None when there is none. Nothing is changed: every rank may ask at once.

        A broken one is passed over with a line that names it and what is taken instead; the next save removes it.

        Raises:
            InputError: The newest whole one was made for another training.
        """
        broken: list[IntegrityError] = []
        for place in self._places():
            try:
                found = read_checkpoint(place)
            except IntegrityError as one:
                broken.append(one)
                self._broken.add(place)
                continue
            self._tell(broken, f"training goes on from {place.name}")
            self._refuse_foreign(place, found)
            return found
        self._tell(broken, "there is none before it that is whole: training starts afresh")
        return None

    def _write(self, folder: Path, step: int, tensors: Mapping[str, Tensor], state: Mapping[str, Any]) -> None:
        with ThreadPoolExecutor(max_workers=1) as beside:
            digest = beside.submit(digest_tensors, tensors)  # neither the sum nor the writing holds Python's lock
            save_file(dict(tensors), folder / TENSORS_NAME)
        body = {
            "schema_version": SCHEMA_VERSION,
            "step": step,
            "made_for": self.made_for,
            "tensors_bytes": (folder / TENSORS_NAME).stat().st_size,
            "tensors_digest": digest.result(),
            "state": dict(state),
        }
        write_file(folder / STATE_NAME, json.dumps({"digest": digest_json(body), "checkpoint": body}))

    def _refuse_foreign(self, place: Path, found: Checkpoint) -> None:
        if self.made_for and found.made_for != self.made_for:
            raise InputError(
                f"checkpoint {place} was made for another training ({found.made_for[:12] or 'unnamed'})",
                rule=f"this one is {self.made_for[:12]}: same configuration, same data",
                remedy="name another folder for the checkpoints, or remove this one",
            )

    @staticmethod
    def _tell(broken: list[IntegrityError], instead: str) -> None:
        for one in broken:
            print(f"{one.problem}; {instead}", flush=True)

    def _places(self) -> list[Path]:
        """Return the checkpoints there are, newest first."""
        return sorted((path for path in self.root.glob("step-*") if _PLACE.fullmatch(path.name)), reverse=True)

    def _free_place(self, step: int) -> Path:
        """Return a name for this step that is free and sorts behind those taken."""
        name = f"step-{step:09d}"
        taken = [path.name for path in self._places() if path.name.startswith(name)]
        return self.root / (f"{name}-{int(taken[0][len(name) + 1 :] or 0) + 1:02d}" if taken else name)

    def _sweep(self) -> None:
        """Remove what killed saves left: the folder is ours alone, so whatever is half-built is nobody's."""
        for path in self.root.glob(".*"):
            if _LEFTOVER.fullmatch(path.name):
                delete(path if path.name.startswith(DOOMED) else doom(path))


def read_checkpoint(place: Path) -> Checkpoint:
    """Read one checkpoint.

    Raises:
        IntegrityError: A file is missing, cut, changed, no plain file, or of another step; or a number in it is none.
    """
    try:
        sealed = read_json_object(place / STATE_NAME)
        body = sealed["checkpoint"]
        _require(not place.is_symlink(), "it is a link")
        _require(digest_json(body) == sealed["digest"], f"{STATE_NAME} is not as it was saved")
        _require(body["schema_version"] == SCHEMA_VERSION, f"it is of schema {body['schema_version']}")
        _require(place.name[:14] == f"step-{body['step']:09d}", f"it is of step {body['step']}")
        tensors = _read_tensors(place / TENSORS_NAME, body)
        return Checkpoint(body["step"], tensors, dict(body["state"]), str(body["made_for"]))
    except (InputError, OSError, ValueError, KeyError, TypeError, RecursionError, SafetensorError) as unreadable:
        told = unreadable.problem if isinstance(unreadable, VoxloopError) else f"it cannot be read ({unreadable!r})"
        raise IntegrityError(f"checkpoint {place.name} is broken: {told}", remedy="the one before it is used") from None


def _read_tensors(path: Path, body: Mapping[str, Any]) -> dict[str, Tensor]:
    content = read_plain_file(path, most=body["tensors_bytes"])
    tensors: dict[str, Tensor] = load(content)
    _require(digest_tensors(tensors) == body["tensors_digest"], f"{TENSORS_NAME} is not as it was saved")
    for name, value in tensors.items():
        _require(is_finite(value), f"{name} holds something that is no number")
    return tensors


def _require(holds: bool, problem: str) -> None:
    if not holds:
        raise InputError(problem)
