"""Saves checkpoints in one process and kills it from another, over and over; ends in one JSON line of what was found.

`python checkpoint_storm.py random ROOT KILLS SEED` kills at random moments; `lines` kills the saver before each line of
Python it runs in a save, one after the other (KILLS of them, spread evenly); `full` fails on a disk that is full.
Any finding is an AssertionError.
"""

from __future__ import annotations

import json
import os
import random
import resource
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

import torch

from voxloop.errors import VoxloopError
from voxloop.training.checkpoints import CheckpointStore, read_checkpoint

KEEP = 2
ROOM = 3 * 2**20
WATCHED = ("checkpoints.py", "tensors.py", "atomic.py", "sweep.py", "digests.py")


def tensors_of(step: int) -> dict[str, torch.Tensor]:
    """Return tensors that say which step they are of, 0.4 to 1.2 MB."""
    rows = 100 + 37 * step % 200
    return {"network.weight": torch.full((rows, 1000), float(step)), "optimiser.step": torch.tensor(float(step))}


def fork_saver(root: Path, first: int, prepare: Callable[[], None] | None = None) -> tuple[int, int]:
    """Start a process that saves from step `first` on without end; return its id and a pipe of the steps it saved."""
    reader, writer = os.pipe()
    if process := os.fork():
        os.close(writer)
        return process, reader
    store = CheckpointStore(root, keep=KEEP)
    os.write(writer, b"0\n")
    if prepare:
        prepare()
    for step in range(first, first + 10**6):
        try:
            store.save(step, tensors_of(step), {"step": step})
        except VoxloopError as failed:
            if "No space left" not in str(failed):
                raise
            continue
        os.write(writer, f"{step}\n".encode())
    raise SystemExit(1)


def kill_saver(process: int, pipe: int, after: float) -> int:
    """Kill once it saves; return the last step it said it had saved, 0 for none."""
    said = os.read(pipe, 4096)
    time.sleep(after)
    os.kill(process, signal.SIGKILL)
    return collect(process, pipe, said)


def collect(process: int, pipe: int, said: bytes = b"") -> int:
    assert os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]) == -signal.SIGKILL
    while more := os.read(pipe, 65536):
        said += more
    os.close(pipe)
    return int(said.split()[-1])


def names(root: Path) -> list[str]:
    return sorted(path.name for path in root.iterdir())


def check_whole(root: Path, least: int) -> int:
    """Assert that every checkpoint there is whole, the newest at least of step `least`; return the newest's step."""
    steps = [0]
    for place in root.glob("step-*"):
        found = read_checkpoint(place)
        wanted = tensors_of(found.step)
        assert found.tensors.keys() == wanted.keys()
        assert all(torch.equal(found.tensors[name], value) for name, value in wanted.items())
        steps.append(found.step)
    assert max(steps) >= least, f"step {least} was saved, {max(steps)} is the newest there"
    return max(steps)


def check_no_leftovers(root: Path, step: int) -> None:
    """Assert that after one save more only checkpoints are there."""
    CheckpointStore(root, keep=KEEP).save(step, tensors_of(step), {"step": step})
    assert all(name.startswith("step-") for name in names(root)), names(root)
    assert len(names(root)) <= KEEP, names(root)


def storm(root: Path, kills: int, seed: int, *, ballast: Path | None = None) -> dict[str, Any]:
    """Kill at random moments; with `ballast`, a file that fills the disk is there except for the last save."""
    draw = random.Random(seed)  # noqa: S311 - moments, not secrets
    newest, torn, failed = 0, 0, 0
    for _ in range(kills):
        if ballast:
            ballast.write_bytes(bytes(draw.randrange(ROOM // 2)))
        process, pipe = fork_saver(root, newest + 1)
        said = kill_saver(process, pipe, draw.uniform(0.0, 0.05))
        torn += any(name.startswith(".") for name in names(root))
        found = check_whole(root, max(said, newest))
        failed += bool(ballast) and said == 0
        if ballast:
            ballast.unlink()
        newest = found + 1
        check_no_leftovers(root, newest)
    return {"kills": kills, "inside a save": torn, "nothing saved before the kill": failed}


def die_at(line: int) -> Callable[[], None]:
    """Return what makes a process kill itself before the `line`-th line it runs of the files watched."""
    left = line

    def trace(frame: FrameType, event: str, _argument: object) -> Any:
        nonlocal left
        if Path(frame.f_code.co_filename).name not in WATCHED:
            return None
        if event == "line":
            left -= 1
            if left < 0:
                os.kill(os.getpid(), signal.SIGKILL)
        return trace

    return lambda: sys.settrace(trace)


def count_lines(root: Path) -> int:
    """Return how many lines one save runs that also removes one."""
    total = 0

    def trace(frame: FrameType, event: str, _argument: object) -> Any:
        nonlocal total
        total += event == "line"
        return trace if Path(frame.f_code.co_filename).name in WATCHED else None

    store = CheckpointStore(root, keep=KEEP)
    for step in (1, 2, 3):
        total = 0
        sys.settrace(trace)
        store.save(step, tensors_of(step), {"step": step})
        sys.settrace(None)
    return total


def every_line(root: Path, kills: int) -> dict[str, Any]:
    """Kill before lines spread evenly over a save; each line when there are kills enough."""
    lines = count_lines(root)
    places = range(lines) if kills >= lines else [lines * number // kills for number in range(kills)]
    newest = 3
    for line in places:
        process, pipe = fork_saver(root, newest + 1, die_at(line))
        said = collect(process, pipe)
        newest = check_whole(root, max(said, newest)) + 1
        check_no_leftovers(root, newest)
    return {"lines of a save": lines, "kills": len(places)}


def full(root: Path, limit: int) -> dict[str, Any]:
    """Fill the disk, or forbid files over `limit` bytes when there is one, and save."""
    store = CheckpointStore(root, keep=KEEP)
    for step in (1, 2):
        store.save(step, tensors_of(step), {"step": step})
    before = names(root)
    if limit:
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    errors = []
    for step in range(3, 23):
        try:
            store.save(step, {"network.weight": torch.zeros(2**20)}, {"step": step})
        except VoxloopError as error:
            errors.append(str(error))
    assert len(errors) == 20
    assert names(root) == before, names(root)
    check_whole(root, 2)
    found = store.load_newest()
    assert found is not None
    if limit:
        resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    check_no_leftovers(root, 3)
    return {"error": errors[0], "newest": found.step}


def main(mode: str, root: Path, number: int, seed: int) -> dict[str, Any]:
    """Run one mode; `number` is the count of kills, or for `full` the limit of a file in bytes."""
    root.mkdir(parents=True, exist_ok=True)
    if mode == "lines":
        return every_line(root, number)
    if mode == "full":
        return full(root, number)
    return storm(root, number, seed, ballast=root.parent / "ballast" if mode == "random-full" else None)


if __name__ == "__main__":
    print(json.dumps(main(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4]))))
