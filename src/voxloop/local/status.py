"""`voxloop status`: what runs, where, and how it is."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from json import dumps

from voxloop.config import StrictModel
from voxloop.local.health import is_healthy
from voxloop.local.processes import memory
from voxloop.local.programs import Service, read_platform
from voxloop.local.supervisor import ProgramState, Supervisor
from voxloop.settings import Settings, get_settings, now


class ProgramStatus(StrictModel):
    """One program as `status` shows it; memory in MiB is PSS, with everything the program has started."""

    program: str
    state: str
    pid: int
    uptime_s: int
    memory_mib: int
    address: str
    healthy: bool


def status(*, json: bool = False) -> int:
    """Show every program of the platform. The exit code is 0 only when all of them are healthy.

    Args:
        json: Print a JSON list instead of a table.
    """
    rows = read_status(get_settings())
    if json:
        print(dumps([row.model_dump() for row in rows], indent=2), flush=True)
    else:
        print(render_table(rows) if rows else "nothing is running; start it: voxloop up", flush=True)
    return 0 if rows and all(row.healthy for row in rows) else 1


def read_status(settings: Settings) -> list[ProgramStatus]:
    """Return the status of every program that was started under this home, an empty list when none was."""
    platform, supervisor = read_platform(settings.home), Supervisor(settings.home)
    if platform is None or not supervisor.is_alive():
        return []
    states, at = supervisor.states(), now()
    return [describe(service, states[service.name], at) for service in platform.services]


def describe(service: Service, state: ProgramState, at: datetime) -> ProgramStatus:
    """Return one row: what the process manager knows, and what the service itself answers."""
    return ProgramStatus(
        program=service.name,
        state=state.state,
        pid=state.pid,
        uptime_s=int((at - state.since).total_seconds()) if state.alive else 0,
        memory_mib=round(memory(state.pid)) if state.alive else 0,
        address=service.address,
        healthy=state.alive and is_healthy(service, state.since),
    )


def render_table(rows: Sequence[ProgramStatus]) -> str:
    """Return the rows as a table, with the memory of all of them at its foot."""
    heads = ("program", "state", "pid", "uptime", "memory", "address", "healthy")
    cells = [heads, *(_cells(row) for row in rows)]
    widths = [max(len(line[column]) for line in cells) for column in range(len(heads))]
    lines = ["  ".join(text.ljust(width) for text, width in zip(line, widths, strict=True)).rstrip() for line in cells]
    return "\n".join([*lines, f"memory of all: {sum(row.memory_mib for row in rows)} MiB"])


def _cells(row: ProgramStatus) -> tuple[str, ...]:
    uptime, size = str(timedelta(seconds=row.uptime_s)), f"{row.memory_mib} MiB"
    return row.program, row.state, str(row.pid), uptime, size, row.address or "-", "yes" if row.healthy else "no"
