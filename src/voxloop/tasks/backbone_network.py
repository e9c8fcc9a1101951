"""A pretrained speech encoder from `transformers`, in which no answer depends on how far its batch was padded.

Modules and weights are theirs; the way through them is here. Theirs lets silence behind an utterance into the first
norm of the `group` models, draws from numpy's generator, and skips whole layers, which ranks do not do alike.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils import parametrize

from voxloop.speech.augmentation import AugmentationConfig, random_stretch
from voxloop.speech.log_mel import in_full_precision, mask_of
from voxloop.tasks.backbone import Architecture, import_transformers
from voxloop.tasks.backbone_layers import ConvLayer, TransformerLayer

VARIANCE_FLOOR = 1e-7
"""Of samples, in `Wav2Vec2FeatureExtractor.zero_mean_unit_var_norm`."""


def library_config(architecture: Architecture) -> Any:
    """Return the configuration as `transformers` takes it."""
    keys = architecture.model_dump(exclude={"model_type", "normalise"})
    # A probability above 0 makes the vector that hides frames; what draws by it is not called.
    switches = {"mask_time_prob": 0.05, "mask_feature_prob": 0.0, "layerdrop": 0.0, "add_adapter": False}
    return import_transformers().AutoConfig.for_model(architecture.model_type, **keys, **switches)


def build_model(architecture: Architecture) -> nn.Module:
    """Return the model freshly initialised, with our layers round its modules and its weight norm multiplied out."""
    made: Any = import_transformers().AutoModel.from_config(
        library_config(architecture), attn_implementation="eager", trust_remote_code=False
    )
    first, layers = architecture.do_stable_layer_norm, made.encoder.layers
    made.feature_extractor.conv_layers = nn.ModuleList(ConvLayer(one) for one in made.feature_extractor.conv_layers)
    made.encoder.layers = nn.ModuleList(TransformerLayer(one, norm_first=first) for one in layers)
    return fold_weight_norm(made)


def fold_weight_norm(model: Any) -> nn.Module:
    """Make the kernel of the positions a plain tensor: one parameter, no reparametrisation in the exported graph."""
    # A sum by several threads has another last bit; the same file gives the same weights.
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        parametrize.remove_parametrizations(model.encoder.pos_conv_embed.conv, "weight")
    finally:
        torch.set_num_threads(threads)
    folded: nn.Module = model
    return folded


class Backbone(nn.Module):
    """Waveforms to frames of features.

    Args:
        architecture: Shape of the encoder.
        augmentation: `masks` and `time_mask` hide stretches of frames in training.
    """

    def __init__(self, architecture: Architecture, augmentation: AugmentationConfig) -> None:
        super().__init__()
        self.architecture = architecture
        self.augmentation = augmentation
        self.model: Any = build_model(architecture)

    def forward(self, waveform: Tensor, num_samples: Tensor, views: int = 1) -> tuple[Tensor, Tensor]:
        """Features of a padded batch.

        Args:
            waveform: float32 [batch, samples]; what lies past `num_samples` is ignored.
            num_samples: int64 [batch].
            views: How often each row is varied in training; all of the first view come first.

        Returns:
            Float [views * batch, frames, hidden_size] and the frames of each row, int64 [views * batch].
        """
        with in_full_precision(waveform.device.type):
            samples = self._normalise(waveform.float(), mask_of(num_samples, waveform.shape[1]), num_samples)
        maps, counts = samples[:, None], num_samples
        for layer in self.model.feature_extractor.conv_layers:
            maps, counts = layer(maps, counts)
        projected = self.model.feature_projection(maps.transpose(1, 2))
        frames = projected[0] if isinstance(projected, tuple) else projected
        if self.training:
            frames, counts = self._hide(frames.repeat(views, 1, 1), counts.repeat(views))
        return self._transform(frames, mask_of(counts, frames.shape[1])), counts

    def _normalise(self, waveform: Tensor, inside: Tensor, num_samples: Tensor) -> Tensor:
        waveform = waveform * inside
        if self.architecture.normalise:
            size = num_samples[:, None].clamp(min=1).to(waveform.dtype)
            centred = (waveform - waveform.sum(dim=1, keepdim=True) / size) * inside
            variance = centred.square().sum(dim=1, keepdim=True) / size
            waveform = centred * torch.rsqrt(variance + VARIANCE_FLOOR)
        # Silence behind the batch, so that a row shorter than the receptive field still fills one frame.
        return functional.pad(waveform, (0, self.architecture.receptive_field - 1))

    def _hide(self, frames: Tensor, counts: Tensor) -> tuple[Tensor, Tensor]:
        """Put the vector the model was pretrained with in the place of random stretches of frames."""
        vector = self.model.masked_spec_embed.to(frames.dtype)
        for _ in range(self.augmentation.masks):
            hidden = random_stretch(counts, self.augmentation.time_mask, frames.shape[1])
            frames = torch.where(hidden[:, :, None], vector, frames)
        return frames, counts

    def _transform(self, frames: Tensor, inside: Tensor) -> Tensor:
        encoder, first = self.model.encoder, not self.architecture.do_stable_layer_norm
        frames = frames * inside[:, :, None]
        frames = frames + encoder.pos_conv_embed(frames)
        frames = encoder.dropout(encoder.layer_norm(frames) if first else frames)
        bias: Tensor | None = None
        for layer in encoder.layers:
            frames, bias = layer(frames, inside, bias)
        transformed: Tensor = frames if first else encoder.layer_norm(frames)
        return transformed
