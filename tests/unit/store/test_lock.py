from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from voxloop.store.lock import hold_lock

HOLDER = """
import sys, time
from pathlib import Path
from voxloop.store.lock import hold_lock
with hold_lock(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""
ADDER = """
import sys
from pathlib import Path
from voxloop.store.lock import hold_lock
counter = Path(sys.argv[1])
for _ in range(200):
    with hold_lock(counter.with_suffix(".lock")):
        counter.write_text(str(int(counter.read_text()) + 1))
"""


def test_two_processes_take_turns(tmp_path: Path) -> None:
    counter = tmp_path / "counter"
    counter.write_text("0")
    adders = [subprocess.Popen([sys.executable, "-c", ADDER, str(counter)]) for _ in range(2)]
    assert [adder.wait(60) for adder in adders] == [0, 0]
    assert counter.read_text() == "400"


def test_a_killed_process_lets_go(tmp_path: Path) -> None:
    lock = tmp_path / "deeper" / "lock"
    with subprocess.Popen([sys.executable, "-c", HOLDER, str(lock)], stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        holder.kill()
    with hold_lock(lock):
        pass
