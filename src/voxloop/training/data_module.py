"""The labelled utterances of a dataset, in memory, as Lightning wants them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import lightning
import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from voxloop.data.shards import iter_audio
from voxloop.data.splits import Split
from voxloop.errors import CorpusError
from voxloop.speech.waveform import SAMPLE_RATE
from voxloop.tasks import Task
from voxloop.tasks.recipe import Recipe
from voxloop.training.batching import FULL_SCALE, Batch, Samples, pad_batch, plan_batches

Row = Mapping[str, Any]


@dataclass(frozen=True)
class LabelledUtterances(Dataset[tuple[Samples, int]]):
    """Utterances of one split, as 16-bit samples: an hour takes 115 MB."""

    samples: tuple[Samples, ...]
    labels: tuple[int, ...]

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, index: int) -> tuple[Samples, int]:
        return self.samples[index], self.labels[index]

    @property
    def durations(self) -> list[float]:
        """Seconds of each utterance."""
        return [len(samples) / SAMPLE_RATE for samples in self.samples]

    @property
    def audio_seconds(self) -> float:
        """Seconds of them all."""
        return sum(self.durations)

    def label_counts(self, labels: int) -> Tensor:
        """Return how many utterances each of `labels` labels has, int64 [labels]."""
        return torch.bincount(torch.tensor(self.labels), minlength=labels)


def read_labelled(dataset: Path, split: Split, *, target: str, labels: Sequence[str]) -> LabelledUtterances:
    """Read the utterances of `split` whose `target` column is not null.

    Raises:
        CorpusError: The split is empty, none of it is labelled, a label is not one of `labels`, or a sample rate is
            not the one the networks are made for.
    """
    return gather_labelled(iter_audio(dataset, split=split), f"{dataset.name}/{split}", target=target, labels=labels)


def gather_labelled(
    rows: Iterable[tuple[Row, npt.NDArray[np.float32]]], name: str, *, target: str, labels: Sequence[str]
) -> LabelledUtterances:
    """Collect rows and their waveforms, float32 [n]; `name` is what errors call them. Raises as `read_labelled`."""
    index = {label: number for number, label in enumerate(labels)}
    samples: list[Samples] = []
    numbers: list[int] = []
    unlabelled = 0
    for row, waveform in rows:
        if row[target] is None:
            unlabelled += 1
            continue
        _check_row(row, name, target=target, labels=labels)
        samples.append(to_int16(waveform))
        numbers.append(index[row[target]])
    if not samples:
        raise CorpusError(
            f"{name} has no utterance with a label in {target!r} ({unlabelled} without one)",
            rule="training needs labelled utterances in train and in dev",
            remedy="ingest a corpus with more speakers, or with labels",
        )
    return LabelledUtterances(tuple(samples), tuple(numbers))


def to_int16(waveform: npt.NDArray[np.float32]) -> Samples:
    """Return 16-bit samples; exact for what was 16-bit audio."""
    rounded: Samples = np.clip(np.rint(waveform * FULL_SCALE), -FULL_SCALE, FULL_SCALE - 1).astype(np.int16)
    return rounded


def _check_row(row: Row, name: str, *, target: str, labels: Sequence[str]) -> None:
    if row[target] not in labels:
        raise CorpusError(
            f"{row['utterance_id']} in {name} is labelled {row[target]!r}",
            rule=f"the labels of {target} are {', '.join(labels)}",
            remedy="map the label when the corpus is ingested, or leave it null",
        )
    if row["sample_rate"] != SAMPLE_RATE:
        raise CorpusError(
            f"{row['utterance_id']} in {name} has {row['sample_rate']} Hz",
            rule=f"networks are made for {SAMPLE_RATE} Hz",
            remedy="ingest the corpus again",
        )


class SpeechData(lightning.LightningDataModule):
    """Train and dev of one dataset, in batches that are a function of seed and epoch."""

    def __init__(self, dataset: Path, task: Task, recipe: Recipe) -> None:
        super().__init__()
        self.recipe = recipe
        self.train = read_labelled(dataset, "train", target=task.TARGET, labels=task.LABELS)
        self.dev = read_labelled(dataset, "dev", target=task.TARGET, labels=task.LABELS)

    def plan_epoch(self, epoch: int) -> list[list[int]]:
        """Return the batches of one epoch of training."""
        return plan_batches(self.train.durations, self.recipe.batching, seed=self.recipe.seed, epoch=epoch)

    def train_dataloader(self) -> DataLoader[Batch]:
        """Return the batches of the coming epoch; Lightning asks again before each."""
        epoch = self.trainer.current_epoch if self.trainer else 0
        return _loader(self.train, self.plan_epoch(epoch))

    def val_dataloader(self) -> DataLoader[Batch]:
        """Return the dev split, sorted by length."""
        return _loader(self.dev, plan_batches(self.dev.durations, self.recipe.batching))


def _loader(utterances: LabelledUtterances, batches: list[list[int]]) -> DataLoader[Batch]:
    # No workers: padding a batch takes 1 % of a step, and a worker would copy or unpickle what is in memory here.
    return DataLoader(utterances, batch_sampler=batches, collate_fn=pad_batch)  # type: ignore[arg-type]
