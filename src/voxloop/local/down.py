"""`voxloop down`: stop the platform and leave nothing running."""

from __future__ import annotations

from voxloop.local.airflow import SCHEDULER
from voxloop.local.processes import end_groups_below
from voxloop.local.programs import platform_file
from voxloop.local.supervisor import Supervisor
from voxloop.local.up import one_at_a_time
from voxloop.settings import Settings, get_settings


def down() -> None:
    """Stop MLflow, Airflow and Triton, and whatever they have started. What does not leave is killed."""
    stop_platform(get_settings())


def stop_platform(settings: Settings) -> None:
    """Stop the platform of these settings; see `down`."""
    supervisor = Supervisor(settings.home)
    with one_at_a_time(settings.home):
        ran = supervisor.is_alive()
        if ran and (scheduler := supervisor.states().get(SCHEDULER)) and scheduler.alive:
            end_groups_below(scheduler.pid)
        ended = supervisor.shut_down()
        platform_file(settings.home).unlink(missing_ok=True)
    extra = f"; left-over processes ended: {ended}" if ended else ""
    print(("stopped" if ran or ended else "nothing was running") + extra, flush=True)
