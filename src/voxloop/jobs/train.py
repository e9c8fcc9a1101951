"""Train one family of models on a dataset."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from voxloop.config import Overrides, find_config, load_config, resolved
from voxloop.store.job_store import run_resumable_step

if TYPE_CHECKING:
    from voxloop.tasks import Task
    from voxloop.tasks.recipe import Recipe


def train(
    dataset: Path,
    out: Path,
    *,
    task: str = "emotion",
    config: str = "small",
    features: Path | None = None,
    start: Path | None = None,
    overrides: Overrides = (),
) -> Path:
    """Train a network on the train split and keep its best epoch by the dev split.

    Writes the weights (`weights.safetensors`), what happened (`training.json`), a picture of it (`curves.png`) and whom
    the model learnt from (`speakers.json`).

    Checkpoints are kept in the job store while it runs. Stopped by SIGTERM, by a spot machine's notice or by force, the
    same command goes on from the newest one and ends with the bytes it would have ended with; told to stop, it leaves
    with exit code 85. On two cores, one thread, `small` trains 200 to 450 seconds of audio a second.

    Args:
        dataset: Folder written by ingest.
        out: Folder to write; it must be empty or not there.
        task: Family of the model.
        config: Name of a file in configs/tasks/TASK, such as smoke, small or base.
        features: For families that take features: a Parquet table with a row an utterance (`utterance_id` and
            numbers), or a folder written by features, of which each family takes the table it reads.
        start: Folder written by train: go on from these weights (fine-tuning) instead of fresh ones; what has another
            name or shape, such as the last layer of other labels, starts fresh.
        overrides: Changes to that file.

    Returns:
        The folder written.

    Raises:
        InputError: There is no such task, configuration or dataset, or the dataset cannot be learnt from.
        TrainingInterruptedError: It was told to stop and has left a checkpoint.
        VoxloopError: The loss became something other than a number.
    """
    from voxloop.adapters.hub import fetch_backbone
    from voxloop.data.known_features import find_table
    from voxloop.tasks import get_task
    from voxloop.tasks.backbone_source import settle

    family = get_task(task)
    recipe: Recipe = load_config(family.Config, find_config("tasks", task, config), overrides)
    fetch_backbone(recipe)
    recipe = settle(recipe)
    table = find_table(features, family.FEATURES)
    # How often it is saved changes nothing of the result: a training may go on with another `checkpoints`.
    settled = {name: value for name, value in resolved(recipe).items() if name != "checkpoints"}
    return run_resumable_step(
        "train",
        inputs={"dataset": dataset, "features": table, "start": start},
        config={"task": task, "config": settled},
        out=out,
        work=lambda folder, unfinished: _fit(dataset, folder, family, recipe, table, start, unfinished),
    )


def _fit(
    dataset: Path, folder: Path, task: Task, recipe: Recipe, features: Path | None, start: Path | None, unfinished: Path
) -> None:
    from voxloop.settings import get_settings
    from voxloop.training.fit import read_weights
    from voxloop.training.interruption import Interruption
    from voxloop.training.launch import train_task

    train_task(
        dataset,
        folder,
        task=task,
        recipe=recipe,
        features=features,
        checkpoints=unfinished / "checkpoints",
        start=None if start is None else read_weights(start),
        interruption=Interruption(get_settings().spot_notice),
    )
