"""The part of a training configuration that every family shares."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from voxloop.config import StrictModel


class OptimiserConfig(StrictModel):
    """AdamW with a linear warm-up and a cosine down to zero."""

    learning_rate: float = Field(gt=0.0)
    weight_decay: float = Field(default=0.01, ge=0.0)
    warmup_share: float = Field(default=0.15, ge=0.0, lt=1.0)
    """Share of all steps during which the rate rises."""
    gradient_clip: float = Field(default=5.0, gt=0.0)
    """Largest Euclidean norm of a step's gradient."""
    average_decay: float | None = Field(default=None, gt=0.0, lt=1.0)
    """Decay a step of the running mean of the weights that is scored and kept; None scores the weights themselves."""


class BatchingConfig(StrictModel):
    """A batch is a budget of audio, padding included; a step of the optimiser is one or more batches."""

    audio_seconds: float = Field(gt=0.0)
    """Of one batch: what fits into one device's memory."""
    batches_a_step: int = Field(default=1, ge=1)
    """Batches whose gradients are summed before the weights move, over all ranks: a step sees `batches_a_step` times
    `audio_seconds`, however many devices share it. More ranks than this take a batch each."""
    pool_utterances: int = Field(default=4096, ge=1)
    """Utterances shuffled together, then sorted by length: 1.6 % of padding at 4,096, 46 % unsorted."""


class DevicesConfig(StrictModel):
    """Where a training runs. `count` 1 trains in this process; more start one process a device."""

    accelerator: Literal["auto", "cpu", "gpu"] = "auto"
    count: int = Field(default=1, ge=1)
    """Processes on each machine."""
    nodes: int = Field(default=1, ge=1)
    """Machines."""
    strategy: Literal["ddp", "fsdp2"] = "ddp"
    precision: Literal["32-true", "bf16-mixed", "16-mixed"] = "32-true"
    """Arithmetic on a GPU; a CPU always takes 32-true."""
    compile: bool = False
    """Compile the network by torch.compile: minutes at the start, faster steps after."""
    rendezvous: str = Field(default="127.0.0.1:29400", pattern=r"^[A-Za-z0-9.-]+:[0-9]{1,5}$")
    """Host and port at which the machines of a training meet, on the first of them; one machine alone needs none."""
    profile: bool = False
    """Write a profile of steps 10 to 20, as a Chrome trace and a table, beside the weights."""


class CheckpointConfig(StrictModel):
    """How often a training that is under way is saved; the best weights are kept beside."""

    every_seconds: float = Field(default=120.0, ge=0.0)
    """Between two saves inside an epoch; 0 saves after every step."""
    keep: int = Field(default=2, ge=1)
    """Newest ones kept: the one before is what a broken one falls back to."""


class Recipe(StrictModel):
    """How a family is trained."""

    seed: int = Field(default=0, ge=0)
    epochs: int = Field(ge=1)
    patience: int = Field(ge=1)
    """Epochs without a better objective on dev before training stops."""
    threads: int = Field(default=1, ge=1)
    """Threads of torch on a CPU. Fixed, because the sums, and so the bytes of the weights, depend on it.

    On two cores with other work on them two threads wait for each other: 20 to 40 seconds of audio a second, against
    200 to 450 with one.
    """
    optimiser: OptimiserConfig
    batching: BatchingConfig
    devices: DevicesConfig = DevicesConfig()
    checkpoints: CheckpointConfig = CheckpointConfig()

    @model_validator(mode="after")
    def _ranks_share_a_step(self) -> Self:
        ranks, batches = self.devices.count * self.devices.nodes, self.batching.batches_a_step
        if batches > 1 and batches % ranks:
            raise ValueError(
                f"ranks (devices.count times devices.nodes: {ranks}) must divide batching.batches_a_step ({batches})"
            )
        return self
