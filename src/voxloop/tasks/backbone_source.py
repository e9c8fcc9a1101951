"""Where a pretrained encoder comes from: a folder on this machine, which may hold one commit of a model on the hub.

Nothing is fetched here: `voxloop.adapters.hub` does that before a job looks at the source. Only safetensors and JSON
are read; code that comes with a model is never run.
"""

from __future__ import annotations

from pathlib import Path
from typing import TypeVar

from torch import Tensor

from voxloop.errors import ConfigError, IntegrityError
from voxloop.settings import get_settings
from voxloop.store.digests import digest_file, digest_json
from voxloop.tasks.backbone import PREFIX, BackboneConfig, BackboneRecipe, Found
from voxloop.tasks.backbone_folder import list_weights, load_weights, read_architecture
from voxloop.tasks.recipe import Recipe

AnyRecipe = TypeVar("AnyRecipe", bound=Recipe)


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
    """Return the folder of the source; of a model of the hub the one it was fetched into.

    Raises:
        ConfigError: There is no such folder.
    """
    folder = Path(config.source).expanduser() if config.revision is None else fetched_folder(config)
    if config.revision is not None and not folder.is_dir():
        raise ConfigError(
            f"backbone.source {config.source} at {config.revision[:12]} was not fetched",
            rule="a model of the hub is fetched when `voxloop train` or `voxloop tune` begins",
            remedy="begin with one of them, or name a folder without a revision",
        )
    if not folder.is_dir():
        raise ConfigError(
            f"backbone.source {config.source} is no folder here",
            rule="without a revision a source is a folder, and nothing is fetched",
            remedy="name a folder, or for a model of the hub its commit (40 hex digits) as backbone.revision",
        )
    return folder


def fetched_folder(config: BackboneConfig) -> Path:
    """Return where a commit of a model on the hub is kept on this machine, be it there or not."""
    assert config.revision is not None  # noqa: S101 - a folder is not fetched
    return get_settings().home / "backbones" / config.source.replace("/", "--") / config.revision
