"""The folder that a local run of the pipeline `training` leaves, written step by step by the real jobs."""

from __future__ import annotations

import json
from pathlib import Path

from tests.unit.training.tones import TINY

ARGUMENTS: dict[str, object] = {
    "task": "emotion",
    "config": "smoke",
    "corpus": "world",
    "corpus_path": "",
    "corpus_overrides": [],
    "overrides": [*TINY, "epochs=1"],
    "poison_policy": "",
    "policy": "emotion",
    "bootstrap": False,
    "because": "",
}


def finish(folder: Path, out: Path, value: str | None = None) -> None:
    """Leave in a step's folder what kfp.local leaves."""
    folder.mkdir(parents=True, exist_ok=True)
    said = {"artifacts": {"out": {"artifacts": [{"uri": str(out)}]}}}
    values = {} if value is None else {"parameterValues": {"Output": value}}
    (folder / "executor_output.json").write_text(json.dumps(said | values))
