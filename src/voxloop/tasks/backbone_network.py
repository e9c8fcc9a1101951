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

VARIANCE_FLOOR = 1e-7
"""Of samples, in `Wav2Vec2FeatureExtractor.zero_mean_unit_var_norm`."""


def library_config(architecture: Architecture) -> Any:
    """Return the configuration as `transformers` takes it."""
    keys = architecture.model_dump(exclude={"model_type", "normalise"})
    # A probability above 0 makes the vector that hides frames; what draws by it is not called.
    switches = {"mask_time_prob": 0.05, "mask_feature_prob": 0.0, "layerdrop": 0.0, "add_adapter": False}
    return import_transformers().AutoConfig.for_model(architecture.model_type, **keys, **switches)


def build_model(architecture: Architecture) -> nn.Module:
    """Return the model freshly initialised, its weight norm multiplied out."""
    made = import_transformers().AutoModel.from_config(
        library_config(architecture), attn_implementation="eager", trust_remote_code=False
    )
    return fold_weight_norm(made)


def fold_weight_norm(model: Any) -> nn.Module:
    """Make the kernel of the positions a plain tensor: one parameter, no reparametrisation in the exported graph."""
    parametrize.remove_parametrizations(model.encoder.pos_conv_embed.conv, "weight")
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
        maps, counts = self._convolve(samples, num_samples)
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

    def _convolve(self, samples: Tensor, counts: Tensor) -> tuple[Tensor, Tensor]:
        """Samples float32 [batch, samples] -> maps [batch, channels, frames], and how many frames are a row's own."""
        maps, shape = samples[:, None], self.architecture
        sizes = zip(self.model.feature_extractor.conv_layers, shape.conv_kernel, shape.conv_stride, strict=True)
        for layer, kernel, stride in sizes:
            maps = layer.conv(maps)
            counts = (torch.div(counts - kernel, stride, rounding_mode="floor") + 1).clamp(min=1)
            norm = getattr(layer, "layer_norm", None)
            if isinstance(norm, nn.GroupNorm):
                maps = normalise_channels(maps, counts, norm)
            elif norm is not None:
                maps = norm(maps.transpose(1, 2)).transpose(1, 2)
            maps = layer.activation(maps)
        return maps, counts

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
        bias = self._position_bias(frames.shape[1])
        for layer in encoder.layers:
            frames = run_layer(layer, frames, inside, bias, norm_first=not first)
        transformed: Tensor = frames if first else encoder.layer_norm(frames)
        return transformed

    def _position_bias(self, length: int) -> Tensor | None:
        """Return WavLM's bias of each pair of frames, float [heads, frames, frames]; the others have none."""
        if self.architecture.model_type != "wavlm":
            return None
        bias: Tensor = self.model.encoder.layers[0].attention.compute_bias(length, length)
        return bias


def normalise_channels(maps: Tensor, counts: Tensor, norm: nn.GroupNorm) -> Tensor:
    """Group norm with a group a channel, its statistics over the frames that are a row's own.

    Args:
        maps: Float [batch, channels, frames].
        counts: int64 [batch], frames that are no padding.
        norm: The module whose scale, shift and epsilon are taken (Y. Wu, K. He, "Group normalization", ECCV 2018).
    """
    with in_full_precision(maps.device.type):
        maps = maps.float()
        inside = mask_of(counts, maps.shape[2])[:, None, :]
        size = counts[:, None, None].to(maps.dtype)
        centred = maps - (maps * inside).sum(dim=2, keepdim=True) / size
        variance = (centred.square() * inside).sum(dim=2, keepdim=True) / size
        scaled = centred * torch.rsqrt(variance + norm.eps)
        return scaled * norm.weight[:, None] + norm.bias[:, None]


def run_layer(layer: Any, frames: Tensor, inside: Tensor, bias: Tensor | None, *, norm_first: bool) -> Tensor:
    """Frames [batch, frames, width] through one layer of the transformer; inside bool [batch, frames]."""
    heard = layer.layer_norm(frames) if norm_first else frames
    frames = frames + layer.dropout(attend(layer.attention, heard, inside, bias))
    if norm_first:
        after: Tensor = frames + layer.feed_forward(layer.final_layer_norm(frames))
        return after
    frames = layer.layer_norm(frames)
    normed: Tensor = layer.final_layer_norm(frames + layer.feed_forward(frames))
    return normed


def attend(attention: Any, frames: Tensor, inside: Tensor, bias: Tensor | None) -> Tensor:
    """Let every frame [batch, frames, width] look at those of its own utterance."""
    batch, length, width = frames.shape
    heads = attention.num_heads

    def split(part: Tensor) -> Tensor:
        return part.reshape(batch, length, heads, width // heads).transpose(1, 2)

    query, key, value = (split(to(frames)) for to in (attention.q_proj, attention.k_proj, attention.v_proj))
    seen = inside[:, None, None, :]
    if bias is not None:
        seen = (bias * _gate(attention, split(frames))).masked_fill(~seen, float("-inf")).to(query.dtype)
    dropout = attention.dropout if attention.training else 0.0
    found = functional.scaled_dot_product_attention(query, key, value, attn_mask=seen, dropout_p=dropout)
    joined: Tensor = attention.out_proj(found.transpose(1, 2).reshape(batch, length, width))
    return joined


def _gate(attention: Any, parts: Tensor) -> Tensor:
    """How much a frame's head [batch, heads, frames, size] heeds positions, [batch, heads, frames, 1] (WavLM, 3.1)."""
    batch, heads, length, _ = parts.shape
    opened = attention.gru_rel_pos_linear(parts).reshape(batch, heads, length, 2, 4).sum(dim=4).sigmoid()
    update, reset = opened.chunk(2, dim=3)
    gate: Tensor = update * (reset * attention.gru_rel_pos_const - 1.0) + 2.0
    return gate
