"""Checkpoints of speech encoders with random weights, a few kilobytes each."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Any

import torch

SHAPE: dict[str, Any] = {
    "hidden_size": 16,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 24,
    "conv_dim": (8, 8, 8),
    "conv_kernel": (10, 8, 4),
    "conv_stride": (10, 8, 4),
    "num_conv_pos_embeddings": 8,
    "num_conv_pos_embedding_groups": 2,
    "feat_extract_norm": "layer",
    "num_buckets": 8,
    "max_bucket_distance": 16,
    "vocab_size": 7,
}


def write_backbone(folder: Path, kind: str = "wav2vec2", head: str = "", *, rate: int = 16_000, **changes: Any) -> Any:
    """Write a folder as `save_pretrained` does and return the model, in evaluation mode."""
    transformers: Any = import_module("transformers")

    torch.manual_seed(3)
    config = transformers.AutoConfig.for_model(kind, **{**SHAPE, **changes})
    made = getattr(transformers, f"AutoModel{head}").from_config(config, attn_implementation="eager")
    made.save_pretrained(folder)
    transformers.Wav2Vec2FeatureExtractor(sampling_rate=rate, do_normalize=True).save_pretrained(folder)
    return made.eval()
