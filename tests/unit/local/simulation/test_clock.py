"""A simulated platform's clock: put on, never back, and read by whoever asks the time."""

from __future__ import annotations

from datetime import timedelta

import pytest

from voxloop.errors import RefusedError
from voxloop.local.simulation.clock import SimulationClock, start_clock
from voxloop.settings import Settings, now


def test_it_is_put_on_and_never_back(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    file = settings.home / "clock"
    start_clock(file)
    monkeypatch.setenv("VOXLOOP_CLOCK_FILE", str(file))
    clock, began = SimulationClock(file, now), now()
    clock.put_on(began + timedelta(days=3))
    assert timedelta(0) <= now() - (began + timedelta(days=3)) < timedelta(seconds=5)
    with pytest.raises(RefusedError, match="never back"):
        clock.put_on(began + timedelta(days=2))
    clock.reach(began + timedelta(days=2))
    assert now() > began + timedelta(days=3)
    start_clock(file)
    assert now() > began + timedelta(days=3)
