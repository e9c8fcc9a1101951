"""One run of a writer, as far as the disk is concerned: its files, its notes of losses, its journal."""

from __future__ import annotations

import secrets
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

from voxloop.monitoring.prediction import make_table, split_fit
from voxloop.monitoring.prediction_files import Loss, hour_folder, write_batch, write_loss
from voxloop.monitoring.prediction_journal import Journal, recover, to_micros

Row = dict[str, Any]


class BatchWriter:
    """Writes batches of rows; counts first what killed runs have lost.

    Args:
        place: Folder of the log.
        clock: Gives the time, aware, UTC.

    Raises:
        OSError: The disk does not allow it.
    """

    def __init__(self, place: Path, clock: Callable[[], datetime]) -> None:
        self._place, self._clock = place, clock
        place.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.killed = recover(place, clock())
        """Rows that runs before this one have lost."""
        self._name = f"{clock():%Y%m%dT%H%M%S}-{secrets.token_hex(4)}"
        self._journal = Journal(place, self._name, clock())

    @property
    def written(self) -> int:
        """Rows in files."""
        return self._journal.settled.written

    def offer(self, count: int) -> None:
        """Note how many rows were given so far; may be called from another thread than the rest."""
        self._journal.offer(count)

    def write(self, rows: list[Row], lose: Callable[[int], None]) -> None:
        """Write a file for each family and hour, and take what is written out of `rows`.

        Args:
            rows: To be written.
            lose: Told how many were taken out because no file would take them.

        Raises:
            OSError: The disk does not allow it; what is in no file is still in `rows`.
        """
        groups: defaultdict[Path, list[Row]] = defaultdict(list)
        for row in rows:
            groups[hour_folder(self._place, row["family"], row["at"])].append(row)
        for folder, group in groups.items():
            fit, unfit = split_fit(group)
            if unfit:
                lose(len(unfit))
                _take_out(rows, unfit)
            if fit:
                self._write_file(folder, fit)
                _take_out(rows, fit)

    def _write_file(self, folder: Path, rows: list[Row]) -> None:
        settled = self._journal.settled
        number = settled.batches + 1
        write_batch(folder, self._place, self._name, number, make_table(rows))
        at = to_micros(self._clock())
        self._journal.settle(replace(settled, written=settled.written + len(rows), batches=number, at=at))

    def count_untold(self, lost: Mapping[str, int]) -> int:
        """Return how many lost rows are in no note yet."""
        return sum(lost.values()) - self._journal.settled.told

    def note_losses(self, lost: Mapping[str, int]) -> None:
        """Write down what was lost since the last note.

        Args:
            lost: Rows of this run by why, since it began.

        Raises:
            OSError: It cannot be written.
        """
        if (rows := self.count_untold(lost)) <= 0:
            return
        settled, until = self._journal.settled, self._clock()
        since = datetime.fromtimestamp(settled.at / 1e6, until.tzinfo)
        number = settled.notes + 1
        write_loss(self._place, Loss(self._name, since, until, rows, dict(lost)), number)
        self._journal.settle(replace(settled, told=settled.told + rows, notes=number, at=to_micros(until)))

    def close(self, lost: Mapping[str, int]) -> None:
        """Write down the last losses and end; where that cannot be done the journal stays, and the next start does it.

        Raises:
            OSError: It could not be done.
        """
        try:
            self.note_losses(lost)
        except OSError:
            self._journal.close(is_over=False)
            raise
        self._journal.close(is_over=True)


def _take_out(rows: list[Row], gone: list[Row]) -> None:
    known = {id(row) for row in gone}
    rows[:] = [row for row in rows if id(row) not in known]
