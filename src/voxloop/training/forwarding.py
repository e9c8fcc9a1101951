"""A watcher in the process that started the ranks: rank 0 tells it everything as lines of JSON through a socket."""

from __future__ import annotations

import json
import select
import socket
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from voxloop.training.losses import Step
from voxloop.training.progress import Progress
from voxloop.training.watching import Watcher


class ForwardingWatcher:
    """Stands for the watcher of the starting process, on rank 0.

    Args:
        place: Socket it listens at.
    """

    def __init__(self, place: Path) -> None:
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.connect(str(place))
        self._answers = self._socket.makefile("r", encoding="utf-8")

    def start_epoch(self, progress: Progress, steps: int) -> None:
        """Tell that an epoch begins."""
        self._tell("start_epoch", progress, steps)

    def step(self, progress: Progress, audio_seconds: float, waited: float) -> None:
        """Tell that a step is done; the history, told at the epoch's start, does not travel again."""
        self._tell("step", progress.model_copy(update={"history": ()}), audio_seconds, waited)

    def settle(self, progress: Progress, steps: Sequence[Step]) -> None:
        """Tell the losses of the last steps."""
        plain = [step._replace(batches=tuple(batch.tolist() for batch in step.batches)) for step in steps]
        self._tell("settle", progress.model_copy(update={"history": ()}), plain)

    def finish_epoch(self, progress: Progress, *, better: bool) -> None:
        """Tell that an epoch is done."""
        self._tell("finish_epoch", progress, better)

    def resumed(self, progress: Progress) -> None:
        """Tell where it goes on."""
        self._tell("resumed", progress)

    def wants_to_end(self, progress: Progress) -> bool:
        """Ask, and wait for the answer; no answer ends the training too."""
        self._tell("wants_to_end", progress)
        return self._answers.readline().strip() != "false"

    def _tell(self, call: str, progress: Progress, *values: Any) -> None:
        line = json.dumps([call, progress.model_dump(mode="json"), *values]) + "\n"
        self._socket.sendall(line.encode())


class WatcherPort:
    """Hears a `ForwardingWatcher` and calls the watcher it stands for.

    Args:
        listening: A bound socket.
        watcher: Who is called, in the thread that calls `serve`.
    """

    def __init__(self, listening: socket.socket, watcher: Watcher) -> None:
        self._sockets = [listening]
        self._listening = listening
        self._watcher = watcher
        self._heard = b""
        self._known = Progress()

    def serve(self, seconds: float) -> bool:
        """Wait so long at most for something to hear, and act on it; return whether there was something."""
        ready = select.select(self._sockets, [], [], seconds)[0]
        for one in ready:
            if one is self._listening:
                self._sockets.append(one.accept()[0])
            elif content := one.recv(1 << 16):
                self._hear(one, content)
            else:
                self._sockets.remove(one)
                one.close()
        return bool(ready)

    def close(self) -> None:
        """Hang up."""
        for one in self._sockets:
            one.close()

    def _hear(self, speaker: socket.socket, content: bytes) -> None:
        *lines, self._heard = (self._heard + content).split(b"\n")
        for line in lines:
            call, progress, *values = json.loads(line)
            answer = self._call(call, Progress.model_validate(progress), values)
            if answer is not None:
                speaker.sendall(b"true\n" if answer else b"false\n")

    def _call(self, call: str, progress: Progress, values: list[Any]) -> bool | None:
        if call in {"step", "settle"}:
            progress = progress.model_copy(update={"history": self._known.history})
        self._known = progress
        calls: dict[str, Callable[[], bool | None]] = {
            "start_epoch": lambda: self._watcher.start_epoch(progress, values[0]),
            "step": lambda: self._watcher.step(progress, values[0], values[1]),
            "settle": lambda: self._watcher.settle(progress, [_read_step(step) for step in values[0]]),
            "finish_epoch": lambda: self._watcher.finish_epoch(progress, better=values[0]),
            "resumed": lambda: self._watcher.resumed(progress),
            "wants_to_end": lambda: self._watcher.wants_to_end(progress),
        }
        return calls[call]()


@contextmanager
def watcher_port(place: Path, watcher: Watcher) -> Iterator[WatcherPort]:
    """Listen at the socket `place` for a watcher's sake."""
    listening = socket.socket(socket.AF_UNIX)
    port = WatcherPort(listening, watcher)
    try:
        listening.bind(str(place))
        listening.listen(1)
        yield port
    finally:
        port.close()


def _read_step(values: list[Any]) -> Step:
    number, batches, *rest = values
    return Step(number, tuple(np.array(batch, dtype=np.int64) for batch in batches), *rest)
