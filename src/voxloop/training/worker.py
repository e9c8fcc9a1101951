"""One rank: `torchrun … -m voxloop.training.worker SPEC`, with a file that `launch` wrote."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from pathlib import Path

from voxloop.errors import VoxloopError
from voxloop.training.interruption import Interruption
from voxloop.training.rank_files import RanksSpec, read_spec, write_error

LOOK_SECONDS = 1.0


def main(path: Path) -> int:
    """Train as one rank and return the exit code; an error is also left beside the spec."""
    interruption = Interruption()
    # From the first moment to the last: torchrun ends the other ranks by SIGTERM as soon as one has ended.
    with interruption.listening():
        threading.Thread(target=_stop_without_parent, args=(os.getppid(),), daemon=True).start()
        try:
            _fit(read_spec(path), interruption)
        except VoxloopError as error:
            write_error(path.parent, _rank(), error)
            return error.exit_code
        _leave_group()
    return 0


def _fit(spec: RanksSpec, interruption: Interruption) -> None:
    from safetensors.torch import load_file

    from voxloop.tasks import get_task
    from voxloop.training.fit import fit_task
    from voxloop.training.forwarding import ForwardingWatcher

    task = get_task(spec.task)
    fit_task(
        spec.dataset,
        spec.folder,
        task=task,
        recipe=task.Config.model_validate(spec.recipe),
        features=spec.features,
        checkpoints=spec.checkpoints,
        start=None if spec.start is None else load_file(spec.start),
        interruption=interruption,
        watcher=ForwardingWatcher(spec.watcher) if spec.watcher is not None and _rank() == 0 else None,
    )


def _rank() -> int:
    from lightning.fabric.plugins.environments.torchelastic import TorchElasticEnvironment

    return TorchElasticEnvironment().global_rank()


def _leave_group() -> None:
    import torch

    if torch.distributed.is_initialized():
        torch.distributed.destroy_process_group()


def _stop_without_parent(parent: int) -> None:
    """Ask this process to stop as soon as torchrun is gone: nobody else would."""
    while os.getppid() == parent:
        time.sleep(LOOK_SECONDS)
    os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
