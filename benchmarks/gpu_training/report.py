"""What was found, as a table, as lines of JSON and as findings with their bounds."""

from __future__ import annotations

import json
from collections.abc import Mapping
from statistics import median
from typing import Any

import torch

from benchmarks.gpu_training.flops import TRAINING_OVER_FORWARD, peak_flops
from benchmarks.gpu_training.laps import GIB, Result
from benchmarks.report import Finding

MOST_WAITING, LEAST_OF_PEER = 0.02, 1.0


def describe_device(device: torch.device) -> list[str]:
    """Return the lines that say what the figures were measured on."""
    on_gpu = device.type == "cuda"
    name = torch.cuda.get_device_name(device) if on_gpu else "a CPU: nothing here says how fast a GPU is"
    peak = peak_flops(device, "bf16-mixed")
    known = f"{peak / 1e12:g} TFLOP/s dense in bf16 (NVIDIA's datasheet)" if peak else "no known peak, so no MFU"
    tf32 = f"TF32 in cuDNN's convolutions {'allowed' if torch.backends.cudnn.allow_tf32 else 'not allowed'}"
    return [
        f"torch {torch.__version__} on {name}: {known}",
        f"float32: matrix products {torch.get_float32_matmul_precision()}, {tf32}",
    ]


def describe_run(result: Result, forward_flops: float, device: torch.device) -> dict[str, Any]:
    """Return the figures of one contestant, JSON values only; what was not measured is None.

    Args:
        result: Of a race.
        forward_flops: Operations of its forward pass for each second of audio.
        device: Where it ran.
    """
    one = result.contestant
    known = {"run": one.name, "precision": one.precision, "parameters": one.parameters}
    if not result.finished:
        return {**known, "failure": result.failure}
    worked = TRAINING_OVER_FORWARD * forward_flops * result.speed
    peak = peak_flops(device, one.precision)
    later = median(lap.whole for lap in result.laps)
    return {
        **known,
        "audio_seconds_per_second": round(result.speed, 1),
        "slowest_and_fastest": [round(pick(lap.speed for lap in result.laps), 1) for pick in (min, max)],
        "data_wait_share": round(result.waiting, 5),
        "tflops": round(worked / 1e12, 3),
        "mfu": None if peak is None else round(worked / peak, 4),
        "peak_memory_gib": round(result.peak_bytes / GIB, 2) if device.type == "cuda" else None,
        "warm_up_seconds": None if result.warm_up is None else max(0.0, round(result.warm_up.whole - later, 1)),
    }


def draw_table(runs: list[dict[str, Any]]) -> str:
    """Return the runs as lines of text."""
    columns = {
        "run": ("run", 24),
        "precision": ("precision", 10),
        "parameters": ("parameters", 11),
        "audio_seconds_per_second": ("audio s/s", 10),
        "data_wait_share": ("data wait", 9),
        "tflops": ("TFLOP/s", 8),
        "mfu": ("MFU", 7),
        "peak_memory_gib": ("peak GiB", 8),
        "warm_up_seconds": ("warm-up s", 9),
    }
    lines = ["  ".join(f"{title:<{width}}" for title, width in columns.values())]
    for run in runs:
        lines.append("  ".join(f"{_show(run.get(name)):<{width}}" for name, (_, width) in columns.items()))
        lines += [f"    not measured: {run['failure']}"] if run.get("failure") else []
    return "\n".join(lines)


def describe_ratios(results: Mapping[str, Result], pairs: Mapping[str, tuple[str, str]]) -> list[str]:
    """Return a line of JSON for each pair of contestants that both ran: how many times as fast the first is."""
    return [
        json.dumps({"ratio_of": what, "times_as_fast": round(results[one].ratio_to(results[other]), 4)})
        for what, (one, other) in pairs.items()
        if {one, other} <= set(results) and _comparable(results[one], results[other])
    ]


def _comparable(one: Result, other: Result) -> bool:
    """A CPU has one precision: runs that differ in it alone are the same there."""
    differ = one.contestant.precision != other.contestant.precision or one.contestant.compiled
    return one.finished and other.finished and differ


def find(base: Result, ours: Result, peer: Result | None) -> list[Finding]:
    """Return the findings that have bounds: the data wait of `base`, and `ours` against the peer in the same epochs."""
    found = []
    if base.finished:
        found.append(Finding("asr base: share of time waiting for data", base.waiting, 1.0, MOST_WAITING, "at most"))
    if peer is not None and peer.finished and ours.finished:
        what = "asr base, one view, against ParakeetForCTC: audio s/s"
        found.append(Finding(what, ours.ratio_to(peer) * peer.speed, peer.speed, LEAST_OF_PEER, "at least"))
    return found


def _show(value: Any) -> str:
    if value is None:
        return "-"
    return f"{value:,}" if isinstance(value, int | float) else str(value)
