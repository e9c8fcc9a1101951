"""Start Triton in place of this process: `python -m voxloop.adapters.triton_start`.

What a supervisor starts again after a crash must be verified again, so the command line is made here, each time.
"""

from __future__ import annotations

import os

from voxloop.adapters.triton import server_argv
from voxloop.settings import child_environment, get_settings

if __name__ == "__main__":
    argv, environment = server_argv(get_settings())
    os.execve(argv[0], argv, child_environment(environment))  # noqa: S606 - our own command, no shell
