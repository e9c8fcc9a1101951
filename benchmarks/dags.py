"""What parsing our DAG files costs over a bare one: the same file with nothing but `airflow.sdk` in it.

Airflow's processor imports each file again and again, each time in a fork that has `airflow.sdk` and nothing of ours.
So the cost that counts is the cold one; the warm one is what a process pays that has seen the file's imports before
(a test, the API server). Each file is parsed in fresh processes, in turns with the bare one, pinned to one core;
milliseconds of the processor, medians over the turns, and the dearest file is the one reported. Every file's figures
go to standard error.

It fails where a file brings a heavy package along, whatever the milliseconds.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.report import Finding
from voxloop.settings import child_environment

TURNS = 3
COLD_MS, WARM_MS = 50.0, 5.0
HEAVY = ("torch", "numpy", "pandas", "pyarrow", "scipy", "mlflow", "kfp", "lightning", "onnxruntime", "feast", "optuna")
ROOT = Path(__file__).resolve().parents[1]
BARE = """
from airflow.sdk import dag, task


@dag(dag_id="bare", schedule=None)
def bare():
    @task
    def nothing():
        return 0

    nothing()


bare()
"""
PARSE = """
import importlib.util, json, sys, time
import airflow.sdk
from airflow.sdk import Param, CronTriggerTimetable, dag, get_current_context, task

def parse(path, name):
    began = time.process_time()
    spec = importlib.util.spec_from_file_location(name, path)
    spec.loader.exec_module(importlib.util.module_from_spec(spec))
    return (time.process_time() - began) * 1e3

bare, file = sys.argv[1:]
parse(bare, "first")  # what any DAG at all makes airflow.sdk load
before = set(sys.modules)
cold_bare, cold = parse(bare, "bare"), parse(file, "file")
warm = min(parse(file, f"file{turn}") for turn in range(5))
warm_bare = min(parse(bare, f"bare{turn}") for turn in range(5))
brought = sorted({name.partition(".")[0] for name in set(sys.modules) - before})
print(json.dumps({"cold": cold - cold_bare, "warm": warm - warm_bare, "brought": brought}))
"""


def measure(folder: Path) -> list[Finding]:
    """Return milliseconds over the bare file, cold and warm, of the dearest file of each; `peer` is what is allowed."""
    bare = folder / "bare.py"
    bare.write_text(BARE, encoding="utf-8")
    files = sorted((ROOT / "dags").glob("*.py"))
    found: dict[str, dict[str, list[float]]] = {file.stem: {"cold": [], "warm": []} for file in files}
    for _turn in range(TURNS):
        for file in files:
            told = parse(bare, file)
            refuse_heavy(file, told["brought"])
            for kind, costs in found[file.stem].items():
                costs.append(told[kind])
    dearest = {}
    for kind in ("cold", "warm"):
        costs_of = {name: median(costs[kind]) for name, costs in found.items()}
        print(kind, {name: round(cost, 2) for name, cost in costs_of.items()}, file=sys.stderr)
        dearest[kind] = max(costs_of.values())
    return [
        Finding("dags: cold parse over bare airflow.sdk, of 50 ms", dearest["cold"], COLD_MS, 1.0, "at most"),
        Finding("dags: warm parse over bare airflow.sdk, of 5 ms", dearest["warm"], WARM_MS, 1.0, "at most"),
    ]


def parse(bare: Path, file: Path) -> dict[str, Any]:
    """Return what a fresh process found when it parsed the bare file and this one."""
    environment = child_environment({"OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT / "src")})
    done = subprocess.run(
        [sys.executable, "-c", PARSE, bare, file], env=environment, stdout=subprocess.PIPE, text=True, check=True
    )
    told: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return told


def refuse_heavy(file: Path, brought: list[str]) -> None:
    """Fail where a DAG file imports, however indirectly, what takes seconds to load."""
    heavy = sorted(set(brought) & set(HEAVY))
    assert not heavy, f"{file.name} brings {', '.join(heavy)} along: import it where the task runs"


if __name__ == "__main__":
    import tempfile

    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    with tempfile.TemporaryDirectory() as scratch:
        for one in measure(Path(scratch)):
            print(one.as_json())
