"""What a person sees of an epoch under way."""

from __future__ import annotations

import io

import pytest

from voxloop.tasks import Objective
from voxloop.training import watching
from voxloop.training.progress import Progress


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(("seconds", "drawn"), [(0.0, True), (1e9, False)])
def test_the_bar_is_at_the_step_under_way_and_drawn_now_and_then(
    monkeypatch: pytest.MonkeyPatch, seconds: float, drawn: bool
) -> None:
    terminal = Terminal()
    monkeypatch.setattr("sys.stderr", terminal)
    monkeypatch.setattr(watching, "DRAW_SECONDS", seconds)
    monkeypatch.setattr("tqdm.tqdm.monitor_interval", 0)
    watcher = watching.ProgressLines(3, Objective("uar", "max"))
    progress = Progress(epoch_step=2)
    watcher.start_epoch(progress, 6)
    watcher._bar.mininterval = 0.0  # type: ignore[union-attr]
    for _ in range(3):
        progress = progress.after_step(1.0, 1.0)
        watcher.step(progress, 10.0, 0.0)
    watcher._bar.close()  # type: ignore[union-attr]
    assert ("5/6" in terminal.getvalue()) is drawn
    assert ("audio s/s" in terminal.getvalue()) is drawn
