"""The clock of a simulated platform: a file that says by how many seconds it is ahead, put on and never back."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from pathlib import Path

from voxloop.errors import RefusedError
from voxloop.store.atomic import write_file


class SimulationClock:
    """Puts a platform's clock on; whoever reads it meanwhile reads the old lead or the new one.

    Args:
        file: `settings.clock_file`.
        clock: Gives the time of that platform, aware.
    """

    def __init__(self, file: Path, clock: Callable[[], datetime]) -> None:
        self.file, self._clock = file, clock

    def put_on(self, moment: datetime) -> None:
        """Make it that moment.

        Raises:
            RefusedError: It is later than that already: what was stamped would lie in the future.
        """
        missing = (moment - self._clock()).total_seconds()
        if missing < 0:
            raise RefusedError(
                f"it is {-missing:.0f} s past {moment.isoformat()}",
                rule="a clock is put on and never back",
                remedy="a window's work may not take longer than its six hours: fewer utterances, or a quieter machine",
            )
        write_file(self.file, f"{float(self.file.read_text(encoding='ascii')) + missing:.3f}\n")

    def reach(self, moment: datetime) -> None:
        """Make it that moment, unless it is later already."""
        if self._clock() < moment:
            self.put_on(moment)


def start_clock(file: Path) -> None:
    """Make the file of a clock that is not ahead yet; one that is there already stays, for a clock never goes back."""
    if not file.exists():
        file.parent.mkdir(parents=True, exist_ok=True)
        write_file(file, "0\n")
