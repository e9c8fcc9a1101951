"""The part of a training configuration that every family shares."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from voxloop.config import StrictModel


class OptimiserConfig(StrictModel):
    """AdamW with a linear warm-up and a cosine down to zero."""

    learning_rate: float = Field(gt=0.0)
    weight_decay: float = Field(default=0.01, ge=0.0)
    warmup_share: float = Field(default=0.15, ge=0.0, lt=1.0)
    """Share of all steps during which the rate rises."""
    gradient_clip: float = Field(default=5.0, gt=0.0)
    """Largest Euclidean norm of a step's gradient."""


class BatchingConfig(StrictModel):
    """A batch is a budget of audio, padding included."""

    audio_seconds: float = Field(gt=0.0)
    pool_utterances: int = Field(default=4096, ge=1)
    """Utterances shuffled together, then sorted by length: 1.6 % of padding at 4,096, 46 % unsorted."""


class Recipe(StrictModel):
    """How a family is trained."""

    seed: int = Field(default=0, ge=0)
    epochs: int = Field(ge=1)
    patience: int = Field(ge=1)
    """Epochs without a better development UAR before training stops."""
    threads: int = Field(default=1, ge=1)
    """Threads of torch on a CPU. Fixed, because the sums, and so the bytes of the weights, depend on it.

    On two cores with other work on them two threads wait for each other: 20 to 40 seconds of audio a second, against
    200 to 450 with one.
    """
    gpu_precision: Literal["bf16-mixed", "32-true"] = "32-true"
    """Arithmetic on a GPU; a CPU always takes 32-true."""
    optimiser: OptimiserConfig
    batching: BatchingConfig
