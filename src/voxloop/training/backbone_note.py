"""What a training's backbone was when it began, beside its checkpoints: going on needs no source."""

from __future__ import annotations

from pathlib import Path
from typing import TypeVar

from pydantic import ValidationError
from torch import Tensor

from voxloop.errors import InputError, IntegrityError
from voxloop.store.atomic import write_file
from voxloop.store.plain_files import read_json_object
from voxloop.tasks.backbone import BackboneRecipe, Found
from voxloop.tasks.backbone_source import read_pretrained, settle
from voxloop.tasks.recipe import Recipe
from voxloop.training.checkpoints import CheckpointStore

NOTE_NAME = "backbone.json"

AnyRecipe = TypeVar("AnyRecipe", bound=Recipe)


def settle_training(recipe: AnyRecipe, checkpoints: Path | None) -> AnyRecipe:
    """Return the recipe with what its backbone's source holds, or held when the training began; raises as `settle`."""
    note = None if checkpoints is None else checkpoints / NOTE_NAME
    return settle(recipe, _read(note) if note is not None and note.exists() else None)


def pretrained_weights(recipe: Recipe, store: CheckpointStore | None) -> dict[str, Tensor]:
    """Return the backbone's weights for a training that begins, none for one that goes on; raises as `settle`."""
    if not isinstance(recipe, BackboneRecipe) or recipe.backbone is None:
        return {}
    return {} if store is not None and store.load_newest() is not None else read_pretrained(recipe)


def write_note(recipe: Recipe, checkpoints: Path | None) -> None:
    """Leave what a settled recipe's backbone is beside the checkpoints, if there are to be any."""
    backbone = recipe.backbone if isinstance(recipe, BackboneRecipe) else None
    if checkpoints is not None and backbone is not None and backbone.found is not None:
        write_file(checkpoints / NOTE_NAME, backbone.found.model_dump_json(indent=2) + "\n")


def _read(note: Path) -> Found:
    try:
        return Found.model_validate(read_json_object(note))
    except (InputError, ValidationError) as broken:
        raise IntegrityError(
            f"{note} is broken: {broken}", remedy="remove it; the source is then looked at again"
        ) from None
