"""Saving a training's state, against Lightning Fabric's `save` of the same network and AdamW.

Ours is one file of tensors and their SHA-256, synced to the disk and renamed; the network's tensors and the optimiser's
are gathered inside the measured time. Lightning's is as it comes: pickled in memory, written to the system's folder for
temporary files, moved, not synced. The same with a sync after it is measured too and told on the standard error.
The two take turns on the same disk, and each writes a file that is not there yet.
"""

from __future__ import annotations

import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import torch
from lightning.fabric import Fabric
from torch import nn

from benchmarks.report import Finding
from voxloop.store.atomic import sync_folder
from voxloop.training.averaging import WeightAverage
from voxloop.training.checkpoints import CheckpointStore
from voxloop.training.state import gather_state

LAYERS, WIDTH = 20, 512
ROUNDS = 9
KEEP = 2
TARGET = 1.0


def make_training() -> tuple[nn.Module, torch.optim.Optimizer]:
    """Return a network of 21 M parameters after one step of AdamW: 0.25 GB in all."""
    torch.manual_seed(0)
    layers = [nn.Sequential(nn.Linear(WIDTH, 2 * WIDTH), nn.ReLU(), nn.Linear(2 * WIDTH, WIDTH)) for _ in range(LAYERS)]
    network = nn.Sequential(*layers)
    optimiser = torch.optim.AdamW(network.parameters(), lr=1e-3)
    network(torch.randn(2, WIDTH)).square().sum().backward()
    optimiser.step()
    optimiser.zero_grad()
    return network, optimiser


def time_round(savers: dict[str, Callable[[int], Path]], number: int) -> dict[str, float]:
    """Return the seconds of one save by each, none of them waiting for what another left to be written."""
    seconds = {}
    for name, save in savers.items():
        os.sync()
        started = time.perf_counter()
        place = save(number)
        seconds[name] = time.perf_counter() - started
        assert place.exists()
    return seconds


def measure() -> Finding:
    """Return the median seconds of a save by each, after one round that does not count."""
    network, optimiser = make_training()
    average = WeightAverage(network, None)
    fabric = Fabric(accelerator="cpu", devices=1)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        store = CheckpointStore(folder / "ours", keep=KEEP)

        def ours(number: int) -> Path:
            return store.save(number, gather_state(network, optimiser, average), {"step": number})

        def lightning(number: int, *, kind: str = "lightning") -> Path:
            place = folder / kind / f"{number}.ckpt"
            fabric.save(place, {"network": network, "optimiser": optimiser, "step": number})
            (folder / kind / f"{number - KEEP}.ckpt").unlink(missing_ok=True)
            return place

        def synced(number: int) -> Path:
            place = lightning(number, kind="synced")
            sync_folder(place)
            sync_folder(place.parent)
            return place

        savers: dict[str, Callable[[int], Path]] = {"ours": ours, "lightning": lightning, "lightning, synced": synced}
        rounds = [time_round(savers, number) for number in range(1, ROUNDS + 2)][1:]
    middle = {name: statistics.median(one[name] for one in rounds) for name in savers}
    for name, seconds in middle.items():
        told = ", ".join(f"{one[name]:.3f}" for one in rounds)
        print(f"{name}: {seconds:.3f} s (each: {told}), ours / this {middle['ours'] / seconds:.2f}", file=sys.stderr)
    return Finding("checkpoint: s to save 0.25 GB, synced", middle["ours"], middle["lightning"], TARGET, "at most")


if __name__ == "__main__":
    print(measure().as_json())
