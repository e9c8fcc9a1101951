"""The configuration file of supervisord, and what it cannot be told."""

from __future__ import annotations

import getpass
import os
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path

from voxloop.errors import ConfigError
from voxloop.local.programs import Program

GROUP = "voxloop"
STOP_SECONDS = 15  # s a program is given to leave after SIGTERM


def render_config(programs: Sequence[Program], *, socket: Path, run: Path, logs: Path) -> str:
    """Return the text of `supervisord.conf`: one group, nothing started by itself.

    Args:
        programs: What is to be run.
        socket: The control socket.
        run: Folder of the pid file.
        logs: Folder of supervisord's own log.

    Raises:
        ConfigError: A value supervisord would misread.
    """
    sections: dict[str, dict[str, object]] = {
        "unix_http_server": {"file": socket, "chmod": "0600"},
        "supervisord": {
            "logfile": logs / "supervisord.log",
            "logfile_maxbytes": "1MB",
            "logfile_backups": 2,
            "pidfile": run / "supervisord.pid",
            **({"user": getpass.getuser()} if os.getuid() == 0 else {}),  # else it warns of running as root
        },
        "rpcinterface:supervisor": {
            "supervisor.rpcinterface_factory": "supervisor.rpcinterface:make_main_rpcinterface"
        },
        "supervisorctl": {"serverurl": f"unix://{socket}"},
        f"group:{GROUP}": {"programs": ",".join(program.name for program in programs)},
    }
    sections |= {f"program:{program.name}": program_section(program) for program in programs}
    return "\n".join(render_section(name, options) for name, options in sections.items())


def program_section(program: Program) -> dict[str, object]:
    """Return a program as supervisord wants it told: stopped with all it has started, its log rotated."""
    return {
        "command": shlex.join(program.argv),
        **({"environment": render_environment(program.environment)} if program.environment else {}),
        "autostart": "false",
        "autorestart": "true",
        "startsecs": 5,
        "startretries": 3,
        "stopasgroup": "true",
        "killasgroup": "true",
        "stopwaitsecs": STOP_SECONDS,
        "redirect_stderr": "true",
        "stdout_logfile": program.log,
        "stdout_logfile_maxbytes": "10MB",
        "stdout_logfile_backups": 3,
    }


def render_section(name: str, options: Mapping[str, object]) -> str:
    """Return one section of the configuration.

    Raises:
        ConfigError: A value that supervisord would misread: it takes ` ;` and ` #` for a comment.
    """
    for key, value in options.items():
        if any(bad in str(value) for bad in ("\n", "\r", " ;", " #")):
            raise ConfigError(
                f"{key} of {name} is {str(value)!r}",
                rule="the process manager cannot read a path with a line end, ' ;' or ' #'",
                remedy="move the project or set VOXLOOP_HOME to a plainer path",
            )
    lines = [f"{key} = {str(value).replace('%', '%%')}" for key, value in options.items()]
    return "\n".join([f"[{name}]", *lines, ""])


def render_environment(environment: Mapping[str, str]) -> str:
    """Return variables as `KEY="value",…`.

    Raises:
        ConfigError: A value with quotes that supervisord has no escape for, or strips.
    """
    for key, value in environment.items():
        if '"' in value or value.strip("'") != value:
            raise ConfigError(f"{key} is {value!r}", rule="the process manager cannot pass on such quotes")
    return ",".join(f'{key}="{value}"' for key, value in environment.items())
