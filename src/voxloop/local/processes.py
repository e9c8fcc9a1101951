"""The processes of the platform as the operating system sees them: found by a mark in their environment.

A process group is not enough: Airflow gives every task a group of its own, which outlives a killed scheduler. The
mark is the address of our supervisor, which supervisord puts into the environment of its children.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import suppress

import psutil

MARK = "SUPERVISOR_SERVER_URL"


def find_marked(mark: str) -> list[psutil.Process]:
    """Return every process but this one whose environment carries the mark."""
    return [process for process in psutil.process_iter() if process.pid != os.getpid() and is_marked(process, mark)]


def is_marked(process: psutil.Process, mark: str) -> bool:
    """Say whether a process carries the mark; one that is gone, or not ours to read, does not."""
    try:
        return process.environ().get(MARK) == mark
    except (psutil.Error, OSError):
        return False


def end_marked(mark: str, *, grace: float = 5.0) -> int:
    """End every marked process, asked first, killed after `grace` seconds; return how many there were.

    Repeated, because a process may start another while it is being ended.
    """
    ended = 0
    for _ in range(5):
        found = find_marked(mark)
        if not found:
            break
        ended += len(found)
        for process in found:
            with suppress(psutil.NoSuchProcess):
                process.terminate()
        for process in psutil.wait_procs(found, timeout=grace)[1]:
            with suppress(psutil.NoSuchProcess):
                process.kill()
        psutil.wait_procs(found, timeout=grace)
    return ended


def end_groups_below(pid: int, *, grace: float = 5.0) -> None:
    """Ask every process group that descends from a process, but not its own, to end, and wait for it.

    Airflow's tasks are such groups. Ended while the API server still listens, they report that they may be tried
    again; ended after it, they would count as running until their heartbeat is missed.
    """
    below = {}
    for process in family(pid):
        with suppress(ProcessLookupError):  # tasks come and go
            below[process] = os.getpgid(process.pid)
    own = os.getpgid(pid)
    for group in {group for group in below.values() if group != own}:
        with suppress(ProcessLookupError):
            os.killpg(group, signal.SIGTERM)
    psutil.wait_procs([process for process, group in below.items() if group != own], timeout=grace)


def family(pid: int) -> Iterator[psutil.Process]:
    """Yield a process and all that descend from it."""
    with suppress(psutil.NoSuchProcess):
        head = psutil.Process(pid)
        yield head
        yield from head.children(recursive=True)


def memory(pid: int) -> float:
    """Return the memory of a process and its descendants in MiB, PSS: what is shared is counted once in all."""
    total = 0
    for process in family(pid):
        with suppress(psutil.Error):
            total += process.memory_full_info().pss
    return total / 2**20
