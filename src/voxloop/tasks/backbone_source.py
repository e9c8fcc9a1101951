"""Where a pretrained encoder comes from: a folder on this machine, or one commit of a model on the hub.

Only safetensors and JSON are read; code that comes with a model is never run.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any, TypeVar

import torch
from pydantic import ValidationError
from safetensors import SafetensorError
from torch import Tensor

from voxloop.errors import ConfigError, IntegrityError, ServiceUnavailableError
from voxloop.speech.waveform import SAMPLE_RATE
from voxloop.store.digests import digest_file, digest_json
from voxloop.tasks.backbone import (
    KINDS,
    PREFIX,
    Architecture,
    BackboneConfig,
    BackboneRecipe,
    Found,
    import_transformers,
)
from voxloop.tasks.backbone_network import fold_weight_norm, library_config
from voxloop.tasks.recipe import Recipe

AnyRecipe = TypeVar("AnyRecipe", bound=Recipe)

WANTED = ("config.json", "preprocessor_config.json", "processor_config.json", "model*.safetensors", "model*.json")
"""What is fetched of a model."""
PICKLED = ("*.bin", "*.pt", "*.pth", "*.ckpt", "*.h5", "*.msgpack")
UNKNOWN = {"add_adapter": False, "adapter_attn_dim": None, "conv_pos_batch_norm": False}
"""Keys of parts that `Backbone` does not go through, and the values that leave them out."""


def settle(recipe: AnyRecipe, known: Found | None = None) -> AnyRecipe:
    """Look at the source of a recipe's backbone and write what it holds into the recipe.

    Args:
        recipe: Any; one without a backbone, or one that says what it holds, comes back as it is.
        known: What a training under way found when it began; taken where the source is no longer there.

    Raises:
        ConfigError: The source is not there, cannot be used, or has fewer layers than are to be frozen.
    """
    if not isinstance(recipe, BackboneRecipe) or recipe.backbone is None:
        return recipe
    config = recipe.backbone
    found = config.found or (known if known is not None and not Path(config.source).is_dir() else look_at(config))
    layers = found.architecture.num_hidden_layers
    if config.frozen_layers > layers:
        raise ConfigError(
            f"backbone.frozen_layers is {config.frozen_layers}",
            rule=f"{config.source} has {layers} layers",
            remedy="freeze as many at most",
        )
    return recipe.model_copy(update={"backbone": config.model_copy(update={"found": found})})


def look_at(config: BackboneConfig) -> Found:
    """Return what the source holds; raises as `settle`."""
    folder = find_folder(config)
    files = _list_weights(folder)
    digests = {file.name: digest_file(file) for file in files}
    digest = next(iter(digests.values())) if len(digests) == 1 else digest_json(digests)
    return Found(digest=digest, architecture=_read_architecture(folder))


def read_pretrained(recipe: Recipe) -> dict[str, Tensor]:
    """Return the weights of a settled recipe's backbone by their names in the network; none without a backbone.

    Raises:
        ConfigError: As `settle`; or tensors are missing.
        IntegrityError: The source is not what the recipe says it held.
    """
    if not isinstance(recipe, BackboneRecipe) or recipe.backbone is None:
        return {}
    config = recipe.backbone
    if (now := look_at(config)) != config.found:
        known = config.found.digest[:12] if config.found else "nothing"
        raise IntegrityError(
            f"backbone {config.source} holds {now.digest[:12]}",
            rule=f"the recipe says {known}, and the architecture is part of it",
            remedy="name the source it was, or leave backbone.found away",
        )
    weights = _load(find_folder(config), config)
    return {f"{PREFIX}model.{name}": value for name, value in weights.items()}


def find_folder(config: BackboneConfig) -> Path:
    """Return the folder of the source; a revision fetches it, unless it was fetched before.

    Raises:
        ConfigError: There is no such folder, or the hub has no such model.
        ServiceUnavailableError: The hub does not answer.
    """
    if config.revision is not None:
        return _fetch(config.source, config.revision)
    folder = Path(config.source).expanduser()
    if not folder.is_dir():
        raise ConfigError(
            f"backbone.source {config.source} is no folder here",
            rule="without a revision a source is a folder, and nothing is fetched",
            remedy="name a folder, or for a model of the hub its commit (40 hex digits) as backbone.revision",
        )
    return folder


def _fetch(name: str, revision: str) -> Path:
    import_transformers()
    hub, errors = import_module("huggingface_hub"), import_module("huggingface_hub.errors")
    try:
        return Path(hub.snapshot_download(name, revision=revision, allow_patterns=list(WANTED)))
    except errors.LocalEntryNotFoundError as silent:
        raise ServiceUnavailableError(
            f"the hub does not answer for {name}: {silent}", remedy="try again, or name a folder as backbone.source"
        ) from None
    except (errors.HFValidationError, OSError) as refused:
        raise ConfigError(
            f"the hub gives no {name} at {revision[:12]}: {refused}",
            rule="backbone.source is OWNER/NAME, backbone.revision one of its commits",
            remedy="correct them, or name a folder without a revision",
        ) from None


def _list_weights(folder: Path) -> list[Path]:
    if files := sorted(folder.glob("model*.safetensors")):
        return files
    pickled = sorted(file.name for pattern in PICKLED for file in folder.glob(pattern))
    raise ConfigError(
        f"backbone {folder} holds no model.safetensors" + (f", but {pickled[0]}" if pickled else ""),
        rule="weights are read from safetensors alone: the other formats can run code",
        remedy="take a revision that has them, or convert the weights where you trust them",
    )


def _read_architecture(folder: Path) -> Architecture:
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


def _load(folder: Path, config: BackboneConfig) -> Mapping[str, Tensor]:
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
