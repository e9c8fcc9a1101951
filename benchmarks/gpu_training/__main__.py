"""Speed of training `asr` `base` on a GPU: `python -m benchmarks.gpu_training --help`.

Every contestant trains an epoch in turn, round after round, on the same batches of one dataset; the first round does
not count. Ours is the engine as a job runs it. The peer has one view of an utterance, so it is held against `base` with
one view, in the same precision, neither of them compiled.
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path
from typing import Literal

import torch
from cyclopts import App

from benchmarks.gpu_training.engine_run import EngineRun
from benchmarks.gpu_training.laps import Memory, Result, race
from benchmarks.gpu_training.noise_dataset import NoiseConfig, write_noise
from benchmarks.gpu_training.peer import PeerRun
from benchmarks.gpu_training.report import describe_device, describe_ratios, describe_run, draw_table, find
from voxloop.config import Overrides, find_config, load_config
from voxloop.tasks import asr, get_task
from voxloop.tasks.asr import AsrConfig
from voxloop.training.devices import reproducible
from voxloop.training.fit import read_material
from voxloop.training.material import Material

WORDS = "symbols={kind: words}"
"""1,024 words stand for the 1,024 pieces of `base`: the same network, and SentencePiece is not needed."""
TINY = (
    "network={channels: [16, 16, 16], width: 32, layers: 1, heads: 2, expansion: 2, kernel: 5, dropout: 0.1}",
    "batching.audio_seconds=12",
    "threads=1",
)
BASE, FULL, COMPILED, ONE_VIEW = "base", "base, fp32", "base, compiled", "base, one view"
RUNS = {
    BASE: (),
    FULL: ("devices.precision=32-true",),
    COMPILED: ("devices.compile=true",),
    ONE_VIEW: ("consistency=0",),
}
RATIOS = {"bf16-mixed over fp32": (BASE, FULL), "compiled over not": (COMPILED, BASE)}
SKIPPED = 2
"""Steps of an epoch that are not timed: the first batch of an epoch is waited for."""

app = App(name="python -m benchmarks.gpu_training", help_format="plaintext")


@app.default
def measure(
    *,
    device: Literal["cuda", "cpu"] = "cuda",
    tiny: bool = False,
    minutes: float | None = None,
    rounds: int = 3,
    compiled: bool | None = None,
    strict: bool = False,
    overrides: Overrides = (),
) -> int:
    """Measure and print a table, lines of JSON and findings; 2 without a GPU.

    Args:
        device: What to train on; a CPU takes fp32 only.
        tiny: Shrink network and data, so that a CPU shows in a minute that everything runs.
        minutes: Of audio an epoch; 200 when left out, 1 when tiny.
        rounds: Epochs that count.
        compiled: Whether to measure torch.compile: unless it is tiny, for a CPU compiles for many minutes.
        strict: Exit with 1 when a bound does not hold or the peer could not be measured.
        overrides: Changes to the configuration `base`, of all runs.
    """
    if device == "cuda" and not torch.cuda.is_available():
        print("torch sees no CUDA device; `--device cpu --tiny` shows that this benchmark runs", file=sys.stderr)
        return 2
    accelerator = "devices.accelerator=cpu" if device == "cpu" else "devices.accelerator=gpu"
    epochs = (f"epochs={1 + rounds}", f"patience={1 + rounds}")
    common = (WORDS, accelerator, *epochs, *(TINY if tiny else ()), *overrides)
    material = make_material(common, NoiseConfig(1.0, 64, (1.0, 2.5, 4.0)) if tiny else NoiseConfig(200.0), minutes)
    wanted = {
        name: more for name, more in RUNS.items() if name != COMPILED or (not tiny if compiled is None else compiled)
    }
    memory = Memory(torch.device(device))
    results = {name: build_run(name, material, (*common, *more), memory) for name, more in wanted.items()}
    peer = build_peer(results[ONE_VIEW], memory)
    everyone = {**results, **({peer.contestant.name: peer} if peer else {})}
    return tell(everyone, torch.device(device), rounds, memory, strict=strict)


def tell(results: dict[str, Result], device: torch.device, rounds: int, memory: Memory, *, strict: bool) -> int:
    """Count operations, run the race, print what it found, and return the exit code."""
    flops = {name: result.contestant.forward_flops() for name, result in results.items()}
    race(list(results.values()), rounds, memory)
    peer = results.get(PeerRun.name)
    runs = [describe_run(result, flops[name], device) for name, result in results.items()]
    findings = find(results[BASE], results[ONE_VIEW], peer)
    pairs = {what: pair for what, pair in RATIOS.items() if set(pair) <= set(results)}
    print("\n".join([*describe_device(device), draw_table(runs)]))
    for run in runs:
        print(json.dumps(run))
    for line in (*describe_ratios(results, pairs), *(finding.as_json() for finding in findings)):
        print(line)
    whole = peer is not None and peer.failure is None and all(finding.holds for finding in findings)
    return 1 if strict and not whole else 0


def make_material(overrides: tuple[str, ...], noise: NoiseConfig, minutes: float | None) -> Material:
    """Write a dataset of noise, read it as a training does, and forget the folder."""
    noise = NoiseConfig(minutes or noise.minutes, noise.vocabulary, noise.seconds)
    print(f"writing and reading {noise.minutes:g} minutes of noise", flush=True)
    recipe = load_recipe(overrides)
    with tempfile.TemporaryDirectory() as folder:
        dataset = write_noise(Path(folder) / "noise", noise)
        return read_material(dataset, get_task(asr.NAME), recipe)


def build_run(name: str, material: Material, overrides: tuple[str, ...], memory: Memory) -> Result:
    """Build the engine of one configuration."""
    memory.begin()
    result = Result(EngineRun(name, material, load_recipe(overrides), SKIPPED))
    memory.end(name)
    return result


def build_peer(ours: Result, memory: Memory) -> Result | None:
    """Build the peer, or say why there is none."""
    assert isinstance(ours.contestant, EngineRun)
    memory.begin()
    try:
        with reproducible(ours.contestant.recipe):
            result = Result(PeerRun(ours.contestant, SKIPPED))
    except (ImportError, AttributeError) as missing:
        print(f"ParakeetForCTC is not measured: {missing}; it takes transformers 5 or newer", flush=True)
        return None
    memory.end(PeerRun.name)
    return result


def load_recipe(overrides: tuple[str, ...]) -> AsrConfig:
    """Return `base` with changes."""
    return load_config(AsrConfig, find_config("tasks", "asr", "base"), overrides)


if __name__ == "__main__":
    sys.exit(app())
