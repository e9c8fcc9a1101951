"""Where a pretrained encoder comes from: a folder on this machine, or one commit of a model on the hub.

Only safetensors and JSON are read; code that comes with a model is never run.
"""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import TypeVar

from torch import Tensor

from voxloop.errors import ConfigError, IntegrityError, ServiceUnavailableError
from voxloop.store.digests import digest_file, digest_json
from voxloop.tasks.backbone import PREFIX, BackboneConfig, BackboneRecipe, Found, import_transformers
from voxloop.tasks.backbone_folder import list_weights, load_weights, read_architecture
from voxloop.tasks.recipe import Recipe

AnyRecipe = TypeVar("AnyRecipe", bound=Recipe)

WANTED = ("config.json", "preprocessor_config.json", "processor_config.json", "model*.safetensors", "model*.json")
"""What is fetched of a model."""


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
    files = list_weights(folder)
    digests = {file.name: digest_file(file) for file in files}
    digest = next(iter(digests.values())) if len(digests) == 1 else digest_json(digests)
    return Found(digest=digest, architecture=read_architecture(folder))


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
    weights = load_weights(find_folder(config), config)
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
