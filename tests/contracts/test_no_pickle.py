"""Nothing that is read is unpickled: an audit hook listens while every kind of file is read."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from voxloop.settings import child_environment

ROOT = Path(__file__).resolve().parents[2]
UNPICKLERS = re.compile(
    r"\b(pickle|cloudpickle|joblib|dill|shelve|marshal)\.(load|loads|Unpickler|open)\b"
    r"|torch\.(load|save)\(|allow_pickle\s*=\s*True|read_pickle|weights_only\s*=\s*False"
)


def read_all(folder: Path, *more: str) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-m", "tests.contracts.pickle_watch", str(folder), *more],
        cwd=ROOT,
        env=child_environment({"OMP_NUM_THREADS": "1", "PYTHONPATH": f"{ROOT / 'src'}:{ROOT}"}),
        capture_output=True,
        text=True,
        timeout=500,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def test_nothing_read_is_unpickled_and_the_watch_sees_what_is(tmp_path: Path) -> None:
    found = read_all(tmp_path, "control")
    assert found["read"] == ["weights", "checkpoint", "parquet", "onnx", "json"]
    control = [one for one in found["unpickled"] if one == "pickle.loads" or "pathlib" in one]
    assert control[0] == "pickle.loads"
    assert len(control) > 1
    assert found["unpickled"] == control


@pytest.mark.parametrize("room", ["src", "components", "pipelines", "dags", "serving"])
def test_no_line_of_ours_unpickles(room: str) -> None:
    lines = [
        f"{path.relative_to(ROOT)}:{number}: {line.strip()}"
        for path in sorted((ROOT / room).rglob("*.py"))
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if UNPICKLERS.search(line)
    ]
    assert lines == []
