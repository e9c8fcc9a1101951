"""A pretrained speech encoder in front of a family's last layers: what it is, what of it learns, and how fast.

The convolutions over samples (level 0, with the projection and the positions behind them) and the transformer's layers
(levels 1, 2, …) are those of wav2vec 2.0 (A. Baevski et al., NeurIPS 2020), HuBERT (W.-N. Hsu et al., TASLP 2021) and
WavLM (S. Chen et al., JSTSP 2022), as `transformers` builds them.
"""

from __future__ import annotations

import re
from importlib import import_module
from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from voxloop.config import StrictModel
from voxloop.errors import ConfigError
from voxloop.speech.augmentation import AugmentationConfig
from voxloop.tasks.recipe import Recipe

PREFIX = "backbone."
"""What the names of its parameters begin with in a family's network."""
KINDS = ("wav2vec2", "hubert", "wavlm")
"""Of models, as their config.json calls them."""
_LAYER = re.compile(r"backbone\.model\.encoder\.layers\.(\d+)\.")

Share = Annotated[float, Field(ge=0.0, lt=1.0)]
Size = Annotated[int, Field(ge=1, le=65_536)]
Sizes = Annotated[tuple[Size, ...], Field(min_length=1, max_length=16)]


class Architecture(StrictModel):
    """The keys of a model's config.json that decide what it computes; no other key of that file is looked at.

    Some of the others name code or files to load. So this stands in training.json instead of the whole of it.
    """

    model_type: Literal["wav2vec2", "hubert", "wavlm"]
    hidden_size: Size
    num_hidden_layers: int = Field(ge=1, le=256)
    num_attention_heads: Size
    intermediate_size: Size
    hidden_act: Literal["gelu", "gelu_new", "gelu_pytorch_tanh", "relu", "silu"]
    layer_norm_eps: float = Field(gt=0.0)
    do_stable_layer_norm: bool
    """Norms before attention and feed-forward instead of behind."""
    feat_extract_norm: Literal["group", "layer"]
    feat_extract_activation: Literal["gelu", "gelu_new", "gelu_pytorch_tanh", "relu", "silu"]
    conv_dim: Sizes
    conv_kernel: Sizes
    conv_stride: Sizes
    conv_bias: bool
    num_conv_pos_embeddings: Size
    num_conv_pos_embedding_groups: Size
    hidden_dropout: Share
    activation_dropout: Share
    attention_dropout: Share
    feat_proj_dropout: Share
    feat_proj_layer_norm: bool = True
    """HuBERT alone may be without."""
    num_buckets: Size = 320
    max_bucket_distance: Size = 800
    normalise: bool
    """Whether each utterance's samples are brought to mean 0 and variance 1 (`do_normalize` of the preprocessor)."""

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if not len(self.conv_dim) == len(self.conv_kernel) == len(self.conv_stride):
            raise ValueError("conv_dim, conv_kernel and conv_stride differ in length")
        if self.hidden_size % self.num_attention_heads:
            raise ValueError(f"num_attention_heads ({self.num_attention_heads}) must divide hidden_size")
        return self

    def count_frames(self, num_samples: int) -> int:
        """Return how many frames so many samples give, at least one."""
        for kernel, stride in zip(self.conv_kernel, self.conv_stride, strict=True):
            num_samples = max(1, (num_samples - kernel) // stride + 1)
        return num_samples

    @property
    def receptive_field(self) -> int:
        """Samples that one frame is made of."""
        field = 1
        for kernel, stride in zip(reversed(self.conv_kernel), reversed(self.conv_stride), strict=True):
            field = (field - 1) * stride + kernel
        return field


class Found(StrictModel):
    """What a source holds."""

    digest: str = Field(pattern=r"^[0-9a-f]{64}$")
    """SHA-256 of the weights' file, which is what the hub shows; of several, of their digests by name."""
    architecture: Architecture


class BackboneConfig(StrictModel):
    """Which pretrained encoder, and what of it learns."""

    source: str = Field(min_length=1)
    """A folder as `save_pretrained` writes it; with a revision, the name of a model on the hub, as OWNER/NAME."""
    revision: str | None = Field(default=None, pattern=r"^[0-9a-f]{40}$")
    """The commit of the hub's model: a branch or a tag may be other weights tomorrow. With none, nothing is fetched."""
    freeze_features: bool = True
    """Leave the convolutions over samples as they are."""
    frozen_layers: int = Field(default=0, ge=0)
    """Leave so many of the lowest layers as they are; with any, level 0 too."""
    rate: float = Field(default=0.1, gt=0.0, le=1.0)
    """Share of the learning rate that the uppermost layer gets."""
    layer_decay: float = Field(default=1.0, gt=0.0, le=1.0)
    """Rate of a level against the one above it (K. Clark et al., "ELECTRA", ICLR 2020, appendix A)."""
    found: Found | None = None
    """What the source holds: filled in when a training begins. Given, it must be that."""

    @property
    def architecture(self) -> Architecture:
        """The shape of the encoder; raises `ConfigError` before the source was looked at."""
        if self.found is None:
            raise ConfigError(
                f"backbone {self.source} was not looked at yet",
                rule="its architecture decides the network",
                remedy="give backbone.found, or settle the recipe first",
            )
        return self.found.architecture

    def rate_of(self, parameter: str) -> float:
        """Return the share of the learning rate of a parameter of a family's network; 0 freezes it."""
        if not parameter.startswith(PREFIX):
            return 1.0
        below, top = parameter.removeprefix(f"{PREFIX}model."), self.architecture.num_hidden_layers
        if below == "masked_spec_embed" or (self.freeze_features and below.startswith("feature_extractor.")):
            return 0.0
        level = self._level(parameter)
        return (
            0.0 if level <= self.frozen_layers and self.frozen_layers else self.rate * self.layer_decay ** (top - level)
        )

    def _level(self, parameter: str) -> int:
        if found := _LAYER.match(parameter):
            return int(found[1]) + 1
        last = self.architecture.do_stable_layer_norm and parameter.startswith(f"{PREFIX}model.encoder.layer_norm.")
        return self.architecture.num_hidden_layers if last else 0


class BackboneRecipe(Recipe):
    """A recipe whose family may learn on top of a pretrained encoder."""

    backbone: BackboneConfig | None = None
    """A pretrained encoder of samples in the place of spectrogram and encoder; None learns from scratch."""
    augmentation: AugmentationConfig = AugmentationConfig()

    @model_validator(mode="after")
    def _samples_have_no_mels(self) -> Self:
        changed = self.augmentation
        if self.backbone is not None and (changed.mel_mask or changed.mel_shift or changed.filter_db):
            raise ValueError(
                "a backbone hears samples: augmentation.mel_mask, mel_shift and filter_db must be 0 with it"
            )
        return self


def import_transformers() -> Any:
    """Return the package.

    Raises:
        ConfigError: It is not installed.
    """
    try:
        return import_module("transformers")
    except ModuleNotFoundError:
        raise ConfigError(
            "the configuration has a backbone, and transformers is not installed",
            rule="pretrained backbones need the extra pretrained",
            remedy="pip install 'voxloop[pretrained]'",
        ) from None
