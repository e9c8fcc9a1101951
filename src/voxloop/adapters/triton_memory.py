"""How much memory a model takes on this machine: that of the processes the Python backend runs for it alone.

Each instance of a model is a process of its own, whose command line names the staged `model.py`. A backend that loads
models into the server itself, or a server on another machine, leaves nothing of the kind to be seen.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

PROCESSES = Path("/proc")
KIB = 1024


def measure_peak(folder: Path) -> int | None:
    """Return the resident memory, at most so far, of the processes that run a staged model, bytes.

    Args:
        folder: Of the model in the repository.

    Returns:
        None where no such process is seen.
    """
    found = [peak for process in _find_processes(folder) if (peak := _read_peak(process))]
    return sum(found) or None


def _find_processes(folder: Path) -> Iterator[Path]:
    within = f"{folder}/".encode()
    for process in PROCESSES.glob("[0-9]*"):
        with suppress(OSError):  # it may have ended meanwhile
            if any(part.startswith(within) for part in (process / "cmdline").read_bytes().split(b"\0")):
                yield process


def _read_peak(process: Path) -> int:
    with suppress(OSError):
        for line in (process / "status").read_text(encoding="utf-8").splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * KIB
    return 0
