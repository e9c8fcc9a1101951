"""A training that is told to stop: by SIGTERM, or by the file a spot machine's notice makes."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

NOTICE_SECONDS = 1.0
"""The notice is looked for at most this often: steps can be shorter than a look at a network's file system. Clouds
give a notice half a minute to two minutes ahead."""


class Interruption:
    """Whether the training was told to stop, and by what.

    Args:
        notice: File whose being there asks to stop; None looks for none.
        clock: Seconds that never go back.
    """

    def __init__(self, notice: Path | None = None, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._notice = notice
        self._clock = clock
        self._looked: float | None = None
        self._noticed = False
        self._signal: int | None = None

    @property
    def reason(self) -> str | None:
        """What asks to stop; None while nothing does. Once there is a reason, there stays one."""
        if self._signal is not None:
            return signal.Signals(self._signal).name
        return f"the notice {self._notice}" if self._sees_notice() else None

    def _sees_notice(self) -> bool:
        if self._notice is None or self._noticed:
            return self._noticed
        now = self._clock()
        if self._looked is None or now - self._looked >= NOTICE_SECONDS:
            self._looked = now
            self._noticed = self._notice.exists()
        return self._noticed

    @contextmanager
    def listening(self) -> Iterator[Interruption]:
        """Take SIGTERM for a request to stop after the step under way; only a main thread can.

        The handler there was before is put back at the end. A second SIGTERM changes nothing: whoever cannot wait for
        the checkpoint sends SIGKILL.
        """
        if threading.current_thread() is not threading.main_thread():
            yield self
            return
        before = signal.signal(signal.SIGTERM, self._receive)
        try:
            yield self
        finally:
            signal.signal(signal.SIGTERM, before if before is not None else signal.SIG_DFL)

    def _receive(self, received: int, _frame: FrameType | None) -> None:
        self._signal = received
