"""One supervisord for the whole group: its configuration, and its control over a private unix socket."""

from __future__ import annotations

import http.client
import os
import subprocess
import sys
import tempfile
import xmlrpc.client
from collections.abc import Mapping, Sequence
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import psutil

from voxloop.errors import ConfigError, ServiceUnavailableError, VoxloopError
from voxloop.local.airflow import without_airflow
from voxloop.local.processes import MARK, end_marked
from voxloop.local.programs import Program
from voxloop.local.supervisor_config import GROUP, STOP_SECONDS, render_config
from voxloop.local.supervisor_socket import SocketTransport
from voxloop.settings import child_environment
from voxloop.store.atomic import write_file
from voxloop.store.digests import digest_bytes

SOCKET_LIMIT = 95  # bytes; the kernel allows 107, and supervisord first binds a name with its pid at the end
ALREADY_STARTED = 60  # fault code of supervisor.xmlrpc.Faults
STARTED, STARTING = "RUNNING", "STARTING"


class ProgramState(NamedTuple):
    """What supervisord knows of a program: its state, and since when it has been running under which pid."""

    state: str
    pid: int
    since: datetime
    description: str

    @property
    def alive(self) -> bool:
        """Whether there is a process."""
        return self.state in (STARTED, STARTING)


class Supervisor:
    """The process manager of one home folder.

    Args:
        home: The state folder; two homes are two platforms that do not see each other.
    """

    def __init__(self, home: Path) -> None:
        self.run = home.absolute() / "run"
        self.logs = home.absolute() / "logs"
        self.config = self.run / "supervisord.conf"
        self.socket = choose_socket(self.run)
        self.mark = f"unix://{self.socket}"

    def launch(self, programs: Sequence[Program]) -> None:
        """Start supervisord with these programs, none of them running yet.

        Raises:
            VoxloopError: It does not start.
        """
        make_private(self.run)
        make_private(self.socket.parent)
        self.logs.mkdir(parents=True, exist_ok=True)
        write_file(self.config, render_config(programs, socket=self.socket, run=self.run, logs=self.logs), mode=0o600)
        # SPT_NOENV: Airflow rewrites its process titles, by default over the environment that carries our mark.
        environment = {**without_airflow(child_environment()), MARK: self.mark, "SPT_NOENV": "1"}
        done = subprocess.run(
            [sys.executable, "-P", "-m", "supervisor.supervisord", "-c", str(self.config)],
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise VoxloopError(f"supervisord does not start: {done.stderr.strip() or done.stdout.strip()}")

    def is_alive(self) -> bool:
        """Say whether supervisord answers."""
        try:
            return bool(self._call("supervisor.getState")["statename"] == "RUNNING")
        except (OSError, xmlrpc.client.Fault, http.client.HTTPException):
            return False

    def states(self) -> dict[str, ProgramState]:
        """Return the state of every program.

        Raises:
            ServiceUnavailableError: supervisord does not answer.
        """
        try:
            said = self._call("supervisor.getAllProcessInfo")
        except (OSError, http.client.HTTPException) as gone:
            raise ServiceUnavailableError(
                f"the process manager does not answer ({gone})", remedy=f"its log is {self.logs / 'supervisord.log'}"
            ) from None
        return {item["name"]: _read_state(item) for item in said}

    def start(self, name: str) -> None:
        """Start one program, unless it is being started already; return without waiting for it.

        Raises:
            VoxloopError: Its command cannot be run.
        """
        try:
            self._call("supervisor.startProcess", f"{GROUP}:{name}", False)
        except xmlrpc.client.Fault as refused:
            if refused.faultCode != ALREADY_STARTED:
                raise VoxloopError(f"{name} does not start: {refused.faultString}") from None

    def shut_down(self) -> int:
        """Stop every program, then supervisord, and end whatever still carries our mark.

        Returns:
            How many processes had to be ended from outside.
        """
        try:
            manager = psutil.Process(self._call("supervisor.getPID"))
            self._call("supervisor.shutdown")
            psutil.wait_procs([manager], timeout=STOP_SECONDS + 10)
        except (OSError, xmlrpc.client.Fault, http.client.HTTPException, psutil.NoSuchProcess):
            pass  # not there, or not able: the mark finds its programs
        return end_marked(self.mark)

    def _call(self, method: str, *arguments: Any) -> Any:
        proxy = xmlrpc.client.ServerProxy("http://supervisor", transport=SocketTransport(self.socket))
        with closing(proxy("transport")):
            call: Any = proxy
            for part in method.split("."):
                call = getattr(call, part)
            return call(*arguments)


def choose_socket(run: Path) -> Path:
    """Return where the control socket goes: beside the rest, or in a short folder when the path is too long."""
    beside = run / "supervisor.sock"
    if len(os.fsencode(beside)) <= SOCKET_LIMIT:
        return beside
    return Path(tempfile.gettempdir()) / f"voxloop-{os.getuid()}-{digest_bytes(os.fsencode(run))[:12]}" / beside.name


def make_private(folder: Path) -> None:
    """Make a folder that only this user can enter.

    Raises:
        ConfigError: It is there already and belongs to somebody else, or is a link.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if folder.is_symlink() or folder.stat().st_uid != os.getuid():
        raise ConfigError(f"{folder} is not ours", rule="the control socket needs a folder of its own user")
    folder.chmod(0o700)


def _read_state(item: Mapping[str, Any]) -> ProgramState:
    since = datetime.fromtimestamp(item["start"], UTC)
    return ProgramState(item["statename"], item["pid"], since, item["spawnerr"] or item["description"])
