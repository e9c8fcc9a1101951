"""The other half of `memory`: a process that opens one graph, asks it golden requests, and says what that took.

It loads ONNX Runtime and nothing of a family: what is measured is the graph that is served.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np

from voxloop.evaluation.onnx_session import open_session

STATUS, CLEAR_REFS = Path("/proc/self/status"), Path("/proc/self/clear_refs")
KIB = 1024


def read_status(name: str) -> int:
    """Return a figure of /proc/self/status, bytes: `VmRSS` now, `VmHWM` at most since the last `clear_refs`."""
    for line in STATUS.read_text(encoding="ascii").splitlines():
        key, _, value = line.partition(":")
        if key == name:
            return int(value.split()[0]) * KIB
    raise OSError(f"{STATUS} has no {name}")


def probe(graph: Path, requests: Path, threads: int) -> int:
    """Return by how many bytes the resident memory grew at most while a graph was opened and asked.

    Args:
        graph: `model.onnx`.
        requests: A `.npz` with an array `<place>/<input>` for each input of each request, the batch of one included.
        threads: Inside ONNX Runtime.
    """
    with np.load(requests, allow_pickle=False) as file:
        asked: dict[str, dict[str, object]] = {}
        for key in file.files:
            place, _, name = key.partition("/")
            asked.setdefault(place, {})[name] = file[key]
    CLEAR_REFS.write_text("5", encoding="ascii")  # the peak begins here
    before = read_status("VmRSS")
    session = open_session(graph, threads)
    for place in sorted(asked):
        session.run(None, asked[place])
    return max(0, read_status("VmHWM") - before)


def main() -> None:
    """Print one line of JSON."""
    graph, requests, threads = sys.argv[1:]
    print(json.dumps({"memory_bytes": probe(Path(graph), Path(requests), int(threads))}))


if __name__ == "__main__":
    main()
