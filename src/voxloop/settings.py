"""Where voxloop lives on this machine. The environment and the clock are read here and nowhere else."""

from __future__ import annotations

import os
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from ipaddress import ip_address
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError, field_validator, model_validator

from voxloop.errors import ConfigError

PREFIX = "VOXLOOP_"
SECRETS = frozenset({"redis_password", "study_database", "ledger_url"})
"""Settings that come from the environment alone and go into no dump."""
MOST_AHEAD = 3650 * 86_400.0
"""Seconds by which the clock of a simulation may be ahead: ten years."""


def find_project_root() -> Path:
    """Return the folder that holds `configs/`, `pipelines/`, `dags/` … beside the package.

    In a checkout it is two levels above `src/voxloop`; in an image `VOXLOOP_PROJECT_ROOT` names it; with the
    wheel alone it is the working directory.
    """
    checkout = Path(__file__).resolve().parents[2]
    return checkout if (checkout / "configs").is_dir() else Path.cwd()


class Ports(BaseModel):
    """TCP ports of the local platform, all on `Settings.host`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    mlflow: int = Field(default=5000, ge=1, le=65535)
    airflow: int = Field(default=8080, ge=1, le=65535)
    triton_http: int = Field(default=8000, ge=1, le=65535)
    triton_grpc: int = Field(default=8001, ge=1, le=65535)
    triton_metrics: int = Field(default=8002, ge=1, le=65535)
    gateway: int = Field(default=8090, ge=1, le=65535)
    gateway_admin: int = Field(default=8091, ge=1, le=65535)


class Settings(BaseModel):
    """Everything that differs between machines. Each field is also `VOXLOOP_<FIELD>` (`VOXLOOP_PORTS__MLFLOW`).

    What is not given comes from the environment. pydantic-settings would read it as well, and importing it takes
    0.1 s of the second in which `voxloop rollback` has to be through.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True)

    project_root: Path = Field(default_factory=find_project_root)
    home: Path = Field(default_factory=lambda: find_project_root() / ".voxloop")
    host: str = "127.0.0.1"
    ports: Ports = Ports()
    runner: Literal["local", "kubeflow"] = "local"
    kubeflow_host: str = ""
    triton_venv: Path | None = Field(default=None, description="Triton's environment; <project_root>/.venv-triton")
    signing_key: Path | None = Field(
        default=None, description="private key that signs models, PEM; made in `home` on first use"
    )
    signing_public_key: Path | None = Field(
        default=None, description="public key that signatures are verified with; the private key's own half"
    )
    online_store: Literal["sqlite", "redis"] = "sqlite"
    redis_address: str = Field(default="127.0.0.1:6379", pattern=r"^[A-Za-z0-9.-]+:[0-9]{1,5}$")
    redis_tls: bool = False
    redis_ca_file: Path | None = Field(default=None, description="who signed the server's certificate; the system's")
    # Excluded: a dump of the settings goes to logs and command lines. A child process inherits the variable.
    redis_password: SecretStr | None = Field(default=None, exclude=True)
    study_database: SecretStr | None = Field(
        default=None,
        exclude=True,
        description="postgresql://user:password@host/database of searches whose workers share no disk",
    )
    ledger_url: SecretStr | None = Field(
        default=None,
        exclude=True,
        description="postgresql://user:password@host/database of the ledger; a file in `home` without it",
    )
    trials: float = Field(
        default=0.01,
        gt=0,
        le=1,
        description="share of a counting check's whole figure: draws, kills, mutants",
    )
    notice_destinations: Path | None = Field(
        default=None,
        description="private file of where notices go to, such as a mounted secret; <home>/notices/destinations",
    )
    spot_notice: Path | None = Field(
        default=None, description="file whose coming asks a training to stop at a checkpoint: a spot machine's notice"
    )
    clock_file: Path | None = Field(
        default=None,
        description="file in `home` that says by how many seconds the clock of a simulated platform is ahead",
    )
    git_commit: str | None = Field(default=None, description="baked into images, which hold no .git")
    git_author: str | None = Field(
        default=None, description="mail of that commit's author, baked beside it: who may not approve what it trains"
    )

    @model_validator(mode="before")
    @classmethod
    def _with_environment(cls, given: Mapping[str, Any]) -> dict[str, Any]:
        found: dict[str, Any] = {}
        ports: dict[str, Any] = {}
        for variable, field, inner in list_variables():
            if field == "ports" and inner in Ports.model_fields:
                ports[inner] = os.environ[variable]
            elif field in cls.model_fields and not inner:
                found[field] = os.environ[variable]
        told = given.get("ports", {})
        return {**found, **given, "ports": {**ports, **told} if isinstance(told, Mapping) else told}

    @field_validator("project_root", "home")
    @classmethod
    def _absolute(cls, path: Path) -> Path:
        return path.expanduser().absolute()

    @field_validator("host")
    @classmethod
    def _loopback(cls, host: str) -> str:
        if not ip_address(host).is_loopback:
            raise ValueError("the platform on one machine speaks without TLS and listens on loopback alone")
        return host

    @model_validator(mode="after")
    def _guarded_redis(self) -> Self:
        host = self.redis_address.rpartition(":")[0]
        here = host == "localhost" or (host[-1].isdigit() and ip_address(host).is_loopback)
        if self.online_store == "redis" and not here and not (self.redis_tls and self.redis_password):
            raise ValueError("a Redis on another machine is spoken to with redis_tls and VOXLOOP_REDIS_PASSWORD alone")
        return self

    @model_validator(mode="after")
    def _own_clock(self) -> Self:
        if self.clock_file is None:
            return self
        if not self.clock_file.absolute().is_relative_to(self.home):
            raise ValueError("a clock that is ahead is one platform's own: its file lies in that platform's `home`")
        if self.ledger_url or self.runner != "local" or self.online_store != "sqlite":
            raise ValueError("a platform whose clock is ahead shares no ledger, cluster or online store with another")
        _read_lead(self.clock_file)
        return self

    @property
    def store(self) -> Path:
        """Folder of the job store."""
        return self.home / "store"

    @property
    def evaluation_sets(self) -> Path:
        """Folder of the frozen evaluation sets, `<task>/<domain>-<date>` below it."""
        return self.home / "evaluation_sets"

    @property
    def studies(self) -> Path:
        """Folder of the searches, a folder a study."""
        return self.home / "studies"

    @property
    def ledger(self) -> Path:
        """Folder of the ledger: its SQLite file, and on every machine the head that was seen last."""
        return self.home / "ledger"

    @property
    def tombstones_file(self) -> Path:
        """File of the salted hashes of erased speakers."""
        return self.home / "tombstones.json"

    @property
    def notices(self) -> Path:
        """Folder of what people were told, and of `destinations`, the private file that says where to."""
        return self.home / "notices"

    @property
    def notice_destinations_file(self) -> Path:
        """File of where notices go to, its owner's alone."""
        return self.notice_destinations or self.notices / "destinations"

    @property
    def runner_key_file(self) -> Path:
        """File of the secret that seals job records and the ledger; made on first use, readable by its owner."""
        return self.home / "runner.key"

    @property
    def signing_key_file(self) -> Path:
        """File of the private key that signs models."""
        return self.signing_key or self.home / "signing.key"

    @property
    def triton_python(self) -> Path:
        """Interpreter of Triton's own environment (its wheel wants numpy < 2)."""
        return (self.triton_venv or self.project_root / ".venv-triton") / "bin" / "python"

    @property
    def model_repository(self) -> Path:
        """Folder Triton loads models from."""
        return self.home / "triton" / "models"

    @property
    def mlflow_url(self) -> str:
        """Address of the MLflow tracking server and registry."""
        return f"http://{self.host}:{self.ports.mlflow}"

    @property
    def mlflow_accounts(self) -> Path:
        """File of the accounts of MLflow, their passwords hashed."""
        return self.home / "mlflow" / "accounts.json"

    @property
    def mlflow_service_password(self) -> Path:
        """File of the password jobs sign in to MLflow with; made when the server is started."""
        return self.home / "mlflow" / "service.password"

    @property
    def airflow_url(self) -> str:
        """Address of Airflow's API server and UI."""
        return f"http://{self.host}:{self.ports.airflow}"

    @property
    def triton_url(self) -> str:
        """Address of Triton's HTTP endpoint (KServe v2)."""
        return f"http://{self.host}:{self.ports.triton_http}"

    @property
    def gateway_url(self) -> str:
        """Address of the gateway."""
        return f"http://{self.host}:{self.ports.gateway}"

    @property
    def gateway_admin_url(self) -> str:
        """Address of the gateway for who runs it."""
        return f"http://{self.host}:{self.ports.gateway_admin}"

    @property
    def gateway_keys(self) -> Path:
        """File of the gateway's API keys, hashed."""
        return self.home / "gateway" / "keys.json"

    @property
    def gateway_service_key(self) -> Path:
        """File of the key a promotion asks the gateway with, its owner's alone; made when the gateway starts."""
        return self.home / "gateway" / "service.key"

    @property
    def predictions(self) -> Path:
        """Folder of the prediction log."""
        return self.home / "predictions"

    @property
    def feedback(self) -> Path:
        """Folder of labels that came after the answer."""
        return self.home / "feedback"

    @property
    def reports(self) -> Path:
        """Folder of the weeks' reports, `week-2026-W48.html`."""
        return self.home / "reports"

    @property
    def drift(self) -> Path:
        """Folder of drift: `<family>/reference.json`, `report.json` of the last watch, and Evidently's pages."""
        return self.home / "drift"

    @property
    def speaker_keys(self) -> Path:
        """File of the keys by which the prediction log gives speakers another name."""
        return self.home / "gateway" / "speaker_keys.json"

    @property
    def heard_journal(self) -> Path:
        """File of the utterances that the running features of callers' speakers are made of."""
        return self.home / "feast" / "heard.db"

    def trial_count(self, whole: int) -> int:
        """Return how often a check that counts repeats here, of the `whole` figure it promises."""
        return max(1, round(whole * self.trials))

    def environment(self) -> dict[str, str]:
        """Return the `VOXLOOP_*` variables that give a child process these same settings."""
        plain = self.model_dump(mode="json", exclude_none=True)
        ports = plain.pop("ports")
        flat = {f"{PREFIX}{key.upper()}": str(value) for key, value in plain.items()}
        return flat | {f"{PREFIX}PORTS__{key.upper()}": str(value) for key, value in ports.items()}


@lru_cache(maxsize=1)
def get_settings() -> Settings:
    """Read the environment, once.

    Raises:
        ConfigError: A `VOXLOOP_*` variable is unknown, or holds a value its field refuses.
    """
    for variable, field, inner in list_variables():
        known = Ports.model_fields if field == "ports" else {"": None} if field in Settings.model_fields else {}
        if inner not in known:
            raise ConfigError(f"{variable} is no setting", rule="unknown ones are refused", remedy=f"unset {variable}")
    return _build({})


def list_variables() -> list[tuple[str, str, str]]:
    """Return each `VOXLOOP_*` variable and the setting it names: `ports` and `mlflow`, or `home` and nothing."""
    names = [name for name in os.environ if name.startswith(PREFIX)]
    parts = [name.removeprefix(PREFIX).lower().partition("__") for name in names]
    return [(name, field, inner) for name, (field, _, inner) in zip(names, parts, strict=True)]


def replace_settings(values: Mapping[str, object]) -> Settings:
    """Make settings of `values` the current ones, for this process and its children.

    Raises:
        ConfigError: A value its field refuses.
    """
    for secret in SECRETS & values.keys():
        raise ConfigError(
            f"{secret} is not set this way",
            rule="a command line is read by everyone on the machine",
            remedy=f"put it into the variable {PREFIX}{secret.upper()}",
        )
    changed = _build(values)
    os.environ.update(changed.environment())  # the one writer: children inherit what was set
    get_settings.cache_clear()
    return get_settings()


def isolated_settings(home: Path, *, mlflow: int) -> Settings:
    """Return settings of a platform beside the current one, which shares nothing with it that anybody writes to.

    Args:
        home: Its state folder: job store, registry, ledger, evaluation sets, runner's key.
        mlflow: TCP port of its MLflow.
    """
    current = get_settings()
    own = {"home": home.absolute(), "ports": current.ports.model_copy(update={"mlflow": mlflow})}
    shared = {"runner": "local", "online_store": "sqlite", "clock_file": None, **dict.fromkeys(SECRETS)}
    return current.model_copy(update=own | shared)


def environment_of(settings: Settings) -> dict[str, str]:
    """Return this process's environment with other settings in place of its own, secret ones left out."""
    return {name: value for name, value in os.environ.items() if not name.startswith(PREFIX)} | settings.environment()


def child_environment(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return this process's environment with the current settings, for a child process."""
    return {**os.environ, **get_settings().environment(), **(extra or {})}


def read_tracking_credentials() -> tuple[str, str]:
    """Return the name and password a person signs in to MLflow with, by MLflow's own variables; empty without."""
    return os.environ.get("MLFLOW_TRACKING_USERNAME", ""), os.environ.get("MLFLOW_TRACKING_PASSWORD", "")


def now() -> datetime:
    """Return the current time, aware, in UTC. Everything else takes the time as an argument.

    The clock of a simulated platform (`clock_file`) is ahead: it goes as fast as any other, and is put on in between.
    The variable itself is looked at each time, for what was read once would be another process's clock.

    Raises:
        ConfigError: The file that says by how much cannot be read: nobody knows the time.
    """
    ahead = os.environ.get(f"{PREFIX}CLOCK_FILE")
    if not ahead:
        return datetime.now(UTC)
    try:
        return datetime.now(UTC) + _read_lead(Path(ahead))
    except ValueError as unknown:
        raise ConfigError(f"{PREFIX}CLOCK_FILE: {unknown}", rule="it says by how many seconds to be ahead") from None


def _read_lead(file: Path) -> timedelta:
    """Return by how much a simulated clock is ahead: 0 to ten years.

    Raises:
        ValueError: The file is not there, or says something else.
    """
    try:
        seconds = float(file.read_text(encoding="ascii"))
    except (OSError, ValueError):
        raise ValueError(f"{file} holds no number of seconds") from None
    if not 0 <= seconds <= MOST_AHEAD:
        raise ValueError(f"{file} says {seconds:g} seconds, which is not between 0 and {MOST_AHEAD:g}")
    return timedelta(seconds=seconds)


def _build(values: Mapping[str, object]) -> Settings:
    try:
        return Settings(**values)
    except ValidationError as invalid:
        first = invalid.errors()[0]
        variable = PREFIX + "__".join(str(part) for part in first["loc"]).upper()
        key = ".".join(str(part) for part in first["loc"])
        told = f"the setting {key} ({variable}) holds {first['input']!r}" if key else "two settings do not fit together"
        raise ConfigError(told, rule=first["msg"], remedy="give another value") from None
