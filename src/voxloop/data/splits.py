"""Which split a speaker belongs to: a function of the speaker alone, so that no speaker is on both sides."""

from __future__ import annotations

import hashlib
import math
from typing import Literal

from pydantic import Field, model_validator

from voxloop.config import StrictModel

Split = Literal["train", "dev", "test"]
SPLITS: tuple[Split, ...] = ("train", "dev", "test")


class Shares(StrictModel):
    """Expected shares of speakers; they add up to 1."""

    train: float = Field(ge=0.0, le=1.0)
    dev: float = Field(ge=0.0, le=1.0)
    test: float = Field(ge=0.0, le=1.0)

    @model_validator(mode="after")
    def _add_up(self) -> Shares:
        if not math.isclose(self.train + self.dev + self.test, 1.0, abs_tol=1e-9):
            raise ValueError("train, dev and test must add up to 1")
        return self


class SplitConfig(StrictModel):
    """How speakers are divided: by a table where it names them, by a salted hash where it does not."""

    salt: str
    shares: Shares
    table: dict[str, Split] = Field(default_factory=dict)


def split_of(speaker_id: str, config: SplitConfig) -> Split:
    """Return the split of a speaker. Nothing but the speaker's id and `config` has a say."""
    if speaker_id in config.table:
        return config.table[speaker_id]
    digest = hashlib.sha256(f"{config.salt}/{speaker_id}".encode()).digest()
    position = int.from_bytes(digest[:8]) / 2**64
    if position < config.shares.train:
        return "train"
    return "dev" if position < config.shares.train + config.shares.dev else "test"
