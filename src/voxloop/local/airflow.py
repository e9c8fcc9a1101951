"""Airflow on one machine: its configuration, its secrets, its database and the DAGs it has read.

Everything stands in one `airflow.cfg` under the home folder, secrets too, readable by its owner alone: so that
`AIRFLOW_HOME=.voxloop/airflow airflow dags list` works for a person as it does for the components. Measured on two
idle cores (3.3.2): four components healthy 11 s after their start, 0.67 GiB PSS, seven processes, 3 % of a core idle.
"""

from __future__ import annotations

import base64
import json
import secrets
import sqlite3
import subprocess
import sys
import time
from collections.abc import Mapping
from configparser import ConfigParser
from contextlib import closing
from importlib.metadata import version
from io import StringIO
from pathlib import Path
from typing import NamedTuple

from voxloop.errors import VoxloopError
from voxloop.runners.airflow_api import USER, AirflowApi, airflow_home, password_file
from voxloop.settings import Settings, child_environment
from voxloop.store.atomic import write_file


class Component(NamedTuple):
    """One process of Airflow: its command line, and its part of the answer of `/api/v2/monitor/health`."""

    arguments: tuple[str, ...]
    heartbeat: str


SCHEDULER = "airflow-scheduler"

# The API server first: it is the slowest to start (6 s of CPU; the others 3.5 s).
COMPONENTS: Mapping[str, Component] = {
    "airflow-api-server": Component(("api-server",), "metadatabase"),
    SCHEDULER: Component(("scheduler", "--skip-serve-logs"), "scheduler"),
    "airflow-dag-processor": Component(("dag-processor",), "dag_processor"),
    "airflow-triggerer": Component(("triggerer", "--skip-serve-logs"), "triggerer"),
}

SECRETS = ("fernet_key", "secret_key", "jwt_secret")


def component_environment(settings: Settings) -> dict[str, str]:
    """Return what a component needs beside its configuration file: where that is, and no proxy on the way."""
    direct = ",".join(filter(None, (child_environment().get("NO_PROXY"), settings.host)))
    return {"AIRFLOW_HOME": str(airflow_home(settings)), "NO_PROXY": direct, "no_proxy": direct}


def prepare_airflow(settings: Settings) -> None:
    """Write configuration, secrets and password where they are missing, and bring the database up to date.

    Raises:
        VoxloopError: The database cannot be migrated.
    """
    home = airflow_home(settings)
    home.mkdir(parents=True, exist_ok=True)
    home.chmod(0o700)
    if not password_file(settings).exists():
        write_file(password_file(settings), json.dumps({USER: secrets.token_urlsafe(24)}), mode=0o600)
    write_file(home / "airflow.cfg", render_config(settings, keep_secrets(home)), mode=0o600)
    migrate(settings)


def keep_secrets(home: Path) -> dict[str, str]:
    """Return the three secrets of this installation, made on first use: what they encrypted must stay readable."""
    path = home / "secrets.json"
    if path.exists():
        return dict(json.loads(path.read_text()))
    made = {name: secrets.token_urlsafe(64) for name in SECRETS}
    made["fernet_key"] = base64.urlsafe_b64encode(secrets.token_bytes(32)).decode()
    write_file(path, json.dumps(made), mode=0o600)
    return made


def render_config(settings: Settings, keys: Mapping[str, str]) -> str:
    """Return the text of `airflow.cfg`."""
    parser = ConfigParser(interpolation=None)
    parser.read_dict(
        {
            section: {key: str(value).replace("%", "%%") for key, value in options.items()}
            for section, options in config_sections(settings, keys).items()
        }
    )
    text = StringIO()
    parser.write(text)
    return text.getvalue()


def config_sections(settings: Settings, keys: Mapping[str, str]) -> dict[str, dict[str, object]]:
    """Return Airflow's configuration where it differs from the defaults."""
    home, logs = airflow_home(settings), settings.home.absolute() / "logs" / "airflow"
    return {
        "core": {
            "dags_folder": settings.project_root.absolute() / "dags",
            "plugins_folder": home / "plugins",
            "executor": "LocalExecutor",
            "parallelism": 2,  # this many workers are forked at start; the default 32 would be as many processes
            "mp_start_method": "fork",  # the others import Airflow again in every worker
            "load_examples": False,
            "fernet_key": keys["fernet_key"],
            "hostname_callable": "socket.gethostname",  # the default asks DNS, which a laptop may not have
            "execution_api_server_url": f"{settings.airflow_url}/execution/",
            "auth_manager": "voxloop.runners.airflow_sign_in.SignInFirst",
            "simple_auth_manager_all_admins": False,  # it would give everybody a token
            "simple_auth_manager_users": f"{USER}:admin",
            "simple_auth_manager_passwords_file": password_file(settings),
        },
        "database": {
            # s a writer waits for the one before it; SQLite's own 5 pass on a busy machine, and a request ends in 500
            "sql_alchemy_conn": f"sqlite:///{home / 'airflow.db'}?timeout=60",
            "check_migrations": False,  # `up` has done it once for all
        },
        "logging": {
            "base_log_folder": logs,
            "dag_processor_child_process_log_directory": logs / "dag_processor",
            "colored_console_log": False,
        },
        "api": {
            "host": settings.host,
            "port": settings.ports.airflow,
            "workers": 1,
            "secret_key": keys["secret_key"],
        },
        "api_auth": {"jwt_secret": keys["jwt_secret"]},
        "dag_processor": {
            "dag_bundle_storage_path": home / "bundles",
            "parsing_processes": 1,
            "refresh_interval": 10,  # s until a new DAG file is seen; the default is 300
            "print_stats_interval": 0,
        },
        "triggerer": {"capacity": 100},
        # s after which a task killed with its machine is tried again; the default 300 would hold up every later run
        "scheduler": {"task_instance_heartbeat_timeout": 90},
    }


def migrate(settings: Settings) -> None:
    """Create or upgrade the database, unless this version of Airflow has done so before (that saves 4 s).

    Raises:
        VoxloopError: Airflow's own command failed; the message names its log.
    """
    home = airflow_home(settings)
    database, done = home / "airflow.db", home / "migrated"
    wanted = version("apache-airflow-core")
    if database.exists() and done.exists() and done.read_text() == wanted:
        return
    log = settings.home.absolute() / "logs" / "airflow-migrate.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("wb") as stream:
        code = subprocess.run(
            [sys.executable, "-P", "-m", "airflow", "db", "migrate"],
            env=without_airflow(child_environment(component_environment(settings))),
            stdout=stream,
            stderr=subprocess.STDOUT,
            check=False,
        ).returncode
    if code:
        raise VoxloopError(f"airflow db migrate failed (exit {code})", remedy=f"its reason is at the end of {log}")
    with closing(sqlite3.connect(database)) as connection:
        connection.execute("PRAGMA journal_mode=WAL")  # kept in the file: readers no longer block the writer
    write_file(done, wanted)


def without_airflow(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the environment without `AIRFLOW__*`: a stray variable would win over our configuration file."""
    return {key: value for key, value in environment.items() if not key.startswith("AIRFLOW__")}


def wait_for_dags(settings: Settings, seconds: float) -> list[str]:
    """Wait until Airflow has read every file of the DAG folder and return the names of the DAGs.

    Raises:
        VoxloopError: A file cannot be imported, or was not read in time.
    """
    wanted = {path.stem for path in (settings.project_root / "dags").glob("[!_]*.py")}
    api, end = AirflowApi.connect(settings), time.monotonic() + seconds
    while missing := wanted - set(api.dags()):
        for file, trace in api.import_errors().items():
            raise VoxloopError(f"DAG file {file} fails to import", rule=trace.strip().splitlines()[-1])
        if time.monotonic() > end:
            raise VoxloopError(f"Airflow has not read {min(missing)}.py in time", remedy="see its dag-processor log")
        time.sleep(0.5)
    return sorted(wanted)
