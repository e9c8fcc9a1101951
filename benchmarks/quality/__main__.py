"""Train and score any folder of the known layouts, fold by fold: `python -m benchmarks.quality --help`."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import Literal

from cyclopts import App

from benchmarks.command import run_command
from benchmarks.quality.corpus_config import CorpusQuality
from benchmarks.quality.fold_plans import Fold, plan_folds
from benchmarks.quality.fold_run import Run, answer_fold, prepare_task
from benchmarks.quality.peers import load_peer
from benchmarks.quality.question import Question, bind_folder
from benchmarks.quality.report import describe, write_report
from voxloop.config import Overrides, find_config, load_config
from voxloop.data.manifest import MANIFEST_NAME
from voxloop.data.shards import read_manifest
from voxloop.errors import InputError
from voxloop.settings import get_settings
from voxloop.store.digests import digest_file, digest_json

FEATURES_NAME = "utterance_prosody.parquet"

app = App(name="python -m benchmarks.quality", help_format="plaintext")


@app.default
def measure(
    task: Literal["asr", "emotion", "personality"],
    data: Path | None = None,
    *,
    corpus: str = "world",
    folds: str | None = None,
    config: str = "small",
    baseline: str | None = None,
    shuffled_labels: bool = False,
    minutes: float | None = None,
    only: tuple[str, ...] = (),
    out: Path | None = None,
    overrides: Overrides = (),
) -> None:
    """Train and score a corpus, fold by fold; run again, it goes on where it stopped.

    Args:
        task: Family of the model.
        data: Folder or archive of the corpus, or a dataset that ingest wrote; `world` needs none.
        corpus: Name of the corpus; its folds stand in configs/quality/CORPUS.yaml.
        folds: Name of the folds; the first of that file when left out.
        config: Name of a file in configs/tasks/TASK.
        baseline: A baseline to run in place of our model.
        shuffled_labels: Shuffle the labels of train: what is then still right is chance, or a leak.
        minutes: Train for so long: as many epochs as fit, by the processor time of one.
        only: Only these folds.
        out: Folder of the run; under the settings' home when left out.
        overrides: Changes to the task's configuration.
    """
    run, planned = prepare(
        task,
        data,
        corpus=corpus,
        folds=folds,
        config=config,
        baseline=baseline,
        shuffled_labels=shuffled_labels,
        minutes=minutes,
        out=out,
        overrides=overrides,
    )
    chosen = choose(planned, only)
    finished = []
    for number, fold in enumerate(chosen, start=1):
        print(f"fold {fold.name} ({number} of {len(chosen)})", flush=True)
        finished.append(answer_fold(run, fold))
    command = ["python -m benchmarks.quality", *sys.argv[1:]]
    report = write_report(run, finished, [fold.name for fold in planned], command)
    print("\n".join(describe(report)), flush=True)


def prepare(
    task: str,
    data: Path | None,
    *,
    corpus: str,
    folds: str | None = None,
    config: str = "small",
    baseline: str | None = None,
    shuffled_labels: bool = False,
    minutes: float | None = None,
    out: Path | None = None,
    overrides: Sequence[str] = (),
) -> tuple[Run, list[Fold]]:
    """Read the corpus and return the run and its folds; arguments as `measure`.

    Raises:
        InputError: Something asked for is not there, or the folder holds the answers to another question.
    """
    quality = load_config(CorpusQuality, find_config("quality", corpus))
    name, fold_config = quality.choose_folds(folds)
    peer = None if baseline is None else load_peer(baseline, task)
    of_corpus = quality.overrides_of(task, fold_config, ours=peer is None)
    family, recipe = prepare_task(task, config, (*of_corpus, *overrides), peer, baseline)
    told = "-".join(filter(None, (task, corpus, name, baseline or config, "shuffled" if shuffled_labels else "")))
    out = out or get_settings().home / "quality" / told
    dataset = read_corpus(data, corpus, quality, out)
    question = Question(
        task=task,
        corpus=corpus,
        folds=name,
        config=config,
        overrides=tuple(overrides),
        baseline=baseline,
        shuffled=shuffled_labels,
        minutes=minutes,
        dataset_digest=digest_file(dataset / MANIFEST_NAME),
        quality_digest=digest_json([quality.model_dump(mode="json"), recipe.model_dump(mode="json")]),
    )
    bind_folder(out, question)
    features = measure_features(dataset, out, task, peer)
    rows = read_manifest(dataset, ("utterance_id", "speaker_id", "split")).to_pylist()
    return Run(question, quality, dataset, features, out, family, recipe, peer), plan_folds(rows, fold_config)


def choose(planned: Sequence[Fold], only: Sequence[str]) -> list[Fold]:
    """Return the folds of these names, or all of them when none is named.

    Raises:
        InputError: There is no fold of a name.
    """
    if unknown := sorted(set(only) - {fold.name for fold in planned}):
        names = ", ".join(fold.name for fold in planned)
        raise InputError(f"no fold {unknown[0]!r}", rule=f"the folds are {names}", remedy="name one of them")
    return [fold for fold in planned if not only or fold.name in only]


def read_corpus(data: Path | None, corpus: str, quality: CorpusQuality, out: Path) -> Path:
    """Return the dataset of a corpus: `data` itself where it is one, else what ingest makes of it, once."""
    if data is not None and (data / MANIFEST_NAME).is_file():
        return data
    from voxloop.jobs.ingest import ingest  # noqa: PLC0415 - only where there is something to read

    dataset = out / "dataset"
    return dataset if dataset.exists() else ingest(data, out=dataset, corpus=corpus, overrides=quality.ingest)


def measure_features(dataset: Path, out: Path, task: str, peer: ModuleType | None) -> Path | None:
    """Return the table of prosody of a personality's utterances; None where there is no sound, or none is needed."""
    if task != "personality" or peer is not None:
        return None
    from voxloop.jobs.features import features  # noqa: PLC0415 - of one family

    folder = out / "features"
    if not folder.exists():
        features(dataset, folder)
    table = folder / FEATURES_NAME
    return table if table.is_file() else None


if __name__ == "__main__":
    run_command(app)
