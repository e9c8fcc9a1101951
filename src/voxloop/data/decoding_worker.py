"""The other half of the decoding pool: what a worker process is, and the limits it puts on itself."""

from __future__ import annotations

import ctypes
import gc
import os
import resource
import signal
import traceback
from collections.abc import Callable, Container
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from voxloop.errors import VoxloopError

OUT_OF_MEMORY = 81
"""Exit code of a worker that could not have what it asked for."""

_DIE_WITH_PARENT = 1  # PR_SET_PDEATHSIG of prctl(2)


@dataclass(frozen=True)
class WorkerLimits:
    """What one file may take: processor seconds, and MiB beyond what the worker had before."""

    seconds: float
    mebibytes: int


@dataclass(frozen=True)
class Fault:
    """An exception that is no finding: it ends the run."""

    error: VoxloopError


def serve(
    orders: Connection, results: Connection, work: Callable[[Any], Any], limits: WorkerLimits, folder: str
) -> None:
    """Be a worker: answer lists of items with lists of results until the other end is gone."""
    _prepare({orders.fileno(), results.fileno()}, limits, folder)
    with suppress(EOFError, BrokenPipeError, ConnectionResetError):
        results.send([])
        while True:
            results.send([_run_one(work, item, limits.seconds) for item in orders.recv()])


def _prepare(pipes: Container[int], limits: WorkerLimits, folder: str) -> None:
    """Set the limits, and see to it that no worker outlives the run.

    The server ends when nobody else holds its pipe, and takes its children with it; so a worker, which inherits that
    pipe, lets go of it. (A thread that watches the run would not do: C code may keep Python's lock.)
    """
    os.chdir(folder)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the run, which then ends its workers
    ctypes.CDLL(None).prctl(_DIE_WITH_PARENT, signal.SIGKILL)
    for number in map(int, os.listdir("/proc/self/fd")):  # noqa: PTH208 - numbers, not paths
        if number > 2 and number not in pipes:
            with suppress(OSError):  # the one that listed them
                os.close(number)
    gc.freeze()  # what was loaded before stays: there is no use in looking through it again and again
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)  # decoders grumble on stderr about what is refused by name here (mpg123 does)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
    most = pages * resource.getpagesize() + limits.mebibytes * 2**20
    resource.setrlimit(resource.RLIMIT_AS, (most, most))


def _run_one(work: Callable[[Any], Any], item: object, seconds: float) -> object:
    """Return what came of one item. Out of time the kernel ends the process, also in the midst of C code."""
    signal.setitimer(signal.ITIMER_PROF, seconds)
    try:
        return work(item)
    except MemoryError:
        os._exit(OUT_OF_MEMORY)
    except VoxloopError as known:
        return Fault(known)
    except Exception as unknown:  # noqa: BLE001 - whatever it is, the run must hear of it and end
        place = traceback.extract_tb(unknown.__traceback__)[-1]
        return Fault(
            VoxloopError(
                f"{item} fails with {type(unknown).__name__}: {unknown}, at {Path(place.filename).name}:{place.lineno}",
                rule="a file is read, or refused with a reason",
                remedy="report this line",
            )
        )
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0.0)
