"""One training: from a dataset folder to a weights folder."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import Tensor, nn

from voxloop.config import resolved
from voxloop.data.known_features import read_rows
from voxloop.errors import InputError, VoxloopError
from voxloop.store.atomic import write_file
from voxloop.store.digests import digest_json, digest_tree
from voxloop.tasks import Task
from voxloop.tasks.recipe import Recipe
from voxloop.training.backbone_note import pretrained_weights, settle_training, write_note
from voxloop.training.batching import plan_dev
from voxloop.training.checkpoints import CheckpointStore
from voxloop.training.curves import draw_curves
from voxloop.training.devices import open_fabric, reproducible
from voxloop.training.engine import Engine, Material
from voxloop.training.examples import collate, read_examples
from voxloop.training.interruption import Interruption
from voxloop.training.tensors import digest_tensors
from voxloop.training.watching import ProgressLines, Silent, Watcher
from voxloop.training.weights_file import REPORT_NAME, WEIGHTS_NAME

CURVES_NAME = "curves.png"
SPEAKERS_NAME = "speakers.json"


def fit_task(
    dataset: Path,
    folder: Path,
    *,
    task: Task,
    recipe: Recipe,
    features: Path | None = None,
    checkpoints: Path | None = None,
    start: Mapping[str, Tensor] | None = None,
    interruption: Interruption | None = None,
    watcher: Watcher | None = None,
) -> None:
    """Train `task` on `dataset` and write weights, report, curves and the list of speakers into `folder`.

    On a CPU the weights are a function, to the byte, of dataset, features, recipe, the weights to start from, torch's
    version and the kind of CPU, however often the training was stopped and gone on with.

    Args:
        dataset: Folder written by ingest.
        folder: Existing folder to fill; rank 0 does.
        task: The family.
        recipe: Its configuration.
        features: Parquet table with a row an utterance, for families that take features.
        checkpoints: Folder for the places to go on from; None keeps none.
        start: Weights to start from, all of them or those whose names and shapes fit; None starts afresh.
        interruption: Asked between steps whether to stop; None listens to SIGTERM.
        watcher: Told what happens on rank 0; None prints.

    Raises:
        CorpusError: Train or dev cannot be learnt from.
        TrainingInterruptedError: It was told to stop and has left a checkpoint.
        VoxloopError: The loss became something other than a number.
    """
    with reproducible(recipe), (interruption or Interruption()).listening() as listening:
        fabric = open_fabric(recipe)
        recipe = settle_training(recipe, checkpoints)
        material = read_material(dataset, task, recipe, features)
        told = watcher or ProgressLines(recipe.epochs, task.OBJECTIVE)
        store: CheckpointStore | None = None
        if checkpoints is not None:
            made_for = _identify(dataset, recipe, features, start)
            store = CheckpointStore(checkpoints, keep=recipe.checkpoints.keep, made_for=made_for)
        engine = Engine(
            fabric,
            material,
            store=store,
            interruption=listening,
            watcher=told if fabric.is_global_zero else Silent(),
            pretrained=pretrained_weights(recipe, store),
            start=start,
            profile=folder / "profile" if recipe.devices.profile else None,
        )
        if fabric.is_global_zero:
            _announce(engine)
            write_note(recipe, checkpoints)
        engine.run()
        if fabric.is_global_zero:
            _write(folder, dataset, engine)


def without_checkpoints(recipe: Recipe) -> dict[str, Any]:
    """Return the configuration, resolved, without how often a training is saved: that changes nothing of its result."""
    return {name: value for name, value in resolved(recipe).items() if name != "checkpoints"}


def read_weights(folder: Path) -> dict[str, Tensor]:
    """Return the weights in a folder written by train.

    Raises:
        InputError: It is not such a folder.
    """
    try:
        return load_file(folder / WEIGHTS_NAME)
    except (OSError, SafetensorError) as unreadable:
        raise InputError(
            f"{folder} holds no weights: {unreadable}",
            rule=f"train writes {WEIGHTS_NAME}",
            remedy="name a folder written by train",
        ) from None


def read_material(dataset: Path, task: Task, recipe: Recipe, features: Path | None = None) -> Material:
    """Read what a training is made of; raises as `read_examples`."""
    encoding = task.learn_encoding(read_rows(dataset, "train", features), recipe)
    train, dev = (read_examples(dataset, split, task, encoding, recipe, features) for split in ("train", "dev"))
    return Material(task, recipe, encoding, train, dev)


def _identify(dataset: Path, recipe: Recipe, features: Path | None, start: Mapping[str, Tensor] | None) -> str:
    """Return the digest of what a training is a function of, beside code and machine.

    A checkpoint goes on under other devices: it holds whole tensors.
    """
    config = {name: value for name, value in without_checkpoints(recipe).items() if name != "devices"}
    begun = {"start": digest_tensors(start)} if start else {}
    read = {"features": digest_tree(features)} if features and features.exists() else {}
    return digest_json({"config": config, "dataset": digest_tree(dataset), **begun, **read})


def _announce(engine: Engine) -> None:
    material, ranks = engine.material, engine.fabric.world_size
    where = f"{engine.recipe.threads} threads" if engine.fabric.device.type == "cpu" else str(engine.fabric.device)
    print(
        f"training {_count_parameters(engine.bare):,} parameters on {len(material.train)} utterances "
        f"({material.train.seconds.sum() / 60:.1f} min), dev {len(material.dev)}, "
        f"{engine.steps // engine.recipe.epochs} steps an epoch, {where}{f', {ranks} ranks' if ranks > 1 else ''}",
        flush=True,
    )


def _count_parameters(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


def _write(folder: Path, dataset: Path, engine: Engine) -> None:
    material, progress = engine.material, engine.progress
    task, recipe = material.task, material.recipe
    if progress.best_epoch is None:
        raise VoxloopError(
            f"dev {task.OBJECTIVE.name} could not be measured in any epoch",
            rule="the best epoch is chosen by it",
            remedy="look at the dev split: it needs rows with labels",
        )
    network = task.build_network(recipe, material.encoding)
    network.load_state_dict(engine.best, strict=True)
    calibration = task.calibrate(network.eval(), _dev_outputs(network, engine))
    weights = {name: value.clone().contiguous() for name, value in network.state_dict().items()}
    write_file(folder / WEIGHTS_NAME, save(weights))
    draw_curves(progress.history, progress.best_epoch, task.OBJECTIVE, folder / CURVES_NAME)
    report = {
        "schema_version": 2,
        "task": task.NAME,
        "config": without_checkpoints(recipe),
        "encoding": material.encoding.model_dump(mode="json"),
        "labels": list(material.encoding.labels),
        "request": task.request(material.encoding).as_json(),
        "history": [epoch.model_dump(mode="json") for epoch in progress.history],
        "best_epoch": progress.best_epoch,
        "objective": {"name": task.OBJECTIVE.name, "value": progress.best_value(task.OBJECTIVE.name)},
        "dev": progress.history[progress.best_epoch - 1].dev,
        "calibration": calibration,
        "dataset_digest": digest_tree(dataset),
        "seed": recipe.seed,
        "torch": torch.__version__,
        "utterances": {"train": len(material.train), "dev": len(material.dev)},
        "audio_seconds": {"train": float(material.train.seconds.sum()), "dev": float(material.dev.seconds.sum())},
        "parameters": _count_parameters(network),
    }
    write_file(folder / REPORT_NAME, json.dumps(report, indent=2) + "\n")
    write_file(folder / SPEAKERS_NAME, json.dumps(list_speakers(material), indent=2) + "\n")


@torch.no_grad()
def _dev_outputs(network: nn.Module, engine: Engine) -> Iterator[tuple[Any, dict[str, Tensor]]]:
    dev = engine.material.dev
    for indices in plan_dev(dev.seconds, engine.recipe.batching):
        batch = collate([dev.examples[index] for index in indices])
        yield network(*[batch.inputs[name] for name in engine.inputs]), batch.targets


def list_speakers(material: Material) -> dict[str, object]:
    """Return whom a model learns from: the speakers of the examples of `train` and `dev`, each list sorted.

    It travels with the model, so that an erasure can say which models learnt from a speaker.
    """
    train, dev = (sorted(set(part.speakers)) for part in (material.train, material.dev))
    return {"schema_version": 1, "train": train, "dev": dev}
