"""A profile of a few steps: where the time goes, as a Chrome trace and a table."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from torch.profiler import ProfilerActivity, profile, schedule

from voxloop.store.atomic import write_file

TRACE_NAME, TABLE_NAME = "trace.json", "table.txt"
FIRST_STEP, LAST_STEP = 10, 20
"""Steps of a process that are looked at: the first ones compile, allocate and fill caches."""

ROWS = 40


@contextmanager
def profiled_steps(folder: Path | None) -> Iterator[Callable[[], None]]:
    """Give what to call after each step; the profile lies in `folder` as soon as the last of its steps is done.

    Open the trace at chrome://tracing or https://ui.perfetto.dev. A training of fewer steps leaves what there was.

    Args:
        folder: Where to; None profiles nothing and costs nothing.
    """
    if folder is None:
        yield _nothing
        return
    on_gpu = [ProfilerActivity.CUDA] if torch.cuda.is_available() else []
    wanted = schedule(wait=FIRST_STEP - 2, warmup=1, active=LAST_STEP - FIRST_STEP + 1, repeat=1)
    with profile(
        activities=[ProfilerActivity.CPU, *on_gpu],
        schedule=wanted,
        on_trace_ready=lambda seen: _write(seen, folder),
        record_shapes=True,
    ) as running:
        yield running.step


def _nothing() -> None:
    """Take no notice."""


def _write(seen: profile, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    seen.export_chrome_trace(str(folder / TRACE_NAME))
    order = "self_cuda_time_total" if torch.cuda.is_available() else "self_cpu_time_total"
    write_file(folder / TABLE_NAME, f"{seen.key_averages().table(sort_by=order, row_limit=ROWS)}\n")
