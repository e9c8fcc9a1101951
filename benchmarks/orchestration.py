"""What running a night costs beside the night itself: of each step's wall time, how much was the job and how much not.

    python -m benchmarks.orchestration RUN …

RUN is the folder of a finished local run, such as `.voxloop/runs/retrain-…`; a night of three families is three of
them. Read from each run's `kfp.log`, nothing is run. The seconds of a step are

* job: its own work, as the step says in the log; of an act (gate, track, register …), which does not say it, all of its
  call; of a result taken from the job store nothing,
* call: what else happens in its process once the job is called: imports, digests of inputs, verifying, copying,
* start: until the job is called: a process, Python, kfp's executor,
* rest: leaving, and kfp.local's own;

and what lies between the steps is kfp.local's too. What the process of `voxloop retrain` needs until kfp.local says its
first word (its imports, compiling the pipeline) is not in it. All but the job is overhead; steps are small in the
self-tests and at `smoke`, so that share says little of a night on real data.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

from benchmarks.report import Finding
from voxloop.runners.result import read_result
from voxloop.runners.step_times import RunTimes, StepTimes, read_times

TARGET = 0.05
COLUMNS = ("wall", "job", "call", "start", "rest", "job %")


def split(step: StepTimes) -> tuple[float, ...]:
    """Return the seconds of a step: wall, job, the rest of its call, its start, and the rest."""
    return step.wall, step.job, step.call - step.job, step.start, step.wall - step.call - step.start


def draw(name: str, run: RunTimes) -> list[str]:
    """Return the table of one run, a line a step, and its sum."""
    lines = [f"{name:<24}" + "".join(f"{column:>9}" for column in COLUMNS)]
    parts = [split(step) for step in run.steps]
    lines += [
        draw_line(f"{step.step}{' (kept)' if step.reused else ' (act)' if step.work is None else ''}", part)
        for step, part in zip(run.steps, parts, strict=True)
    ]
    between = run.wall - sum(step.wall for step in run.steps)
    total = [sum(column) for column in zip(*parts, strict=True)]
    lines.append(draw_line("between the steps", (between, 0.0, 0.0, 0.0, between)))
    lines.append(draw_line("all", (run.wall, *total[1:4], total[4] + between)))
    return lines


def draw_line(name: str, seconds: Sequence[float]) -> str:
    """Return one line of the table; seconds, and the job's share in per cent."""
    share = 100.0 * seconds[1] / seconds[0] if seconds[0] else 0.0
    return f"{name:<24}" + "".join(f"{one:9.1f}" for one in seconds) + f"{share:9.1f}"


def measure(runs: Iterable[RunTimes]) -> Finding:
    """Return the seconds that were not the jobs' beside those of the whole, over all runs."""
    runs = list(runs)
    wall = sum(run.wall for run in runs)
    jobs = sum(step.job for run in runs for step in run.steps)
    return Finding("orchestration: seconds beside the jobs, of a night's", wall - jobs, wall, TARGET, "at most")


def main(folders: Sequence[str]) -> int:
    """Print the table of each run, then the line of all of them; return 0 when the target is kept."""
    if not folders:
        print(__doc__, file=sys.stderr)
        return 2
    runs = {}
    for folder in map(Path, folders):
        task = str(read_result(folder).arguments.get("task", folder.name))
        runs[f"{task} {folder.name[-8:]}"] = read_times(folder / "kfp.log")
    for name, run in runs.items():
        print("\n".join((*draw(name, run), "")))
    finding = measure(runs.values())
    print(finding.as_json())
    return 0 if finding.holds else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
