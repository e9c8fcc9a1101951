"""Work for the decoding pool that harms whoever does it, and work that does not."""

from __future__ import annotations

import ctypes
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

from voxloop.errors import CorpusError


def crash() -> None:
    """Read the address 0."""
    ctypes.string_at(0)


def loop() -> None:
    """Never end, in Python."""
    while True:
        pass


def loop_in_c() -> None:
    """Never end, in C, with Python's lock held."""
    sum(range(10**15))


def eat() -> None:
    """Ask for 128 MiB."""
    bytearray(2**27)


def say_no() -> None:
    """Fail as a corpus does."""
    raise CorpusError("the reader says no", remedy="say yes")


def have_a_bug() -> None:
    """Fail as nobody meant to."""
    raise KeyError("speaker")


DEEDS: dict[str, Callable[[], object]] = {
    "crash": crash,
    "kill": lambda: os.kill(os.getpid(), signal.SIGKILL),
    "exit": lambda: os._exit(3),
    "loop": loop,
    "loop in C": loop_in_c,
    "wait": lambda: time.sleep(1_000),
    "eat": eat,
    "known": say_no,
    "bug": have_a_bug,
}


def work(item: str) -> str:
    """Do the deed of that name; any other item is harmless."""
    if item in DEEDS:
        DEEDS[item]()
    return str(Path.cwd()) if item == "where" else f"{item} done"
