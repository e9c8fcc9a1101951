"""The network of the GRU baselines: stacked log-mel frames, GRUs, a linear layer; all else is `tasks.asr`'s."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from voxloop.config import StrictModel
from voxloop.speech.augmentation import Augmentation
from voxloop.speech.log_mel import LogMel
from voxloop.tasks import Task, asr
from voxloop.tasks.transcripts import AsrEncoding


class RecurrentConfig(StrictModel):
    """Shape of the network."""

    stack: int = Field(ge=1)
    """Frames joined into one: what the sequence is shortened by."""
    width: int = Field(ge=1)
    layers: int = Field(ge=1)
    bidirectional: bool
    dropout: float = Field(default=0.0, ge=0.0, lt=1.0)

    def count_outputs(self, frames: int) -> int:
        """Return how many output frames there are for so many frames of the spectrogram."""
        return -(-frames // self.stack)

    @property
    def receptive_frames(self) -> int:
        """Frames that are joined into one."""
        return self.stack


class RecurrentAsrConfig(asr.AsrConfig):
    """The recipe of a recogniser, with another network."""

    # Two things are asked of a network's shape, and this one has both.
    network: RecurrentConfig  # type: ignore[assignment]


class RecurrentNetwork(nn.Module):
    """Waveform to log-probabilities, as `asr.AsrNetwork`."""

    def __init__(self, config: RecurrentAsrConfig, symbols: int) -> None:
        super().__init__()
        shape = config.network
        self.stack = shape.stack
        self.log_mel = LogMel(config.log_mel)
        self.augmentation = Augmentation(config.augmentation)
        width = shape.width * (2 if shape.bidirectional else 1)
        self.recurrent = nn.GRU(
            config.log_mel.mels * shape.stack,
            shape.width,
            shape.layers,
            batch_first=True,
            dropout=shape.dropout if shape.layers > 1 else 0.0,
            bidirectional=shape.bidirectional,
        )
        self.dropout = nn.Dropout(shape.dropout)
        self.out = nn.Linear(width, symbols)

    def forward(self, waveform: Tensor, num_samples: Tensor) -> tuple[Tensor, Tensor]:
        """Log-probabilities float32 [batch, frames, symbols] and the frames of each row, int64 [batch]."""
        spectrogram, counts = self.log_mel(waveform, num_samples)
        if self.training:
            spectrogram = self.augmentation(spectrogram, counts)
        frames = nn.functional.pad(spectrogram, (0, 0, 0, -spectrogram.shape[1] % self.stack))
        joined = frames.reshape(len(frames), frames.shape[1] // self.stack, -1)
        counts = (counts + self.stack - 1) // self.stack
        packed = pack_padded_sequence(joined, counts.cpu(), batch_first=True, enforce_sorted=False)
        hidden, _ = pad_packed_sequence(self.recurrent(packed)[0], batch_first=True, total_length=joined.shape[1])
        return self.out(self.dropout(hidden)).log_softmax(dim=2), counts


def build_network(config: RecurrentAsrConfig, encoding: AsrEncoding) -> RecurrentNetwork:
    """Return a freshly initialised network."""
    return RecurrentNetwork(config, len(encoding.symbols))


def make_task() -> Task:
    """Return the family of recognisers with this network in place of its own."""
    theirs: dict[str, Any] = {name: value for name, value in vars(asr).items() if not name.startswith("_")}
    return cast(Task, SimpleNamespace(**{**theirs, "Config": RecurrentAsrConfig, "build_network": build_network}))


def ask_torch(network: nn.Module) -> Any:
    """Return what asks a network in torch: packed sequences do not export."""

    def ask(request: dict[str, Any]) -> dict[str, Any]:
        with torch.inference_mode():
            log_probs, counts = network(torch.from_numpy(request["waveform"]), torch.from_numpy(request["num_samples"]))
        return {"log_probs": log_probs.numpy(), "num_frames": counts.numpy()}

    return ask
