"""What the people and the scheduler of a simulated platform do, each act a process as it is in production."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from voxloop.errors import VoxloopError
from voxloop.runners.airflow_api import airflow_home
from voxloop.settings import Settings, environment_of

TRIES = 3
"""Of a task that failed and may succeed another time, as its DAG tries it."""
AGAIN_SECONDS = 10.0
ENDINGS = {"said", "skipped", "trigger", "failed"}
REFUSED = 3
"""Exit code of what a rule forbids."""


class Acts:
    """Acts on one platform.

    Args:
        settings: Of it.
        task: Family.
        log: File that takes what the acts print.
    """

    def __init__(self, settings: Settings, task: str, log: Path) -> None:
        self.settings, self.task, self.log = settings, task, log
        self._environment = environment_of(settings) | {"AIRFLOW_HOME": str(airflow_home(settings))}

    def do(self, name: str, *arguments: str) -> dict[str, Any]:
        """Do what a DAG's task does, and return how it ended; see `do_all`."""
        return self.do_all((name,), *arguments)[name]

    def do_all(self, names: Sequence[str], *arguments: str) -> dict[str, dict[str, Any]]:
        """Do what tasks of a DAG do one after the other; see `tasks.py`.

        Returns:
            How each ended that was begun.

        Raises:
            VoxloopError: One failed for good, or again and again.
        """
        for left in reversed(range(TRIES)):
            _, said = self._run("-m", "voxloop.local.simulation.tasks", ",".join(names), self.task, *arguments)
            ended = _read_last(said)
            failed = [one for one in ended.values() if "failed" in one]
            if not failed:
                return ended
            if not (failed[0]["again"] and left):
                break
            time.sleep(AGAIN_SECONDS)
        told = f"{', '.join(names)} of {self.task} failed: {failed[0]['failed']}"
        raise VoxloopError(told, remedy=f"its output is in {self.log}")

    def call(self, *tokens: str) -> str:
        """Run a `voxloop` command as a person does; return the last line it printed.

        Raises:
            VoxloopError: It failed.
        """
        code, said = self._run("-m", "voxloop", *tokens)
        if code:
            raise VoxloopError(f"voxloop {' '.join(tokens[:2])} ended with exit code {code}: {said[-1:]}")
        return said[-1] if said else ""

    def make_reference(self, since: datetime, until: datetime) -> bool:
        """Make the reference of an interval; say whether that gave one, for it may have too few speakers."""
        code, said = self._run(
            *("-m", "voxloop", "drift", self.task, "--make-reference"),
            *("--since", since.isoformat(), "--until", until.isoformat()),
        )
        if code not in (0, REFUSED):
            raise VoxloopError(f"no reference could be made: {said[-1:]}", remedy=f"see {self.log}")
        return code == 0

    def retire_reference(self, at: datetime) -> None:
        """Put the reference aside: it is of a model that is no longer in service."""
        path = self.settings.drift / self.task / "reference.json"
        if path.exists():
            path.rename(path.with_name(f"reference-until-{at:%Y%m%dT%H%M%S}.json"))

    def freeze_set(self, batch: Path, date: datetime) -> str:
        """Cut an evaluation set, by speaker, out of labelled speech that arrived; return its name."""
        dataset = self.settings.home / "arrived" / batch.name
        corpus = self._read_arguments()["corpus_overrides"]
        sets = [part for one in corpus for part in ("--set", one)]
        self.call("ingest", "--corpus", "lhotse", str(batch), "--out", str(dataset), *sets)
        day = f"{date:%Y-%m-%d}"
        cut = ("--domain", batch.name, "--date", day, "--task", self.task)
        self.call("evalset", "cut", "--from", str(dataset), *cut)
        return f"{batch.name}-{day}"

    def join_corpus(self, batch: Path, corpus: Path) -> None:
        """Lay labelled speech that arrived beside what trainings read: sounds first, then what names them."""
        shutil.copytree(batch / "audio", corpus / "audio", dirs_exist_ok=True)
        shutil.copytree(batch / "manifests", corpus / "manifests", dirs_exist_ok=True)

    def _read_arguments(self) -> dict[str, Any]:
        from voxloop.config import read_mapping
        from voxloop.local.simulation.checkout import ARGUMENTS

        root = self.settings.project_root
        return read_mapping(root / "configs" / "pipelines" / "training" / f"{ARGUMENTS}.yaml")

    def _run(self, *tokens: str) -> tuple[int, list[str]]:
        """Run Python; return its exit code and the lines it printed, which the log has too."""
        command = [sys.executable, "-P", *tokens]
        with self.log.open("a", encoding="utf-8") as log:
            log.write(f"$ {' '.join(tokens)}\n")
            with subprocess.Popen(
                command,
                env=self._environment,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                errors="replace",
            ) as process:
                try:
                    lines = []
                    for line in process.stdout or ():
                        log.write(line)
                        log.flush()
                        lines.append(line.rstrip("\n"))
                    code = process.wait()
                except BaseException:
                    process.terminate()  # it takes its own children along
                    raise
        return code, lines


def _read_last(lines: list[str]) -> dict[str, dict[str, Any]]:
    """Return the last line of a process that has run tasks; of one that died before it, what it said last."""
    last = (lines or ["it printed nothing"])[-1]
    try:
        found: dict[str, dict[str, Any]] = json.loads(last)
        if all(one.keys() & ENDINGS for one in found.values()):
            return found
    except (ValueError, AttributeError):
        pass
    return {"process": {"failed": last, "again": False}}
