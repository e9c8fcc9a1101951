"""One training: from a dataset folder to a weights folder."""

from __future__ import annotations

import json
import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

import lightning
import torch
from lightning.pytorch.callbacks import EarlyStopping
from safetensors.torch import save
from torch import nn

from voxloop.config import resolved
from voxloop.data.shards import read_manifest
from voxloop.data.splits import Split
from voxloop.store.atomic import write_file
from voxloop.store.digests import digest_tree
from voxloop.tasks import Task
from voxloop.tasks.recipe import Recipe
from voxloop.training.curves import draw_curves
from voxloop.training.data_module import SpeechData
from voxloop.training.epoch_book import EpochBook
from voxloop.training.speech_module import SpeechModule

WEIGHTS_NAME = "weights.safetensors"
REPORT_NAME = "training.json"
CURVES_NAME = "curves.png"
SPEAKERS_NAME = "speakers.json"


def fit_task(dataset: Path, folder: Path, *, task: Task, recipe: Recipe) -> None:
    """Train `task` on `dataset` and write weights, report, curves and the list of speakers into `folder`.

    On a CPU the weights are a function, to the byte, of dataset, recipe, torch's version and the kind of CPU.

    Raises:
        CorpusError: Train or dev cannot be learnt from.
        VoxloopError: The loss became something other than a number.
    """
    with reproducible(recipe):
        data = SpeechData(dataset, task, recipe)
        module = SpeechModule(
            task, recipe, data.train.label_counts(len(task.LABELS)), recipe.epochs * len(data.plan_epoch(0))
        )
        book = EpochBook(data.train.audio_seconds, recipe.epochs)
        _announce(data, module.network, recipe)
        _build_trainer(recipe, book).fit(module, datamodule=data)
    _write(folder, dataset, task, recipe, data, book, _count_parameters(module.network))


@contextmanager
def reproducible(recipe: Recipe) -> Iterator[None]:
    """Fix seeds, threads and algorithms of torch, and keep Lightning's advice about loaders and loggers quiet."""
    talker = logging.getLogger("lightning.pytorch.utilities.rank_zero")
    threads, deterministic, level = torch.get_num_threads(), torch.are_deterministic_algorithms_enabled(), talker.level
    lightning.seed_everything(recipe.seed, workers=True, verbose=False)
    torch.set_num_threads(recipe.threads)
    talker.setLevel(logging.WARNING)
    try:
        with warnings.catch_warnings():
            # Its advice of more loader workers: the data is in memory (see data_module).
            warnings.filterwarnings("ignore", message=".*does not have many workers.*")
            # Its advice of logging more often: nothing is logged by step.
            warnings.filterwarnings("ignore", message=".*smaller than the logging interval.*")
            # Lightning 2.6 walks trees in a way torch 2.13 calls out of date.
            warnings.filterwarnings("ignore", message=".*treespec, LeafSpec.*", category=FutureWarning)
            yield
    finally:
        talker.setLevel(level)
        torch.set_num_threads(threads)
        torch.use_deterministic_algorithms(deterministic)


def _build_trainer(recipe: Recipe, book: EpochBook) -> lightning.Trainer:
    on_gpu = torch.cuda.is_available()
    return lightning.Trainer(
        accelerator="auto",
        devices=1,
        precision=recipe.gpu_precision if on_gpu else "32-true",
        max_epochs=recipe.epochs,
        callbacks=[book, EarlyStopping("dev_uar", mode="max", patience=recipe.patience)],
        gradient_clip_val=recipe.optimiser.gradient_clip,
        deterministic="warn" if on_gpu else True,
        reload_dataloaders_every_n_epochs=1,
        num_sanity_val_steps=0,
        use_distributed_sampler=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        logger=False,
    )


def _announce(data: SpeechData, network: nn.Module, recipe: Recipe) -> None:
    print(
        f"training {_count_parameters(network):,} parameters on {len(data.train)} utterances "
        f"({data.train.audio_seconds / 60:.1f} min), dev {len(data.dev)}, "
        f"{len(data.plan_epoch(0))} batches an epoch, {recipe.threads} threads",
        flush=True,
    )


def _count_parameters(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


def _write(
    folder: Path, dataset: Path, task: Task, recipe: Recipe, data: SpeechData, book: EpochBook, parameters: int
) -> None:
    best, weights = book.best
    write_file(folder / WEIGHTS_NAME, save(weights))
    draw_curves(book.history, best.epoch, folder / CURVES_NAME)
    report = {
        "schema_version": 1,
        "task": task.NAME,
        "config": resolved(recipe),
        "labels": list(task.LABELS),
        "request": task.REQUEST.as_json(),
        "history": [asdict(epoch) for epoch in book.history],
        "best_epoch": best.epoch,
        "dev_uar": best.dev_uar,
        "dataset_digest": digest_tree(dataset),
        "seed": recipe.seed,
        "torch": torch.__version__,
        "utterances": {"train": len(data.train), "dev": len(data.dev)},
        "audio_seconds": {"train": data.train.audio_seconds, "dev": data.dev.audio_seconds},
        "parameters": parameters,
    }
    write_file(folder / REPORT_NAME, json.dumps(report, indent=2) + "\n")
    write_file(folder / SPEAKERS_NAME, json.dumps(list_speakers(dataset, task.TARGET), indent=2) + "\n")


def list_speakers(dataset: Path, target: str) -> dict[str, object]:
    """Return whom a model learns from: the speakers of `train` and `dev` with a label in `target`, each list sorted.

    It travels with the model, so that an erasure can say which models learnt from a speaker.
    """
    named: dict[str, object] = {"schema_version": 1}
    splits: tuple[Split, ...] = ("train", "dev")
    for split in splits:
        rows = read_manifest(dataset, ("speaker_id", target), split)
        labelled = rows.filter(rows[target].is_valid())
        named[split] = sorted(set(labelled["speaker_id"].to_pylist()))
    return named
