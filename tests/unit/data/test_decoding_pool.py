from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path

import psutil
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from tests.faults.decoder_killers import work
from voxloop.data.decoding_pool import BATCH, Death, DecodingPool, WorkerLimits
from voxloop.errors import CorpusError, VoxloopError

LIMITS = WorkerLimits(seconds=0.3, mebibytes=64)

FATAL = {
    "crash": "crashed the decoder",
    "kill": "crashed the decoder",
    "exit": "crashed the decoder",
    "loop": "took too long",
    "loop in C": "took too long",
    "wait": "took too long",
    "eat": "too much memory",
}


def work_or_die_sending(item: str) -> str:
    """Do harmless work; at "half" end the process with half of the answer in the pipe."""

    def send_half(self: Connection, content: bytes) -> None:
        os.write(self.fileno(), bytes(content[: len(content) // 2]))
        os.kill(os.getpid(), signal.SIGKILL)

    if item == "half":
        Connection._send = send_half  # type: ignore[attr-defined]
    return f"{item} done"


def run(items: list[str], *, workers: int = 2) -> list[str | Death]:
    return list(DecodingPool(work, LIMITS, workers=workers, preload=["tests.faults.decoder_killers"]).run(items))


@hypothesis_settings(max_examples=5, deadline=None)
@given(count=st.integers(0, 5 * BATCH), workers=st.integers(1, 3))
def test_results_come_in_order(count: int, workers: int) -> None:
    assert run([str(number) for number in range(count)], workers=workers) == [
        f"{number} done" for number in range(count)
    ]


@pytest.mark.parametrize("fault", FATAL)
def test_only_the_guilty_one_is_refused(fault: str) -> None:
    items = [str(number) for number in range(3 * BATCH)]
    items[BATCH + 2] = fault
    results = run(items)
    death = results.pop(BATCH + 2)
    assert isinstance(death, Death)
    assert death.reason == FATAL[fault]
    assert death.detail
    items.pop(BATCH + 2)
    assert results == [f"{item} done" for item in items]


def test_a_worker_killed_while_it_answers_is_one_that_died() -> None:
    results = list(DecodingPool(work_or_die_sending, LIMITS, workers=1).run(["1", "half", "2"]))
    assert results == ["1 done", Death("crashed the decoder", "its process ended with SIGKILL"), "2 done"]


def test_a_whole_batch_of_killers_is_refused_one_by_one() -> None:
    results = run(["crash"] * 3 + ["fine"] + ["exit"] * 2, workers=1)
    assert [getattr(result, "detail", result) for result in results] == [
        *["its process ended with SIGSEGV"] * 3,
        "fine done",
        *["its process ended with exit code 3"] * 2,
    ]


def test_an_error_that_is_no_finding_ends_the_run_as_itself() -> None:
    before = list_workers()  # another test's may be ending still
    with pytest.raises(CorpusError, match="the reader says no; say yes"):
        run(["1", "known", "2"])
    with pytest.raises(VoxloopError, match=r"bug fails with KeyError: 'speaker', at decoder_killers\.py:\d+"):
        run(["bug"])
    assert list_workers() <= before


def test_the_items_are_drawn_only_a_little_ahead() -> None:
    drawn = 0

    def draw() -> Iterator[str]:
        nonlocal drawn
        for number in range(10_000):
            drawn += 1
            yield str(number)

    results = DecodingPool(work, LIMITS, workers=2).run(draw())
    assert next(results) == "0 done"
    assert drawn <= 7 * BATCH
    results.close()  # type: ignore[attr-defined]


def test_workers_stand_where_the_run_stands_now(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        monkeypatch.chdir(tmp_path / name)
        assert run(["where"]) == [str(tmp_path / name)]


def list_workers() -> set[psutil.Process]:
    return {child for child in psutil.Process().children(recursive=True) if is_worker(child)}


def is_worker(process: psutil.Process) -> bool:
    with_fork = "forkserver" in " ".join(process.cmdline()) if process.is_running() else False
    parent = process.parent()
    return with_fork and parent is not None and "forkserver" in " ".join(parent.cmdline())


KILLED = """
import sys, time
from tests.faults.decoder_killers import work
from voxloop.data.decoding_pool import DecodingPool, WorkerLimits

if __name__ == "__main__":
    pool = DecodingPool(work, WorkerLimits(seconds=100.0, mebibytes=64), workers=2, batch=1)
    for result in pool.run(["1", "wait", "loop in C", "3", "4"]):
        print(result, flush=True)
"""


def test_no_worker_outlives_a_killed_run(tmp_path: Path) -> None:
    script = tmp_path / "killed.py"
    script.write_text(KILLED)
    root = Path(__file__).resolve().parents[3]
    environment = {**os.environ, "PYTHONPATH": str(root)}
    with subprocess.Popen([sys.executable, str(script)], stdout=subprocess.PIPE, env=environment) as run_:
        assert run_.stdout is not None
        assert run_.stdout.readline() == b"1 done\n"
        time.sleep(0.3)
        family = psutil.Process(run_.pid).children(recursive=True)
        assert len([one for one in family if is_worker(one)]) == 2
        run_.kill()
    _, alive = psutil.wait_procs(family, timeout=10)
    assert alive == []


UNGUARDED = """
from functools import partial
from voxloop.data.decoding_pool import DecodingPool, WorkerLimits
print(list(DecodingPool(partial(int, base=10), WorkerLimits(1.0, 64)).run(["1", "2"])))
"""


def test_a_script_without_a_guard_is_told_so(tmp_path: Path) -> None:
    script = tmp_path / "unguarded.py"
    script.write_text(UNGUARDED)
    done = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 1
    assert "call voxloop from under `if __name__ == '__main__':`" in done.stderr


def test_a_partial_is_work_too() -> None:
    assert list(DecodingPool(partial(int, base=16), LIMITS).run(["ff", "10"])) == [255, 16]
