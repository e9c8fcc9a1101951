"""How a benchmark with a command line of its own ends."""

from __future__ import annotations

import sys

from cyclopts import App

from voxloop.errors import VoxloopError


def run_command(app: App) -> None:
    """Run a command line; what goes wrong is one line on standard error, and the error's own exit code."""
    try:
        app()
    except VoxloopError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
