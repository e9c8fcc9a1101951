"""A `voxloop` command in a process of its own, for a family that is the tests' own, and what a stranger sees of it.

What is seen is seen by stock clients: MLflow's, Triton's HTTP, SQLite. Nothing of voxloop looks.
"""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
import urllib.error
import urllib.request
from contextlib import closing
from dataclasses import dataclass

from mlflow import MlflowClient
from mlflow.exceptions import MlflowException

from voxloop.settings import Settings, child_environment

COMMAND = """
import sys
from importlib import import_module
import voxloop.tasks
voxloop.tasks.task_names = lambda: [sys.argv[1]]
voxloop.tasks.get_task = lambda _: import_module("voxloop.tasks.emotion")
from voxloop.cli import main
main(sys.argv[2:])
"""


def start(family: str, *arguments: str) -> subprocess.Popen[str]:
    """Start `voxloop …` with one family, the tests' own."""
    return subprocess.Popen(
        [sys.executable, "-c", COMMAND, family, *arguments],
        env=child_environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


@dataclass(frozen=True)
class Stranger:
    """Looks at a family from outside."""

    settings: Settings
    family: str

    def rows(self, kind: str, step: str = "") -> int:
        """Return how many rows of a kind (and step) the ledger's file holds."""
        file = self.settings.ledger / "ledger.sqlite"
        if not file.exists():
            return 0
        with closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True, timeout=10)) as connection:
            try:
                found = connection.execute(
                    "SELECT payload FROM ledger_entry WHERE task = ? AND kind = ?", (self.family, kind)
                ).fetchall()
            except sqlite3.OperationalError:
                return 0
        return sum(json.loads(payload).get("step", "") == step for (payload,) in found)

    def is_staged(self, name: str) -> bool:
        """Return whether a model lies in Triton's repository."""
        return (self.settings.model_repository / name).is_dir()

    def is_ready(self, name: str) -> bool:
        """Return whether Triton says that a model is ready."""
        try:
            with urllib.request.urlopen(f"{self.settings.triton_url}/v2/models/{name}/ready", timeout=10):
                return True
        except urllib.error.HTTPError:
            return False

    def alias(self, name: str) -> str | None:
        """Return the Triton name of the version that carries an alias in MLflow."""
        client = MlflowClient(tracking_uri=self.settings.mlflow_url, registry_uri=self.settings.mlflow_url)
        try:
            version = client.get_model_version_by_alias(self.family, name)
        except MlflowException as refused:
            if refused.error_code not in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"):
                raise
            return None
        return f"{self.family}-{version.tags['voxloop.model_digest'][:12]}"

    def answer(self, name: str) -> list[float]:
        """Return Triton's probabilities for half a second of a ramp."""
        samples = [index / 8000 for index in range(8000)]
        body = {
            "inputs": [
                {"name": "waveform", "shape": [1, 8000], "datatype": "FP32", "data": samples},
                {"name": "num_samples", "shape": [1, 1], "datatype": "INT64", "data": [8000]},
            ]
        }
        request = urllib.request.Request(
            f"{self.settings.triton_url}/v2/models/{name}/infer",
            json.dumps(body).encode(),
            {"Content-Type": "application/json", "x-voxloop-key": self._key},
        )
        with urllib.request.urlopen(request, timeout=60) as told:
            return list(json.load(told)["outputs"][0]["data"])

    @property
    def _key(self) -> str:
        return (self.settings.home / "triton" / "inference.key").read_bytes().hex()
