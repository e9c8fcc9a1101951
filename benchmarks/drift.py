"""How long a window of a million predictions of 12 columns takes to judge, beside Evidently's `DataDriftPreset`.

Both are given the same window in memory, ours as arrays and Evidently as a frame, and what each needs of a reference of
as many rows: ours its profile, made once for all windows and not timed, Evidently its frame. Ours bins, draws a
thousand windows of whole speakers for its thresholds and judges; Evidently runs its report with the methods it
chooses itself (normed Wasserstein and Jensen-Shannon distances beyond 0.1). Three numbers and the label have moved
far, the others not at all: both must say the same of each column. Time is the least of a few rounds, memory the peak
above the inputs, each in a process of its own, on one core.
"""

from __future__ import annotations

import ctypes
import gc
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks.report import Finding
from voxloop.adapters.evidently import open_evidently
from voxloop.config import find_config, load_config
from voxloop.monitoring.drift.check import check_window
from voxloop.monitoring.drift.columns import Coded, fix_columns
from voxloop.monitoring.drift.policy import DriftPolicy
from voxloop.monitoring.drift.profile import PredictionColumns, make_profile

ROWS, SPEAKERS = 1_000_000, 2_000
NUMBERS = tuple(f"number_{place}" for place in range(11))
LABELS = ("anger", "fear", "joy", "neutral", "sad", "surprise")
MOVED = (*NUMBERS[:3], "label")
ROUNDS = 2
TIME_TARGET, MEMORY_TARGET = 1 / 50, 1 / 4
OURS, EVIDENTLY = "ours", "evidently"
Answers = dict[str, bool]
"""Whether each column has drifted."""


def make_predictions(seed: int, *, shift: float) -> PredictionColumns:
    """Return predictions of speakers who are each a little different.

    Args:
        seed: Of the draws.
        shift: Added to three numbers, in standard deviations, and to how often one label comes.
    """
    generator = np.random.default_rng(seed)
    who = generator.integers(0, SPEAKERS, ROWS)
    values = {}
    for name in NUMBERS:
        own = generator.normal(0, np.sqrt(0.3), SPEAKERS)
        values[name] = own[who] + generator.normal(0, np.sqrt(0.7), ROWS) + (shift if name in MOVED else 0.0)
    chances = np.array([1 + 2 * shift, 1, 1, 1, 1, 1])
    label = generator.choice(len(LABELS), ROWS, p=chances / chances.sum())
    names = np.array([f"{seed} {number:06d}" for number in range(SPEAKERS)])
    models = Coded(np.array(["e" * 64]), np.zeros(ROWS, dtype=np.int64))
    return PredictionColumns(Coded(names, who), models, {**values, "label": Coded(np.array(LABELS), label)}, {})


def spell_labels(predictions: PredictionColumns) -> dict[str, object]:
    """Return the columns of a frame, its labels as text."""
    return {
        name: values.names.astype(object)[values.codes] if isinstance(values, Coded) else values
        for name, values in predictions.values.items()
    }


def prepare_ours() -> Callable[[], Answers]:
    """Return what judges the window by profiles."""
    config = load_config(DriftPolicy, find_config("drift", "emotion")).check
    before = make_predictions(1, shift=0.0)
    reference = make_profile("emotion", fix_columns(before.values, config.bins), before)
    window = make_predictions(2, shift=0.5)
    del before

    def judge() -> Answers:
        judged = check_window(reference, make_profile("emotion", reference.columns, window), config)
        beyond = {finding.column for finding in judged.findings if finding.is_beyond}
        return {name: name in beyond for name in (*NUMBERS, "label")}

    return judge


def prepare_evidently() -> Callable[[], Answers]:
    """Return what judges the window by Evidently's preset."""
    with open_evidently() as evidently:
        from evidently.presets import DataDriftPreset  # noqa: PLC0415 - it warns when it is imported

    kinds = evidently.DataDefinition(numerical_columns=list(NUMBERS), categorical_columns=["label"])
    before, after = (
        evidently.Dataset.from_pandas(
            pd.DataFrame(spell_labels(make_predictions(seed, shift=shift))), data_definition=kinds
        )
        for seed, shift in ((1, 0.0), (2, 0.5))
    )

    def judge() -> Answers:
        told = evidently.Report([DataDriftPreset()]).run(current_data=after, reference_data=before).dict()
        values = {
            metric["config"]["column"]: float(metric["value"]) > float(metric["config"]["threshold"])
            for metric in told["metrics"]
            if metric["config"].get("column")
        }
        return {name: values[name] for name in (*NUMBERS, "label")}

    return judge


def measure_one(which: str) -> None:
    """Print seconds, peak MiB above the inputs and answers of one of the two, as JSON."""
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    judge = prepare_ours() if which == OURS else prepare_evidently()
    seconds, peaks = [], []
    for _ in range(ROUNDS):
        gc.collect()
        ctypes.CDLL(None).malloc_trim(0)  # what was freed and kept would be no growth when it is used again
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")  # the peak begins anew
        held, started = read_mebibytes("VmRSS"), time.perf_counter()
        answers = judge()
        seconds.append(time.perf_counter() - started)
        peaks.append(read_mebibytes("VmHWM") - held)
    print(json.dumps({"seconds": min(seconds), "mebibytes": max(peaks), "answers": answers}))


def read_mebibytes(name: str) -> float:
    """Return a figure of this process's memory, MiB."""
    found = re.search(rf"^{name}:\s+(\d+) kB", Path("/proc/self/status").read_text(encoding="ascii"), re.MULTILINE)
    assert found
    return int(found[1]) / 1_024


def main() -> None:
    """Measure both and print a line of time and one of memory."""
    found = {}
    for which in (OURS, EVIDENTLY):
        argv = [sys.executable, "-W", "ignore", "-m", "benchmarks.drift", which]
        done = subprocess.run(argv, stdout=subprocess.PIPE, text=True, check=True)
        found[which] = json.loads(done.stdout.splitlines()[-1])
        print(
            which,
            {**found[which], "answers": sorted(k for k, v in found[which]["answers"].items() if v)},
            file=sys.stderr,
        )
    ours, theirs = found[OURS], found[EVIDENTLY]
    assert ours["answers"] == theirs["answers"], "the two disagree about a column"
    assert {name for name, moved in ours["answers"].items() if moved} == {*MOVED}
    what = f"drift of {ROWS:,} rows of 12 columns"
    for unit, bound in (("seconds", TIME_TARGET), ("mebibytes", MEMORY_TARGET)):
        print(Finding(f"{what}: {unit}", ours[unit], theirs[unit], bound, "at most").as_json())


if __name__ == "__main__":
    if len(sys.argv) > 1:
        measure_one(sys.argv[1])
    else:
        main()
