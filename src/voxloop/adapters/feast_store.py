"""Feast: which store the settings mean, how its declarations are applied and how it is opened."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from string import Template
from typing import TYPE_CHECKING, Any

from voxloop.errors import ConfigError, ServiceUnavailableError, VoxloopError
from voxloop.settings import child_environment, get_settings

if TYPE_CHECKING:
    from feast import FeatureStore
    from redis import Redis

    from voxloop.settings import Settings

PROJECT = "voxloop"
STORE_FILES = {"sqlite": "feature_store.yaml", "redis": "feature_store.redis.yaml"}
"""File in `feature_repo/` for each value of the setting `online_store`."""
REDIS_CONNECTION = "FEAST_REDIS_CONNECTION"
REDIS_SECONDS = 10


def apply_declarations() -> None:
    """Make Feast's registry and online store agree with `feature_repo/`, through `feast apply`.

    Feast changes the working directory and imports the declarations by bare file name: a process of its own.

    Raises:
        ConfigError: There is no feature repository.
        VoxloopError: Feast refused; its last line says why.
    """
    settings = get_settings()
    (settings.home / "feast").mkdir(parents=True, exist_ok=True)
    path = find_store_config(settings)
    command = [sys.executable, "-m", "feast.cli.cli", "-c", str(path.parent), "-f", str(path), "apply"]
    environment = child_environment({REDIS_CONNECTION: redis_connection(settings)})
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        lines = (done.stderr or done.stdout).strip().splitlines()
        last = hide_password(lines[-1] if lines else "without a word", settings)
        if "redis.exceptions" in last:
            raise ServiceUnavailableError(f"feast apply did not reach Redis: {last}", remedy="see `voxloop status`")
        raise VoxloopError(f"feast apply refused the declarations: {last}", remedy=f"correct {path.parent}")


def open_feature_store() -> FeatureStore:
    """Open the store that `feature_repo/` describes, its paths under the settings' home.

    Raises:
        ConfigError: The file is missing or Feast refuses it.
    """
    import yaml
    from feast import FeatureStore
    from feast.repo_config import RepoConfig
    from pydantic import ValidationError

    settings = get_settings()
    path = find_store_config(settings)
    try:
        config = RepoConfig(**_read_store_config(path, settings))
    except (ValidationError, KeyError, yaml.YAMLError) as refused:
        told = hide_password(str(refused), settings)
        raise ConfigError(f"{path} is no feature store: {told}", remedy="correct the file") from None
    config.repo_path = path.parent
    return FeatureStore(config=config)


def find_store_config(settings: Settings) -> Path:
    """Return the path of the store's description.

    Raises:
        ConfigError: There is none.
    """
    path = settings.project_root / "feature_repo" / STORE_FILES[settings.online_store]
    if not path.is_file():
        raise ConfigError(f"{path} does not exist", remedy="set VOXLOOP_PROJECT_ROOT to a checkout or an image's root")
    return path


def redis_connection(settings: Settings) -> str:
    """Return Feast's connection string: `host:port,option=JSON,…`.

    Feast splits it at commas and reads each value as JSON, so a password of digits would become a number and a comma
    end it: as JSON text with everything but letters and digits escaped, each password is one value.
    """
    options: dict[str, object] = {"socket_timeout": REDIS_SECONDS, "socket_connect_timeout": REDIS_SECONDS}
    if settings.redis_tls:
        options["ssl"] = True
    if settings.redis_ca_file is not None:
        options["ssl_ca_certs"] = str(settings.redis_ca_file)
    if settings.redis_password is not None:
        options["password"] = settings.redis_password.get_secret_value()
    return ",".join([settings.redis_address, *(f"{name}={_escape(value)}" for name, value in options.items())])


def check_online_store() -> None:
    """Ask a Redis whether it is there, before anything is done that needs it.

    Raises:
        ConfigError: It refuses the password.
        ServiceUnavailableError: It does not answer.
    """
    settings = get_settings()
    if settings.online_store == "redis":
        with online_store_errors(settings), closing(connect_redis(settings)) as redis:
            redis.ping()


def connect_redis(settings: Settings) -> Redis:
    """Return a client of the Redis that the settings name."""
    from redis import Redis

    host, _, port = settings.redis_address.rpartition(":")
    return Redis(
        host=host,
        port=int(port),
        password=settings.redis_password.get_secret_value() if settings.redis_password else None,
        ssl=settings.redis_tls,
        ssl_ca_certs=str(settings.redis_ca_file) if settings.redis_ca_file else None,
        socket_timeout=REDIS_SECONDS,
        socket_connect_timeout=REDIS_SECONDS,
    )


def hide_password(text: str, settings: Settings) -> str:
    """Return `text` without the password, in any of the spellings it has here."""
    if settings.redis_password is None:
        return text
    plain = settings.redis_password.get_secret_value()
    for spelling in (redis_connection(settings), _escape(plain), plain):
        text = text.replace(spelling, "***")
    return text


@contextmanager
def online_store_errors(settings: Settings) -> Iterator[None]:
    """Turn what goes wrong between us and the online store into errors that say what to do.

    Raises:
        ConfigError: Redis refuses the password, or SQLite has no such table.
        ServiceUnavailableError: Redis does not answer, or SQLite is locked.
    """
    import sqlite3

    import redis

    place = settings.redis_address if settings.online_store == "redis" else "feast/online.db"
    try:
        yield
    except (redis.AuthenticationError, redis.exceptions.NoPermissionError) as refused:
        raise ConfigError(
            f"Redis at {place} refuses us: {refused}", rule="it asks for a password", remedy="VOXLOOP_REDIS_PASSWORD"
        ) from None
    except (redis.RedisError, OSError) as failed:
        told = hide_password(str(failed), settings)
        raise ServiceUnavailableError(f"the online store at {place} does not answer: {told}") from None
    except sqlite3.OperationalError as failed:
        if "no such table" in str(failed):
            raise ConfigError(
                f"{place} has no table for the features: {failed}",
                rule="declarations are applied first",
                remedy="run `voxloop features-publish`",
            ) from None
        raise ServiceUnavailableError(f"{place}: {failed}", remedy="another process holds it: try again") from None


def _read_store_config(path: Path, settings: Settings) -> dict[str, Any]:
    import yaml

    values = {**settings.environment(), REDIS_CONNECTION: redis_connection(settings)}
    return dict(yaml.safe_load(Template(path.read_text(encoding="utf-8")).substitute(values)))


def _escape(value: object) -> str:
    if not isinstance(value, str):
        return json.dumps(value)
    plain = (character if character.isascii() and character.isalnum() else _code(character) for character in value)
    return f'"{"".join(plain)}"'


def _code(character: str) -> str:
    """Return the JSON escape of a character; beyond the basic plane it takes two."""
    return json.dumps(character)[1:-1] if ord(character) > 0xFFFF else f"\\u{ord(character):04x}"
