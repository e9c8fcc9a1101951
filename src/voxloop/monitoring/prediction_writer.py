"""The writer of the prediction log: a bounded queue and a thread. Who answers requests puts a row in and goes on.

Nothing is lost in silence. A row that finds the queue full is counted; what cannot be written is tried again until it
can; at an orderly end everything is written; and after a kill the next start counts what is missing (the journal).
"""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from voxloop.errors import VoxloopError
from voxloop.monitoring.batch_writer import BatchWriter, Row
from voxloop.monitoring.config import PredictionLogConfig
from voxloop.monitoring.prediction import Prediction, make_row, make_table
from voxloop.monitoring.pseudonyms import Pseudonyms
from voxloop.monitoring.request_lookup import RecentRequests
from voxloop.monitoring.sound_measures import SoundMeasurer, encode_kept
from voxloop.monitoring.unmeasured_rows import UnmeasuredRows

log = logging.getLogger(__name__)

RETRY_SECONDS = 1.0
MOMENT = 0.1
"""Seconds in which measures that came are noticed when no row comes."""
MOST_BYTES = 32 * 2**20
"""Of kept sound in one file, about."""


@dataclass(frozen=True)
class Tally:
    """What became of the rows so far.

    Args:
        written: Rows in files.
        unmeasured: Rows that went without the measures of their sound.
        lost: Rows that were not written, by why; `killed`: of runs before this one.
    """

    written: int
    unmeasured: int
    lost: dict[str, int]


class PredictionLog:
    """Takes predictions and writes them.

    Args:
        place: Folder of the log.
        keys: File of the keys of pseudonyms.
        config: Bounds.
        measurer: Measures sound.
        clock: Gives the time, aware, UTC.
    """

    def __init__(
        self,
        place: Path,
        keys: Path,
        config: PredictionLogConfig,
        measurer: SoundMeasurer,
        clock: Callable[[], datetime],
    ) -> None:
        self.place = place
        self._keys_file, self._config = keys, config
        self._measurer, self._clock = measurer, clock
        self._queue: queue.Queue[Prediction | None] = queue.Queue(config.queue_rows)
        self._lock = threading.Lock()
        self._offered = self._sound_bytes = 0
        self._lost: Counter[str] = Counter()
        self._pending: list[Row] = []
        self._unmeasured = UnmeasuredRows(measurer, config.batch_rows)
        self._without_sound = 0
        self._pending_bytes = 0
        self._due = self._retry_at = 0.0
        self._files: BatchWriter | None = None
        self._pseudonyms: Pseudonyms | None = None
        self.recent = RecentRequests(config.queue_rows + 3 * config.batch_rows)
        """What was taken and may be in no file yet."""
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._run, name="prediction log", daemon=True)
        self.trouble = ""
        """Why nothing can be written now; empty when it can."""

    def start(self) -> None:
        """Count what was lost before, then begin to write."""
        make_table([])  # pyarrow loads pandas with its first table, which no request has to wait for
        self._measurer.start()
        self._open()
        self._thread.start()

    def stop(self) -> None:
        """Write everything that was taken, and end."""
        self._ending.set()
        if not self._queue.full():
            self._queue.put_nowait(None)  # wakes the thread
        self._thread.join()
        self._measurer.stop()

    def take(self, prediction: Prediction) -> None:
        """Take a row to be written; never waits. With no room it is lost and counted."""
        sound = prediction.waveform.nbytes if prediction.waveform is not None else 0
        with self._lock:
            self._offered += 1
            self._note_offered()
            if sound and self._sound_bytes + sound > self._config.sound_mebibytes * 2**20:
                prediction, sound = replace(prediction, waveform=None), 0
            try:
                self._queue.put_nowait(prediction)
                self._sound_bytes += sound
                self.recent.add(prediction)
            except queue.Full:
                self._lost["queue full"] += 1

    def tally(self) -> Tally:
        """Return what became of the rows so far."""
        files, lost = self._files, self._copy_lost()
        if files and files.killed:
            lost["killed"] = files.killed
        return Tally(files.written if files else 0, self._unmeasured.given_up + self._without_sound, lost)

    def warnings(self) -> list[str]:
        """Return, in sentences, what a person should know."""
        lost = self.tally().lost
        told = ", ".join(f"{count} {why}" for why, count in sorted(lost.items()))
        return [
            *([f"the prediction log: {self.trouble}"] if self.trouble else []),
            *([f"{sum(lost.values())} predictions were not logged: {told}"] if lost else []),
        ]

    def _run(self) -> None:
        while not self._ending.is_set():
            try:
                self._turn()
            except Exception as fault:  # a thread that ends would lose everything from then on
                log.exception("the prediction log")
                self._tell(f"{type(fault).__name__}: {fault}")
                self._ending.wait(RETRY_SECONDS)
        self._finish()

    def _turn(self) -> None:
        if self._files is None and not self._open():
            self._ending.wait(RETRY_SECONDS)
            return
        if not self._is_full():
            self._collect()
            self._hold(self._unmeasured.take())
        clock = time.monotonic()
        if clock < self._retry_at:
            self._ending.wait(0.1 if self._is_full() else 0.0)
        elif self._is_full() or (clock >= self._due and (self._pending or self._losses_are_new())):
            self._flush()

    def _open(self) -> bool:
        """Make the log ready to be written; return whether it is."""
        try:
            self._pseudonyms = Pseudonyms(self._keys_file)
            files = BatchWriter(self.place, self._clock)
        except (OSError, VoxloopError) as refused:
            self._tell(str(refused))
            return False
        with self._lock:
            self._files = files
            self._note_offered()
        self._tell("")
        return True

    def _note_offered(self) -> None:
        if self._files is not None:
            try:
                self._files.offer(self._offered)
            except OSError as refused:
                self._tell(str(refused))

    def _collect(self) -> None:
        """Wait for a row, no longer than until a file is due."""
        left = self._due - time.monotonic() if self._pending else MOMENT
        try:
            taken = self._queue.get(timeout=min(max(left, 0.01), MOMENT))
        except queue.Empty:
            return
        if taken is not None:
            self._add(taken)

    def _add(self, taken: Prediction) -> None:
        try:
            row = make_row(taken, self._name(taken))
        except (ValueError, TypeError):
            self._lose_unfit(1)
            self._release(taken)
            return
        if taken.waveform is None:
            self._without_sound += taken.duration_s is not None  # there was no room for it
            self._hold([row])
            return
        if taken.consent:
            row["audio"] = encode_kept(taken.waveform)
        self._unmeasured.add(row, taken.waveform, taken.features, lambda: self._release(taken))

    def _hold(self, rows: list[Row]) -> None:
        """Keep rows until the next file is written."""
        if rows and not self._pending:
            self._due = time.monotonic() + self._config.batch_seconds
        self._pending += rows
        self._pending_bytes += sum(len(row["audio"] or b"") for row in rows)

    def _release(self, taken: Prediction) -> None:
        with self._lock:
            self._sound_bytes -= taken.waveform.nbytes if taken.waveform is not None else 0

    def _name(self, taken: Prediction) -> tuple[str, str] | None:
        if taken.speaker_id is None or self._pseudonyms is None:
            return None
        return self._pseudonyms.name(taken.tenant, taken.speaker_id)

    def _is_full(self) -> bool:
        return len(self._pending) >= self._config.batch_rows or self._pending_bytes >= MOST_BYTES

    def _losses_are_new(self) -> bool:
        return self._files is not None and self._files.count_untold(self._copy_lost()) > 0

    def _copy_lost(self) -> dict[str, int]:
        with self._lock:
            return dict(self._lost)

    def _flush(self) -> bool:
        """Write what is pending, then what was lost; return whether all of it was written."""
        if self._files is None:
            return False
        asked = _list_answers(self._pending)
        try:
            self._files.write(self._pending, self._lose_unfit)
            self._files.note_losses(self._copy_lost())
        except OSError as refused:
            self._tell(str(refused))
            self._retry_at = time.monotonic() + RETRY_SECONDS
        else:
            self._tell("")
        self.recent.forget(asked - _list_answers(self._pending))
        self._due = time.monotonic() + self._config.batch_seconds
        self._pending_bytes = sum(len(row["audio"] or b"") for row in self._pending)
        return not self._pending

    def _finish(self) -> None:
        """Write what is left. What cannot be is counted here, and by the next start."""
        end = time.monotonic() + self._config.drain_seconds
        if self._files is None:
            self._open()
        while not self._queue.empty():
            if (taken := self._queue.get_nowait()) is not None:
                self._add(taken)
            self._hold(self._unmeasured.take())
            if self._is_full() and not self._flush():
                self._give_up()
        self._hold(self._unmeasured.take_all(end - time.monotonic()))
        if self._pending and not self._flush():
            self._give_up()
        self._close()

    def _give_up(self) -> None:
        log.error("%d predictions are lost: %s", len(self._pending), self.trouble)
        self._lose("unwritable", len(self._pending))
        self._pending, self._pending_bytes = [], 0

    def _close(self) -> None:
        if self._files is not None:
            try:
                self._files.close(self._copy_lost())
            except OSError:
                log.exception("what the prediction log has lost is counted by its next start")

    def _lose_unfit(self, count: int) -> None:
        log.error("%d answers do not fit the prediction log", count)
        self._lose("unfit", count)

    def _lose(self, why: str, count: int) -> None:
        with self._lock:
            self._lost[why] += count

    def _tell(self, trouble: str) -> None:
        if trouble != self.trouble:
            log.warning("the prediction log: %s", trouble or "is written")
        self.trouble = trouble


def _list_answers(rows: list[Row]) -> set[tuple[str, str]]:
    return {(row["request_id"], row["family"]) for row in rows if not row["is_shadow"]}
