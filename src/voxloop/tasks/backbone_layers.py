"""The layers of pretrained speech encoders, made of the modules of `transformers`, under the names they have there.

What is ours is the way through them: a mask of what is no padding goes along. Each is a module with a forward of its
own, because that is what FSDP2 gathers the weights for.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from voxloop.speech.log_mel import in_full_precision, mask_of


class ConvLayer(nn.Module):
    """Convolution over time, norm where there is one, activation.

    Args:
        made: The library's layer.
    """

    def __init__(self, made: Any) -> None:
        super().__init__()
        self.conv: nn.Conv1d = made.conv
        self.layer_norm: nn.Module | None = getattr(made, "layer_norm", None)
        self.activation: nn.Module = made.activation

    def forward(self, maps: Tensor, counts: Tensor) -> tuple[Tensor, Tensor]:
        """Maps float [batch, channels, frames] and how many frames are a row's own, int64 [batch]; the same after."""
        maps = self.conv(maps)
        whole = torch.div(counts - self.conv.kernel_size[0], self.conv.stride[0], rounding_mode="floor") + 1
        counts = whole.clamp(min=1)
        if isinstance(self.layer_norm, nn.GroupNorm):
            maps = normalise_channels(maps, counts, self.layer_norm)
        elif self.layer_norm is not None:
            maps = self.layer_norm(maps.transpose(1, 2)).transpose(1, 2)
        return self.activation(maps), counts


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


class TransformerLayer(nn.Module):
    """Attention and feed-forward, their norms before or behind them.

    Args:
        made: The library's layer.
        norm_first: Whether norms come before.
    """

    def __init__(self, made: Any, *, norm_first: bool) -> None:
        super().__init__()
        self.norm_first = norm_first
        self.attention: Any = made.attention
        self.dropout: nn.Module = made.dropout
        self.layer_norm: nn.Module = made.layer_norm
        self.feed_forward: nn.Module = made.feed_forward
        self.final_layer_norm: nn.Module = made.final_layer_norm

    def forward(self, frames: Tensor, inside: Tensor, bias: Tensor | None) -> tuple[Tensor, Tensor | None]:
        """Frames [batch, frames, width] through the layer.

        Args:
            frames: Float.
            inside: bool [batch, frames], what is no padding.
            bias: WavLM's bias of each pair of frames, float [heads, frames, frames]; its first layer makes it.

        Returns:
            Frames, and the bias for the next layer; None of the other models.
        """
        if hasattr(self.attention, "rel_attn_embed"):
            bias = self.attention.compute_bias(frames.shape[1], frames.shape[1])
        heard = self.layer_norm(frames) if self.norm_first else frames
        frames = frames + self.dropout(attend(self.attention, heard, inside, bias))
        if self.norm_first:
            return frames + self.feed_forward(self.final_layer_norm(frames)), bias
        frames = self.layer_norm(frames)
        return self.final_layer_norm(frames + self.feed_forward(frames)), bias


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
