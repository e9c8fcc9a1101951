"""The machine under a training: Lightning Fabric with the strategy and the precision a recipe asks for."""

from __future__ import annotations

import json
import logging
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import torch
from lightning.fabric import Fabric
from lightning.fabric.strategies.ddp import DDPStrategy
from lightning.fabric.strategies.model_parallel import ModelParallelStrategy
from lightning.fabric.strategies.strategy import Strategy
from torch import Tensor, nn
from torch.distributed.device_mesh import DeviceMesh
from torch.distributed.fsdp import fully_shard

from voxloop.tasks.recipe import DevicesConfig, Recipe

PATIENCE = timedelta(minutes=10)
"""How long a rank waits for another that lives and says nothing; one that has died is noticed at once."""


def open_fabric(recipe: Recipe) -> Fabric:
    """Return a Fabric that is launched: alone in this process, or as one of the ranks torchrun has started."""
    config = recipe.devices
    on_gpu = config.accelerator != "cpu" and torch.cuda.is_available()
    spread = torch.distributed.is_torchelastic_launched()
    fabric = Fabric(
        accelerator="cuda" if on_gpu else "cpu",
        devices=config.count if spread else 1,
        num_nodes=config.nodes if spread else 1,
        strategy=_strategy(config, on_gpu=on_gpu) if spread else "auto",
        precision=config.precision if on_gpu else "32-true",
    )
    fabric.launch()
    return fabric


CACHED_PRIMITIVES = "32"
"""How many compiled operations oneDNN keeps, each with its memory. By itself it keeps 1,024, and batches of speech have
a new length each time: `small` on 88 minutes of speech held 3.1 GiB after an epoch and 5.4 after fourteen; with 32 it
holds 1.5 and is no slower (29.6 s of the processor an epoch against 32.3)."""


@contextmanager
def reproducible(recipe: Recipe) -> Iterator[None]:
    """Fix threads and algorithms of torch, and keep Lightning's talk of its start quiet."""
    talkers = [logging.getLogger(name) for name in ("lightning.fabric", "lightning.fabric.utilities.rank_zero")]
    levels = [talker.level for talker in talkers]
    threads, deterministic = torch.get_num_threads(), torch.are_deterministic_algorithms_enabled()
    filling = torch.utils.deterministic.fill_uninitialized_memory  # type: ignore[attr-defined]
    torch.set_num_threads(recipe.threads)
    # oneDNN reads it at the first operation, and has no other way to be told.
    os.environ.setdefault("ONEDNN_PRIMITIVE_CACHE_CAPACITY", CACHED_PRIMITIVES)  # noqa: TID251
    # A GPU has no deterministic form of the CTC loss: there it warns, and runs differ in the last digits.
    torch.use_deterministic_algorithms(True, warn_only=torch.cuda.is_available())
    # With it torch writes NaN over all memory it hands out: 1 to 2 % of a step, and no algorithm is chosen by it.
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    for talker in talkers:
        talker.setLevel(logging.WARNING)
    try:
        with warnings.catch_warnings():
            # Lightning 2.6 walks trees in a way torch 2.13 calls out of date.
            warnings.filterwarnings("ignore", message=".*treespec, LeafSpec.*", category=FutureWarning)
            yield
    finally:
        for talker, level in zip(talkers, levels, strict=True):
            talker.setLevel(level)
        torch.set_num_threads(threads)
        torch.use_deterministic_algorithms(deterministic)
        torch.utils.deterministic.fill_uninitialized_memory = filling  # type: ignore[attr-defined]


def gather_json(fabric: Fabric, value: Any) -> list[Any]:
    """Return the JSON value of every rank, in their order; bytes travel, nothing is pickled."""
    if fabric.world_size == 1:
        return [value]
    content = torch.frombuffer(bytearray(json.dumps(value).encode()), dtype=torch.uint8).to(fabric.device)
    sizes = [int(size) for size in _gather(fabric, torch.tensor([len(content)], device=fabric.device))]
    padded = torch.zeros(max(sizes), dtype=torch.uint8, device=fabric.device)
    padded[: len(content)] = content
    every = _gather(fabric, padded)
    return [json.loads(row[:size].cpu().numpy().tobytes()) for row, size in zip(every, sizes, strict=True)]


def sum_over_ranks(fabric: Fabric, values: Tensor) -> list[float]:
    """Return the sums over all ranks of `values`, float64 [n]."""
    if fabric.world_size > 1:
        reduced = fabric.all_reduce(values, reduce_op="sum")
        assert isinstance(reduced, Tensor)  # noqa: S101 - a tensor gives a tensor
        values = reduced
    summed: list[float] = values.tolist()
    return summed


def is_lost_rank(error: RuntimeError, fabric: Fabric) -> bool:
    """Return whether an error says that another rank has gone: gloo's have no class of their own, only a text."""
    return fabric.world_size > 1 and (isinstance(error, torch.distributed.DistError) or "gloo" in str(error))


def _gather(fabric: Fabric, value: Tensor) -> list[Tensor]:
    every = [torch.empty_like(value) for _ in range(fabric.world_size)]
    torch.distributed.all_gather(every, value)
    return every


def _strategy(config: DevicesConfig, *, on_gpu: bool) -> Strategy:
    backend = "nccl" if on_gpu else "gloo"
    if config.strategy == "ddp":
        # Buffers are constants or the same on all ranks (`StepStatistics`), so there is nothing to send round.
        return DDPStrategy(
            process_group_backend=backend, timeout=PATIENCE, broadcast_buffers=False, gradient_as_bucket_view=True
        )
    ranks = config.count * config.nodes
    return ModelParallelStrategy(
        parallelize_fn=_shard,
        data_parallel_size=ranks,
        tensor_parallel_size=1,
        process_group_backend=backend,
        timeout=PATIENCE,
    )


def _shard(network: nn.Module, mesh: DeviceMesh) -> nn.Module:
    """Shard parameters over the ranks by FSDP2: each layer of a list of layers by itself, then the rest."""
    ranks = mesh["data_parallel"]
    for module in network.modules():
        if isinstance(module, nn.ModuleList):
            for layer in module:
                fully_shard(layer, mesh=ranks)
    fully_shard(network, mesh=ranks)
    return network
