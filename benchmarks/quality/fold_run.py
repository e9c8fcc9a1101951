"""One fold: its dataset, a training that goes on where it stopped, the export, and the answers to its test."""

from __future__ import annotations

import json
import shutil
import time
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from benchmarks.quality.answers import ANSWERS_NAME, Ask, answer_test, open_graph, write_answers
from benchmarks.quality.corpus_config import CorpusQuality
from benchmarks.quality.fold_datasets import write_fold
from benchmarks.quality.fold_plans import Fold
from benchmarks.quality.peers.peer_fold import PeerFold
from benchmarks.quality.question import Question
from benchmarks.quality.training_clock import EpochWatch, Stopwatch
from voxloop.adapters.hub import fetch_backbone
from voxloop.config import find_config, load_config
from voxloop.store.atomic import build_folder, remove_tree, write_file
from voxloop.tasks import Task, get_task
from voxloop.tasks.recipe import Recipe
from voxloop.training.export import export_model
from voxloop.training.export_config import ExportConfig
from voxloop.training.fit import fit_task
from voxloop.training.weights_file import REPORT_NAME, WEIGHTS_NAME

FOLD_NAME = "fold.json"


@dataclass(frozen=True)
class Run:
    """What all folds of a run share.

    Args:
        question: What is asked.
        quality: How the corpus is measured.
        dataset: The corpus' dataset.
        features: Table of features, for families that take them.
        out: Folder of the run.
        task: The family, or a baseline's stand-in for it.
        recipe: Its configuration.
        peer: The baseline; None for our own model.
    """

    question: Question
    quality: CorpusQuality
    dataset: Path
    features: Path | None
    out: Path
    task: Task
    recipe: Recipe
    peer: ModuleType | None


def answer_fold(run: Run, fold: Fold) -> Path:
    """Return the folder with the answers of a fold, from before or made now."""
    done = run.out / "folds" / fold.name
    if (done / FOLD_NAME).is_file():
        print(f"fold {fold.name}: answered before", flush=True)
        return done
    work = run.out / "work" / fold.name
    dataset = _prepare(run, fold, work)
    with build_folder(done) as folder:
        if run.peer is not None and hasattr(run.peer, "answer_fold"):
            told = _ask_peer(run, dataset, folder)
        else:
            told = _train(run, dataset, work, folder)
        write_file(folder / FOLD_NAME, json.dumps({"fold": fold.name, **told}, indent=2) + "\n")
    remove_tree(work)
    if not any(work.parent.iterdir()):
        work.parent.rmdir()
    return done


def _prepare(run: Run, fold: Fold, work: Path) -> Path:
    dataset = work / "dataset"
    if not dataset.exists():
        shuffled = run.question.task if run.question.shuffled else None
        with build_folder(dataset) as folder:
            write_fold(
                run.dataset,
                folder,
                fold,
                folds=run.question.folds,
                quality=run.quality,
                shuffled=shuffled,
                seed=run.recipe.seed,
            )
    return dataset


def _ask_peer(run: Run, dataset: Path, folder: Path) -> dict[str, Any]:
    assert run.peer is not None
    started = time.process_time()
    labels = getattr(run.recipe, "labels", ())
    peer_fold = PeerFold(dataset, run.dataset, run.out / "kept", labels, run.recipe.seed)
    count = write_answers(folder, run.question.task, run.peer.answer_fold(peer_fold))
    return {"utterances": count, "seconds": round(time.process_time() - started, 1)}


def _train(run: Run, dataset: Path, work: Path, folder: Path) -> dict[str, Any]:
    """Train in `work`, export into `folder`, and answer the test there."""
    weights = work / "weights"
    epochs = _fit_epochs(run, dataset, work)
    if not (weights / REPORT_NAME).is_file():
        weights.mkdir(parents=True, exist_ok=True)
        watch = Stopwatch(work / "seconds.json")
        recipe = run.recipe.model_copy(update={"epochs": epochs, "patience": _patience(run, epochs)})
        with watch:
            fit_task(
                dataset,
                weights,
                task=run.task,
                recipe=recipe,
                features=run.features,
                checkpoints=work / "checkpoints",
            )
    report = json.loads((weights / REPORT_NAME).read_text(encoding="utf-8"))
    encoding = run.task.Encoding.model_validate(report["encoding"])
    ask = _open(run, weights, folder, encoding)
    answered = answer_test(dataset, run.task, encoding, ask, run.features)
    count = write_answers(folder, run.question.task, answered)
    shutil.copyfile(weights / REPORT_NAME, folder / REPORT_NAME)
    return {
        "utterances": count,
        "seconds": json.loads((work / "seconds.json").read_text(encoding="utf-8")),
        "epochs": epochs,
        **{name: report[name] for name in ("best_epoch", "objective", "parameters", "audio_seconds", "utterances")},
        "test_utterances": count,
    }


def _open(run: Run, weights: Path, folder: Path, encoding: Any) -> Ask:
    """Return what asks the exported graph; a baseline that does not export is asked in torch."""
    if run.peer is None:
        model = folder / "model"
        model.mkdir()
        export_model(weights, model, load_config(ExportConfig, find_config("export")))
        return open_graph(model / "model.onnx", run.recipe.threads)
    from safetensors.torch import load_file  # noqa: PLC0415 - torch is heavy

    network = run.task.build_network(run.recipe, encoding)
    network.load_state_dict(load_file(weights / WEIGHTS_NAME), strict=True)
    ask: Ask = run.peer.ask(network.eval())
    return ask


def _patience(run: Run, epochs: int) -> int:
    return epochs if run.question.minutes is not None else run.recipe.patience


def _fit_epochs(run: Run, dataset: Path, work: Path) -> int:
    """Return how many epochs fit into the minutes given: one epoch is trained for the clock and thrown away."""
    if run.question.minutes is None:
        return run.recipe.epochs
    note = work / "epochs.json"
    if not note.is_file():
        trial = work / "trial"
        trial.mkdir(parents=True, exist_ok=True)
        watch = EpochWatch()
        recipe = run.recipe.model_copy(update={"epochs": 2, "patience": 2})
        fit_task(dataset, trial, task=run.task, recipe=recipe, features=run.features, watcher=watch)
        epochs = max(1, int(run.question.minutes * 60 // watch.seconds))
        print(f"an epoch takes {watch.seconds:.1f} s: {epochs} epochs in {run.question.minutes:g} minutes", flush=True)
        write_file(note, json.dumps(epochs))
        remove_tree(trial)
    epochs_kept: int = json.loads(note.read_text(encoding="utf-8"))
    return epochs_kept


def prepare_task(
    task: str, config: str, overrides: tuple[str, ...], peer: ModuleType | None, baseline: str | None
) -> tuple[Task, Recipe]:
    """Return the family and its recipe; those of a baseline that our engine trains stand in configs/quality/peers."""
    if peer is not None and hasattr(peer, "TASK"):
        assert baseline is not None
        return peer.TASK, load_config(peer.TASK.Config, find_config("quality", "peers", baseline), overrides)
    family = get_task(task)
    recipe: Recipe = load_config(family.Config, find_config("tasks", task, config), overrides)
    fetch_backbone(recipe)
    return family, recipe


def has_answers(folder: Path) -> bool:
    """Return whether a fold is finished."""
    return (folder / FOLD_NAME).is_file() and (folder / ANSWERS_NAME).is_file()
