"""Train one family of models on a dataset."""

from __future__ import annotations

from pathlib import Path

from voxloop.config import Overrides, find_config, load_config, resolved
from voxloop.store.job_store import run_step


def train(dataset: Path, out: Path, *, task: str = "emotion", config: str = "small", overrides: Overrides = ()) -> Path:
    """Train a network on the train split and keep its best epoch by the dev split.

    Writes the weights (`weights.safetensors`), what happened (`training.json`), a picture of it (`curves.png`) and whom
    the model learnt from (`speakers.json`).

    Args:
        dataset: Folder written by ingest.
        out: Folder to write; it must be empty or not there.
        task: Family of the model.
        config: Name of a file in configs/tasks/TASK, such as smoke, small or base.
        overrides: Changes to that file.

    Returns:
        The folder written.

    Raises:
        InputError: There is no such task, configuration or dataset, or the dataset cannot be learnt from.
        VoxloopError: The loss became something other than a number.
    """
    from voxloop.tasks import get_task

    family = get_task(task)
    recipe = load_config(family.Config, find_config("tasks", task, config), overrides)

    def work(folder: Path) -> None:
        from voxloop.training.fit import fit_task

        fit_task(dataset, folder, task=family, recipe=recipe)

    return run_step(
        "train",
        inputs={"dataset": dataset},
        config={"task": task, "config": resolved(recipe)},
        out=out,
        work=work,
    )
