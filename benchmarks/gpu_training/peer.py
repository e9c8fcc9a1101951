"""transformers' ParakeetForCTC as a contestant: a plain torch loop over batches that lie in memory.

It gets the same sound, the same log-mel spectrograms and masks on the device, the same loss, optimiser, rates and
clipping, and scaled dot product attention. Everything an engine does beside that it is spared: making batches, losses
that are looked at, deterministic algorithms, the running mean of the weights, dev. Batches are pinned.
"""

from __future__ import annotations

import math
from contextlib import AbstractContextManager, nullcontext
from importlib import import_module
from typing import Any

import torch
from torch import Tensor, nn

from benchmarks.gpu_training.engine_run import EngineRun
from benchmarks.gpu_training.flops import count_forward
from benchmarks.gpu_training.laps import Lap, StopWatch
from voxloop.speech.augmentation import Augmentation
from voxloop.speech.log_mel import LogMel, mask_of
from voxloop.tasks.asr import AsrConfig
from voxloop.training.devices import reproducible
from voxloop.training.examples import Batch
from voxloop.training.optimisation import build_optimiser, set_rate

MOST_APART = 0.05
"""Of the parameters: positions are relative there, with a projection a layer that rotations do not need."""


class ParakeetNetwork(nn.Module):
    """Waveform to log-probabilities by the encoder of transformers, of the shape of our configuration."""

    def __init__(self, config: AsrConfig, symbols: int) -> None:
        super().__init__()
        transformers: Any = import_module("transformers")
        assert config.network is not None, "the peer is held against a network of our own"
        self.stages = len(config.network.channels)
        self.log_mel = LogMel(config.log_mel)
        self.augmentation = Augmentation(config.augmentation)
        self.parakeet = transformers.ParakeetForCTC(parakeet_config(transformers, config, symbols))

    def forward(self, waveform: Tensor, num_samples: Tensor) -> tuple[Tensor, Tensor]:
        """Waveform float32 [batch, samples] -> log-probabilities float32 [batch, frames, symbols], frames [batch]."""
        spectrogram, counts = self.log_mel(waveform, num_samples)
        spectrogram = self.augmentation(spectrogram, counts)
        inside = mask_of(counts, spectrogram.shape[1])
        logits = self.parakeet(input_features=spectrogram, attention_mask=inside).logits
        for _ in range(self.stages):
            counts = torch.div(counts - 1, 2, rounding_mode="floor") + 1
        return logits.float().log_softmax(dim=2), counts


def parakeet_config(transformers: Any, config: AsrConfig, symbols: int) -> Any:
    """Return the peer's configuration of the same shape; layers are never left out and attention drops nothing."""
    shape = config.network
    assert shape is not None, "the peer is held against a network of our own"
    assert len(set(shape.channels)) == 1, "all its convolutions in front have the same channels"
    encoder = transformers.ParakeetEncoderConfig(
        hidden_size=shape.width,
        num_hidden_layers=shape.layers,
        num_attention_heads=shape.heads,
        intermediate_size=shape.width * shape.expansion,
        conv_kernel_size=shape.kernel,
        subsampling_factor=2 ** len(shape.channels),
        subsampling_conv_channels=shape.channels[0],
        num_mel_bins=config.log_mel.mels,
        dropout=shape.dropout,
        activation_dropout=shape.dropout,
        attention_dropout=0.0,
        layerdrop=0.0,
        attn_implementation="sdpa",
    )
    return transformers.ParakeetCTCConfig(vocab_size=symbols, pad_token_id=0, encoder_config=encoder)


class PeerRun:
    """ParakeetForCTC beside one of our runs.

    Args:
        ours: Whose size, batches, precision and rates it takes; one view, not compiled.
        skipped: Steps of an epoch that are not timed.
    """

    name = "ParakeetForCTC"
    compiled = False

    def __init__(self, ours: EngineRun, skipped: int) -> None:
        self.ours, self.engine, self.recipe = ours, ours.engine, ours.recipe
        self.watch = StopWatch(ours.device, skipped)
        torch.manual_seed(self.recipe.seed)
        symbols = len(self.engine.material.encoding.symbols)
        self.network = ParakeetNetwork(self.recipe, symbols).to(ours.device).train()
        self.optimiser = build_optimiser(self.network, self.engine.task, self.recipe)
        assert abs(self.parameters / ours.parameters - 1.0) <= MOST_APART, "the two are not of equal size"

    @property
    def parameters(self) -> int:
        """How many the network has."""
        return sum(parameter.numel() for parameter in self.network.parameters())

    @property
    def precision(self) -> str:
        """Arithmetic."""
        return self.ours.precision

    def lap(self, number: int) -> Lap:
        """Train on the batches that the engine had in this epoch."""
        with reproducible(self.recipe):  # as many threads of a CPU as ours
            torch.use_deterministic_algorithms(False)
            return self._train(number)

    def forward_flops(self) -> float:
        """Operations of the network's forward pass, for each second of audio."""
        return count_forward(self.network.train(), self.engine, self.ours.device)

    def _train(self, number: int) -> Lap:
        plan = self.engine.plan(number).batches
        batches = [self._pinned(self.engine.material.make_batch(indices, number)) for indices in plan]
        self.network.train()
        self.watch.start(len(plan))
        lap, loss = None, torch.zeros(())
        for place, (indices, batch) in enumerate(zip(plan, batches, strict=True)):
            set_rate(self.optimiser, number * len(plan) + place, self.engine.steps, self.recipe.optimiser)
            loss = self._step(batch, float(self.engine.weights[indices].sum()))
            lap = self.watch.step(float(self.engine.seconds[indices].sum()), 0.0)
        assert math.isfinite(float(loss)), "the peer's loss is not a number"
        assert lap is not None
        return lap

    def _step(self, batch: Batch, weight: float) -> Tensor:
        device = self.ours.device
        inputs = [batch.inputs[name].to(device, non_blocking=True) for name in self.engine.inputs]
        targets = {name: value.to(device, non_blocking=True) for name, value in batch.targets.items()}
        weights = batch.weights.to(device, non_blocking=True)
        with self._autocast():
            outputs = self.network(*inputs)
        loss = (self.engine.task.losses(outputs, targets, self.recipe) * weights).sum() / weight
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), self.recipe.optimiser.gradient_clip)
        self.optimiser.step()
        self.optimiser.zero_grad()
        return loss.detach()

    def _autocast(self) -> AbstractContextManager[Any]:
        if self.precision != "bf16-mixed":
            return nullcontext()
        return torch.autocast(self.ours.device.type, dtype=torch.bfloat16)

    def _pinned(self, batch: Batch) -> Batch:
        if self.ours.device.type != "cuda":
            return batch
        inputs, targets = ({name: value.pin_memory() for name, value in part.items()} for part in batch[:2])
        return Batch(inputs, targets, batch.weights.pin_memory())
