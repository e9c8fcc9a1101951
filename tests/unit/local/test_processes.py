from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator

import psutil
import pytest

from voxloop.local.processes import MARK, end_groups_below, end_marked, find_marked, memory
from voxloop.settings import child_environment

SLEEP = "import time; time.sleep(60)"
DEAF = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('deaf', flush=True); time.sleep(60)"


@pytest.fixture
def mark() -> Iterator[str]:
    made = f"unix:///test-{os.getpid()}-{time.monotonic_ns()}"
    yield made
    end_marked(made, grace=0.1)


def start(code: str, mark: str) -> subprocess.Popen[str]:
    environment = child_environment({MARK: mark})
    return subprocess.Popen(
        [sys.executable, "-c", code], env=environment, stdout=subprocess.PIPE, text=True, start_new_session=True
    )


def test_marked_processes_end_in_whatever_session(mark: str) -> None:
    with start(SLEEP, mark) as one, start(SLEEP, f"{mark}-other") as other:
        try:
            assert [found.pid for found in find_marked(mark)] == [one.pid]
            assert end_marked(mark) == 1
            assert not psutil.pid_exists(one.pid)
            assert other.poll() is None
        finally:
            other.kill()


def test_one_that_does_not_listen_is_killed(mark: str) -> None:
    with start(DEAF, mark) as deaf:
        assert deaf.stdout is not None
        assert deaf.stdout.readline() == "deaf\n"
        assert end_marked(mark, grace=0.2) == 1
        assert not psutil.pid_exists(deaf.pid)


def test_nothing_is_marked(mark: str) -> None:
    assert end_marked(mark) == 0


def test_groups_below_end_and_the_process_itself_stays(mark: str) -> None:
    code = (
        "import subprocess, sys\n"
        f"child = subprocess.Popen([sys.executable, '-c', {SLEEP!r}], process_group=0)\n"
        "print(child.pid, flush=True); child.wait()\n"
        f"{SLEEP}"
    )
    with start(code, mark) as parent:
        assert parent.stdout is not None
        child = psutil.Process(int(parent.stdout.readline()))
        end_groups_below(parent.pid)
        assert not child.is_running()
        assert parent.poll() is None
        parent.kill()


def test_memory_counts_descendants(mark: str) -> None:
    code = f"import subprocess, sys; subprocess.run([sys.executable, '-c', 'print(1, flush=True);{SLEEP}'])"
    with start(code, mark) as parent:
        assert parent.stdout is not None
        parent.stdout.readline()
        alone = psutil.Process(parent.pid).memory_full_info().pss / 2**20
        assert memory(parent.pid) > alone + 1
        end_marked(mark)


def test_memory_of_a_process_that_is_gone_is_nothing() -> None:
    with subprocess.Popen([sys.executable, "-c", ""]) as gone:
        gone.wait()
    assert memory(gone.pid) == 0
