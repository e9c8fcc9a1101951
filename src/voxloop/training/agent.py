"""The ranks of one machine: torchrun, which also leaves word of how they ended.

`python -m voxloop.training.agent SPEC --node-rank K` on each machine of a training; the first one (K = 0) is started by
`voxloop train`.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import threading
from pathlib import Path

from voxloop.training.rank_files import Failure, read_spec, write_failures

SHUTDOWN_SECONDS = 40
"""Between SIGTERM and SIGKILL for ranks that must end: time for a checkpoint, and less than a minute in all."""

WORKER = "voxloop.training.worker"


def main() -> int:
    """Run the ranks of this machine and return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m voxloop.training.agent")
    parser.add_argument("spec", type=Path, help="file written by voxloop train, on a disk all machines share")
    parser.add_argument("--node-rank", type=int, default=0, help="number of this machine, from 0")
    parser.add_argument("--watch-stdin", action="store_true", help="end when standard input does")
    given = parser.parse_args()
    if given.watch_stdin:
        threading.Thread(target=_stop_at_end_of_input, daemon=True).start()
    return _run(given.spec, given.node_rank)


def torchrun_arguments(spec: Path, node: int) -> list[str]:
    """Return what torchrun is to be called with on one machine."""
    from voxloop.tasks.recipe import DevicesConfig

    devices = DevicesConfig.model_validate(read_spec(spec).recipe["devices"])
    meeting = ["--standalone"]
    if devices.nodes > 1:
        host, port = devices.rendezvous.split(":")
        meeting = [f"--nnodes={devices.nodes}", f"--node-rank={node}", f"--master-addr={host}", f"--master-port={port}"]
    ends = ["--monitor-interval=0.2", f"--shutdown-timeout={SHUTDOWN_SECONDS}", "--max-restarts=0"]
    return [*meeting, f"--nproc-per-node={devices.count}", *ends, "-m", WORKER, str(spec)]


def _run(spec: Path, node: int) -> int:
    from torch.distributed.elastic.multiprocessing import SignalException
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
    from torch.distributed.run import parse_args, run

    try:
        run(parse_args(torchrun_arguments(spec, node)))  # type: ignore[no-untyped-call]
    except ChildFailedError as failed:
        seen = [Failure(rank, one.exitcode, one.signal_name()) for rank, one in failed.failures.items()]
        write_failures(spec.parent, node, seen)
        return 1
    except SignalException as told:
        return 128 + int(told.sigval)
    return 0


def _stop_at_end_of_input() -> None:
    """Ask this process to stop when whoever started it has gone."""
    while os.read(sys.stdin.fileno(), 1):  # unbuffered: a lock held here would hang the interpreter's end
        pass
    os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    sys.exit(main())
