"""Rows whose sound is being measured: in the order in which they came, for a moment and no longer."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any

from voxloop.monitoring.prediction import describe_measures
from voxloop.monitoring.sound_measures import HeardSound, Int16, SoundMeasurer

PATIENCE = 2.0
"""Seconds a row waits for its measures: a minute of sound takes 0.15. While the process starts, rows go without."""
Row = dict[str, Any]


@dataclass(frozen=True)
class _Measuring:
    row: Row
    measured: Future[HeardSound | None]
    since: float


class UnmeasuredRows:
    """Holds a row until its measures are there, or its time is over.

    Args:
        measurer: Measures.
        most: Rows that are held at once; of more the first go without.
    """

    def __init__(self, measurer: SoundMeasurer, most: int) -> None:
        self._measurer, self._most = measurer, most
        self._rows: deque[_Measuring] = deque()
        self.given_up = 0
        """Rows that went without."""

    def add(self, row: Row, waveform: Int16, prosody: Mapping[str, float], done: Callable[[], None]) -> None:
        """Hold a row.

        Args:
            row: Of the prediction log.
            waveform: int16 [n] at 16 kHz.
            prosody: Where it was measured already.
            done: Called once the sound is needed no more, from any thread.
        """
        measured = self._measurer.submit(waveform, dict(prosody))
        measured.add_done_callback(lambda _: done())
        self._rows.append(_Measuring(row, measured, time.monotonic()))

    def take(self) -> list[Row]:
        """Return the rows that are ready, or have waited long enough, and hold them no more."""
        ready = []
        while self._rows and (self._rows[0].measured.done() or self._is_late()):
            ready.append(self._finish(self._rows.popleft(), 0.0))
        return ready

    def take_all(self, seconds: float) -> list[Row]:
        """Return all rows, waiting for measures as long as that."""
        until = time.monotonic() + seconds
        ready = [self._finish(one, max(0.0, until - time.monotonic())) for one in self._rows]
        self._rows.clear()
        return ready

    def _is_late(self) -> bool:
        return len(self._rows) > self._most or time.monotonic() - self._rows[0].since > PATIENCE

    def _finish(self, one: _Measuring, seconds: float) -> Row:
        try:
            heard = one.measured.result(seconds)
        except TimeoutError:
            one.measured.cancel()
            heard = None
        if heard is None:
            self.given_up += 1
        else:
            one.row.update(describe_measures(heard.numbers, heard.embedding))
        return one.row
