"""What a run of a pipeline came to, as its steps wrote it."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path

from voxloop.errors import InputError
from voxloop.store.atomic import write_file
from voxloop.store.plain_files import read_json_object

RESULT_NAME = "result.json"

SUCCEEDED, FAILED, SKIPPED = "SUCCEEDED", "FAILED", "SKIPPED"


@dataclass(frozen=True)
class RunResult:
    """One run of a pipeline. None stands for what no step has written.

    Args:
        pipeline: Its name.
        runner: `local` or `kubeflow`.
        arguments: What it was run with.
        tasks: `SUCCEEDED`, `FAILED` or `SKIPPED` for each step. Skipped is what a branch left out, or what a
            failure kept from starting.
        reused: The steps whose result came from the job store.
        folders: What each step wrote, by step and output.
        data_verdict: What `accept` said.
        data_verdicts: What `validate`, `leakage` and `poison` said, of which it was made.
        verdict: What `gate` said.
        model_digest: The model that was judged.
        run_id: The MLflow run that holds the evidence.
        version: The registered version.
        error: For a failed run: `step`, `kind`, `problem` and `transient`.
        job: The run's id where another system ran it.
    """

    pipeline: str
    runner: str
    arguments: dict[str, object]
    tasks: dict[str, str]
    reused: list[str] = field(default_factory=list)
    folders: dict[str, dict[str, str]] = field(default_factory=dict)
    data_verdict: str | None = None
    data_verdicts: dict[str, str] = field(default_factory=dict)
    verdict: str | None = None
    model_digest: str | None = None
    run_id: str | None = None
    version: int | None = None
    error: dict[str, object] | None = None
    job: str | None = None

    def write(self, out: Path) -> Path:
        """Write `result.json` into the folder `out`."""
        return write_file(out / RESULT_NAME, json.dumps(asdict(self), indent=2) + "\n")

    @classmethod
    def read(cls, out: Path) -> RunResult:
        """Read `result.json` from the folder `out`."""
        return cls(**json.loads((out / RESULT_NAME).read_text(encoding="utf-8")))

    def summary(self) -> str:
        """Return the one line a person wants at the end."""
        counts = [f"{list(self.tasks.values()).count(state)} {state.lower()}" for state in (SUCCEEDED, FAILED, SKIPPED)]
        said = [f"data {self.data_verdict}", f"gate {self.verdict}", f"version {self.version}"]
        return f"{self.pipeline}: {', '.join(text for text in said if not text.endswith('None'))} ({', '.join(counts)})"


def read_result(folder: Path) -> RunResult:
    """Return what a run came to.

    Raises:
        InputError: Its `result.json` is damaged, or is no result of a run.
    """
    found = read_json_object(folder / RESULT_NAME)
    try:
        return RunResult(**found)
    except TypeError as other:
        raise InputError(
            f"{folder / RESULT_NAME} is no result of a run: {other}",
            rule="`voxloop run` writes it",
            remedy="name another run",
        ) from None
