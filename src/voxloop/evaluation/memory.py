"""How much memory a model takes to answer golden requests, in a process of its own, and how large its files are."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from voxloop.evaluation.exported_model import ExportedModel
from voxloop.settings import child_environment
from voxloop.tasks.batches import pad_rows

SERVED = ("model.onnx", "model.json")
"""What of a model folder is needed to answer; the rest is there to prove the export."""
LONGEST_S = 120.0
"""After so long a probe is given up."""


def measure_size(folder: Path) -> int:
    """Return the bytes of the files of a model folder that serve."""
    return sum((folder / name).stat().st_size for name in SERVED)


def measure_memory(folder: Path, model: ExportedModel, seconds: Sequence[float], threads: int) -> int | None:
    """Return by how many bytes a fresh process grows at most, in resident memory, when it opens and asks a model.

    None where it cannot be told: the process died, or the system has no /proc.

    Args:
        folder: Written by `export`.
        model: The same, opened: it says what golden requests are.
        seconds: Length of each.
        threads: Inside ONNX Runtime; 0 for one a core.
    """
    requests = list(model.task.golden_inputs(model.encoding, seconds))
    with tempfile.TemporaryDirectory(prefix="voxloop-memory-") as scratch:
        asked = Path(scratch) / "requests.npz"
        np.savez(asked, **_name_arrays(requests))
        command = [sys.executable, "-m", "voxloop.evaluation.memory_probe", str(folder / "model.onnx"), str(asked)]
        try:
            done = subprocess.run(
                [*command, str(threads)],
                env=child_environment({"MALLOC_ARENA_MAX": "1"}),  # arenas of threads would come and go by chance
                capture_output=True,
                check=True,
                timeout=LONGEST_S,
            )
            return int(json.loads(done.stdout)["memory_bytes"])
        except (OSError, subprocess.SubprocessError, ValueError, KeyError):
            return None


def _name_arrays(requests: Sequence[Mapping[str, npt.NDArray[Any]]]) -> dict[str, Any]:
    return {f"{place}/{name}": pad_rows([array]) for place, one in enumerate(requests) for name, array in one.items()}
