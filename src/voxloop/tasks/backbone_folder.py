"""What a folder written by `save_pretrained` holds: an architecture in JSON, weights in safetensors, and no more."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any

import torch
from pydantic import ValidationError
from safetensors import SafetensorError
from torch import Tensor

from voxloop.errors import ConfigError
from voxloop.speech.waveform import SAMPLE_RATE
from voxloop.tasks.backbone import KINDS, Architecture, BackboneConfig, import_transformers
from voxloop.tasks.backbone_network import fold_weight_norm, library_config

PICKLED = ("*.bin", "*.pt", "*.pth", "*.ckpt", "*.h5", "*.msgpack")
UNKNOWN = {"add_adapter": False, "adapter_attn_dim": None, "conv_pos_batch_norm": False}
"""Keys of parts that `Backbone` does not go through, and the values that leave them out."""


def list_weights(folder: Path) -> list[Path]:
    """Return the files of the weights, sorted; raises `ConfigError` where there is none in safetensors."""
    if files := sorted(folder.glob("model*.safetensors")):
        return files
    pickled = sorted(file.name for pattern in PICKLED for file in folder.glob(pattern))
    raise ConfigError(
        f"backbone {folder} holds no model.safetensors" + (f", but {pickled[0]}" if pickled else ""),
        rule="weights are read from safetensors alone: the other formats can run code",
        remedy="take a revision that has them, or convert the weights where you trust them",
    )


def read_architecture(folder: Path) -> Architecture:
    """Return what config.json and preprocessor_config.json say; raises `ConfigError` for what cannot be used."""
    library = import_transformers()
    try:
        kind = library.PretrainedConfig.get_config_dict(folder, local_files_only=True)[0].get("model_type")
        if kind not in KINDS:  # asked for another, the library may look for code beside it
            raise _refuse(folder, f"its model_type is {kind}")
        read: Any = library.AutoConfig.from_pretrained(folder, trust_remote_code=False, local_files_only=True)
        ears = library.Wav2Vec2FeatureExtractor.from_pretrained(folder, local_files_only=True)
        keys = {name: getattr(read, name) for name in Architecture.model_fields if hasattr(read, name)}
        architecture = Architecture(**keys, normalise=ears.do_normalize)
    except ValidationError as invalid:
        first = invalid.errors()[0]
        raise _refuse(folder, f"{first['loc'][-1] if first['loc'] else 'it'}: {first['msg']}") from None
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as broken:
        raise _refuse(folder, str(broken)) from None
    for name, absent in UNKNOWN.items():
        if getattr(read, name, absent) != absent:
            raise _refuse(folder, f"{name} is {getattr(read, name)}")
    if ears.sampling_rate != SAMPLE_RATE:
        raise _refuse(folder, f"it hears {ears.sampling_rate} Hz, not {SAMPLE_RATE}")
    return architecture


def _refuse(folder: Path, problem: str) -> ConfigError:
    return ConfigError(
        f"backbone {folder} cannot be used: {problem}",
        rule="a backbone is a wav2vec2, hubert or wavlm with config.json, preprocessor_config.json and safetensors",
        remedy="name another source",
    )


def load_weights(folder: Path, config: BackboneConfig) -> Mapping[str, Tensor]:
    """Return the weights of the encoder by name, the weight norm multiplied out; raises `ConfigError` if some lack."""
    try:
        with _quiet_library():
            model, told = import_transformers().AutoModel.from_pretrained(
                folder,
                config=library_config(config.architecture),
                use_safetensors=True,
                weights_only=True,
                trust_remote_code=False,
                local_files_only=True,
                attn_implementation="eager",
                dtype=torch.float32,
                output_loading_info=True,
            )
    except (OSError, ValueError, RuntimeError, SafetensorError) as broken:
        raise _refuse(folder, str(broken)) from None
    if missing := sorted({*told["missing_keys"], *map(str, told["mismatched_keys"])} - {"masked_spec_embed"}):
        raise _refuse(folder, f"its weights lack {len(missing)} tensors, {missing[0]} among them")
    weights: Mapping[str, Tensor] = fold_weight_norm(model).state_dict()
    return {name: value for name, value in weights.items() if name not in told["missing_keys"]}


@contextmanager
def _quiet_library() -> Iterator[None]:
    """Without its bar and its list of what the model has beside the encoder."""
    talk: Any = import_module("transformers.utils.logging")
    bars, talker = talk.is_progress_bar_enabled(), logging.getLogger("transformers")
    level = talker.level
    talk.disable_progress_bar()
    talker.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        talker.setLevel(level)
        if bars:
            talk.enable_progress_bar()
