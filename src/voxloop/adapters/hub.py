"""Hugging Face's hub: one commit of a pretrained encoder, fetched once into the state folder.

Only what is read is fetched: safetensors and JSON, never code.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from voxloop.errors import ConfigError, ServiceUnavailableError

if TYPE_CHECKING:
    from pathlib import Path

    from voxloop.tasks.recipe import Recipe

WANTED = ("config.json", "preprocessor_config.json", "processor_config.json", "model*.safetensors", "model*.json")
"""What is fetched of a model."""


def fetch_backbone(recipe: Recipe) -> None:
    """Fetch what a recipe's backbone names of the hub, unless it is here already; nothing for any other recipe.

    Raises:
        ConfigError: The hub has no such model or commit, or the extra `pretrained` is not installed.
        ServiceUnavailableError: The hub does not answer.
    """
    from voxloop.store.atomic import build_folder
    from voxloop.store.lock import hold_lock
    from voxloop.tasks.backbone import BackboneRecipe
    from voxloop.tasks.backbone_source import fetched_folder

    config = recipe.backbone if isinstance(recipe, BackboneRecipe) else None
    if config is None or config.revision is None or (place := fetched_folder(config)).is_dir():
        return
    with hold_lock(place.with_suffix(".lock")):
        if not place.is_dir():  # else it was fetched by the worker that was waited for
            with build_folder(place) as folder:
                _download(config.source, config.revision, folder)


def _download(name: str, revision: str, folder: Path) -> None:
    import shutil

    from voxloop.tasks.backbone import import_transformers

    import_transformers()
    hub, errors = import_module("huggingface_hub"), import_module("huggingface_hub.errors")
    try:
        hub.snapshot_download(name, revision=revision, allow_patterns=list(WANTED), local_dir=folder)
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
    shutil.rmtree(folder / ".cache", ignore_errors=True)  # the library's own notes on what it has fetched
