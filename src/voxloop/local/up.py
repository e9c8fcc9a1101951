"""`voxloop up`: start the platform, and return when all of it is healthy or none of it is left."""

from __future__ import annotations

import fcntl
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from voxloop.errors import RefusedError, ServiceUnavailableError
from voxloop.ledger.restoring import require_settled
from voxloop.local.airflow import COMPONENTS, prepare_airflow, wait_for_dags
from voxloop.local.health import is_healthy
from voxloop.local.ports import refuse_taken_ports
from voxloop.local.processes import end_marked
from voxloop.local.programs import (
    PROGRAMS,
    Program,
    Service,
    build_programs,
    platform_file,
    read_platform,
    wanted_ports,
    write_platform,
)
from voxloop.local.supervisor import ProgramState, Supervisor
from voxloop.runners.airflow_api import USER, password_file
from voxloop.settings import Settings, get_settings

POLL = 0.3  # s between two looks


def up(*, wait: int = 300) -> None:
    """Start MLflow, Airflow, Triton and the gateway on this machine and wait until all are healthy.

    Asked twice, it says that they run, and starts again what has stopped. When one does not become healthy, all of
    them are stopped and the message names its log. `--set settings.ports.airflow=8081` changes a port.

    Args:
        wait: Seconds to wait for all of them.

    Raises:
        PortTakenError: Another process listens where one of them should; nothing was started.
        ServiceUnavailableError: One of them has ended, or was not healthy in time.
    """
    start_platform(get_settings(), PROGRAMS, wait)


def start_platform(settings: Settings, names: Iterable[str] = PROGRAMS, wait: float = 300) -> None:
    """Start the named programs; see `up`."""
    names, began = tuple(names), time.monotonic()
    end = began + wait
    supervisor = Supervisor(settings.home)
    with one_at_a_time(settings.home):
        require_settled(settings.home)
        if supervisor.is_alive():
            mend_platform(settings, supervisor, names, (began, end))
            return
        if left := end_marked(supervisor.mark):
            print(f"ended {left} processes that a killed platform had left behind", flush=True)
        ports = wanted_ports(settings, names)
        refuse_taken_ports(settings.host, ports)
        programs = build_programs(settings, names)
        print(f"starting {len(programs)} programs, logs in {supervisor.logs}", flush=True)
        try:
            supervisor.launch(programs)
            write_platform(settings.home, programs, ports)
            start_programs(settings, supervisor, programs)
            wait_until_healthy(supervisor, programs, began, end)
            finish(settings, programs, end)
        except BaseException:
            print("stopping what was started", flush=True)
            supervisor.shut_down()
            platform_file(settings.home).unlink(missing_ok=True)
            raise


def mend_platform(
    settings: Settings, supervisor: Supervisor, names: tuple[str, ...], span: tuple[float, float]
) -> None:
    """Start what has stopped of a running platform; what runs is left alone.

    Raises:
        RefusedError: It runs on other ports, or other programs, than asked for.
    """
    platform = read_platform(settings.home)
    running = {service.name for service in platform.services} if platform else set()
    if platform is None or running != set(names) or platform.ports != wanted_ports(settings, names):
        raise RefusedError(
            f"the platform of {settings.home} is up with other programs or ports", remedy="first: voxloop down"
        )
    print("already up", flush=True)
    for name, state in supervisor.states().items():
        if not state.alive:
            supervisor.start(name)
    wait_until_healthy(supervisor, platform.services, *span)
    finish(settings, platform.services, span[1])


def start_programs(settings: Settings, supervisor: Supervisor, programs: list[Program]) -> None:
    """Start the programs; MLflow and Triton come up while Airflow's database is made."""
    for program in programs:
        if program.name not in COMPONENTS:
            supervisor.start(program.name)
    if any(program.name in COMPONENTS for program in programs):
        prepare_airflow(settings)
    for program in programs:
        if program.name in COMPONENTS:
            supervisor.start(program.name)


def wait_until_healthy(supervisor: Supervisor, services: Iterable[Service], began: float, end: float) -> None:
    """Wait for every service, and print each when it has become healthy.

    Raises:
        ServiceUnavailableError: One has ended, or `end` has come. Both times are of the monotonic clock.
    """
    waiting = {service.name: service for service in services}
    first = supervisor.states()
    while True:
        states = supervisor.states()
        for service in list(waiting.values()):
            refuse_ended(service, first[service.name], states[service.name])
            if states[service.name].alive and is_healthy(service, states[service.name].since):
                del waiting[service.name]
                after = f"healthy after {time.monotonic() - began:4.1f} s"
                print(f"  {service.name:<22} {after}  {service.address}".rstrip(), flush=True)
        if not waiting:
            return
        if time.monotonic() > end:
            late = next(iter(waiting.values()))
            raise ServiceUnavailableError(f"{late.name} is not healthy in time", remedy=f"its log is {late.log}")
        time.sleep(POLL)


def refuse_ended(service: Service, first: ProgramState, state: ProgramState) -> None:
    """Raise when a service has ended since the first look, be it started again by now."""
    if not state.alive or (first.pid and state.pid != first.pid):
        raise ServiceUnavailableError(
            f"{service.name} has ended while starting ({state.description})",
            rule=read_last_line(service.log),
            remedy=f"its log is {service.log}",
        )


def read_last_line(log: Path) -> str:
    """Return the last line of a log that says something, as far as its last 4 KiB go."""
    if not log.exists():
        return ""
    tail = log.read_bytes()[-4096:].decode(errors="replace")
    return next((line.strip() for line in reversed(tail.splitlines()) if line.strip()), "")[:200]


def finish(settings: Settings, services: Iterable[Service], end: float) -> None:
    """Wait for the DAGs, and say where the way in is."""
    if any(service.name in COMPONENTS for service in services):
        dags = wait_for_dags(settings, max(0.0, end - time.monotonic()))
        print(f"Airflow: DAGs {', '.join(dags)}; user {USER}, password in {password_file(settings)}", flush=True)
    print("all healthy; `voxloop status` shows them, `voxloop down` stops them", flush=True)


@contextmanager
def one_at_a_time(home: Path) -> Iterator[None]:
    """Hold the lock of a home while its platform is started or stopped.

    Raises:
        RefusedError: Another process is at it.
    """
    path = home / "run" / "lock"
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with path.open("w") as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise RefusedError(f"another `voxloop up` or `down` is at work in {home}", remedy="wait for it") from None
        yield
