"""The programs of the platform: what starts each, where it listens, and how its health is asked."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from pathlib import Path

from pydantic import Field

from voxloop.config import StrictModel
from voxloop.errors import ConfigError
from voxloop.local.airflow import COMPONENTS, component_environment
from voxloop.settings import Settings
from voxloop.store.atomic import write_file

PROGRAMS = ("mlflow", "triton", "gateway", *COMPONENTS)

# Which `Settings.ports` a program listens on; the other Airflow components listen nowhere.
PORTS: Mapping[str, tuple[str, ...]] = {
    "mlflow": ("mlflow",),
    "triton": ("triton_http", "triton_grpc", "triton_metrics"),
    "gateway": ("gateway", "gateway_admin"),
    "airflow-api-server": ("airflow",),
}


class Service(StrictModel):
    """A running program as others see it.

    Args:
        name: The program's name in the group.
        address: What a person opens; empty for a program that serves nothing.
        health: URL that answers 200 when the program can work.
        heartbeat: The part of Airflow's health answer that speaks of this program; empty: the status code is enough.
        log: The file its output goes to.
    """

    name: str
    address: str
    health: str
    heartbeat: str = ""
    log: Path


class Program(Service):
    """A service and what starts it: command line and additions to the environment."""

    argv: tuple[str, ...]
    environment: dict[str, str] = Field(default_factory=dict)


class Platform(StrictModel):
    """What `up` started, written down for `status`: settings may say something else by then."""

    services: tuple[Service, ...]
    ports: dict[str, int]


def build_programs(settings: Settings, names: Iterable[str]) -> list[Program]:
    """Return the named programs, ready to be started, in the order of `PROGRAMS`.

    Raises:
        ConfigError: A name that is no program, or a program whose environment is not installed.
    """
    wanted = set(names)
    if unknown := wanted - set(PROGRAMS):
        raise ConfigError(f"no program {min(unknown)!r}", rule=f"one of {', '.join(PROGRAMS)}")
    return [build_program(settings, name) for name in PROGRAMS if name in wanted]


def build_program(settings: Settings, name: str) -> Program:
    """Return one program; see `build_programs`."""
    log = log_file(settings, name)
    if name == "mlflow":
        from voxloop.adapters import mlflow

        url = settings.mlflow_url
        return Program(
            name=name, address=url, health=f"{url}/health", log=log, argv=tuple(mlflow.server_argv(settings))
        )
    if name == "triton":
        from voxloop.adapters import triton_runtime

        triton_runtime.prepare(settings)
        url = settings.triton_url
        argv = (sys.executable, "-P", "-m", "voxloop.adapters.triton_start")
        return Program(name=name, address=url, health=f"{url}/v2/health/ready", log=log, argv=argv)
    if name == "gateway":
        url = settings.gateway_url
        asked = (sys.executable, "-P", "-m", "voxloop", "gateway")
        return Program(name=name, address=url, health=f"{url}/healthz", log=log, argv=asked)
    return build_component(settings, name)


def build_component(settings: Settings, name: str) -> Program:
    """Return one component of Airflow. Without `--skip-serve-logs` two of them would listen on 0.0.0.0."""
    component = COMPONENTS[name]
    return Program(
        name=name,
        address=settings.airflow_url if name in PORTS else "",
        health=f"{settings.airflow_url}/api/v2/monitor/health",
        heartbeat=component.heartbeat,
        log=log_file(settings, name),
        argv=(sys.executable, "-P", "-m", "airflow", *component.arguments),
        environment=component_environment(settings),
    )


def log_file(settings: Settings, name: str) -> Path:
    """Return the file a program's output goes to."""
    return settings.home.absolute() / "logs" / f"{name}.log"


def wanted_ports(settings: Settings, names: Iterable[str]) -> dict[str, int]:
    """Return the ports the named programs will listen on, by the name of their setting."""
    return {key: getattr(settings.ports, key) for name in names for key in PORTS.get(name, ())}


def platform_file(home: Path) -> Path:
    """Return where the running platform is written down."""
    return home / "run" / "platform.json"


def write_platform(home: Path, programs: Iterable[Program], ports: Mapping[str, int]) -> None:
    """Write down what runs, without command lines: they hold a key."""
    services = tuple(Service(**{key: getattr(item, key) for key in Service.model_fields}) for item in programs)
    record = Platform(services=services, ports=dict(ports))
    write_file(platform_file(home), record.model_dump_json(indent=2), mode=0o600)


def read_platform(home: Path) -> Platform | None:
    """Return what `up` wrote down, None when nothing was ever started here."""
    path = platform_file(home)
    return Platform.model_validate_json(path.read_text()) if path.exists() else None
