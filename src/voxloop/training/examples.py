"""The labelled rows of a split as examples in memory, and a batch of them as tensors."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from voxloop.data.known_features import iter_rows
from voxloop.data.splits import Split
from voxloop.errors import CorpusError
from voxloop.speech.waveform import SAMPLE_RATE, to_int16
from voxloop.tasks import Answer, Example, Row, Task
from voxloop.tasks.batches import pad_rows


class Batch(NamedTuple):
    """Examples padded with zeros to the longest of them."""

    inputs: dict[str, Tensor]
    """By name of the request's inputs, [batch, …]."""
    targets: dict[str, Tensor]
    weights: Tensor
    """Share of each example in the loss, float32 [batch]."""


@dataclass(frozen=True)
class Examples:
    """The examples of one split. Sound is kept as 16-bit samples: an hour takes 115 MB."""

    examples: tuple[Example, ...]
    references: tuple[Answer, ...]
    """What a perfect model would say of each."""
    speakers: tuple[str, ...]
    ids: tuple[str, ...]
    """Utterance ids."""

    def __len__(self) -> int:
        return len(self.examples)

    @property
    def seconds(self) -> npt.NDArray[np.float64]:
        """Cost of each, float64 [n]."""
        return np.array([example.seconds for example in self.examples], dtype=np.float64)

    @property
    def weights(self) -> npt.NDArray[np.float64]:
        """Share of each in the loss, float64 [n]."""
        return np.array([example.weight for example in self.examples], dtype=np.float64)


def read_examples(
    dataset: Path, split: Split, task: Task, encoding: Any, config: Any, features: Path | None = None
) -> Examples:
    """Read the labelled examples of a split.

    Raises:
        CorpusError: There is none, or a label or a sound is not one the family can learn from.
    """
    rows = iter_rows(dataset, split, audio=task.AUDIO, features=features)
    return gather_examples(rows, f"{dataset.name}/{split}", task, encoding, config)


def gather_examples(
    rows: Iterable[tuple[Row, npt.NDArray[np.float32] | None]], name: str, task: Task, encoding: Any, config: Any
) -> Examples:
    """Encode rows and their waveforms, float32 [n]; `name` is what errors call them. Raises as `read_examples`."""
    examples: list[Example] = []
    references: list[Answer] = []
    kept: list[Row] = []
    unlabelled = 0
    for row, waveform in rows:
        if task.AUDIO:
            _check_rate(row, name)
        example = task.encode(row, None if waveform is None else to_int16(waveform), encoding, config)
        reference = task.reference(row, encoding)
        if example is None or reference is None:
            unlabelled += 1
            continue
        examples.append(example)
        references.append(reference)
        kept.append(row)
    if not examples:
        raise CorpusError(
            f"{name} has no utterance with a label for {task.NAME} ({unlabelled} without one)",
            rule="training needs labelled utterances in train and in dev",
            remedy="ingest a corpus with more speakers, or with labels",
        )
    speakers, ids = (tuple(str(row[name]) for row in kept) for name in ("speaker_id", "utterance_id"))
    return Examples(tuple(examples), tuple(references), speakers, ids)


def collate(examples: Sequence[Example]) -> Batch:
    """Join examples into one padded batch."""
    return Batch(
        inputs=_join([example.inputs for example in examples]),
        targets=_join([example.targets for example in examples]),
        weights=torch.tensor([example.weight for example in examples], dtype=torch.float32),
    )


def _join(arrays: Sequence[Mapping[str, npt.NDArray[Any]]]) -> dict[str, Tensor]:
    return {name: torch.from_numpy(pad_rows([array[name] for array in arrays])) for name in arrays[0]}


def _check_rate(row: Row, name: str) -> None:
    if row["sample_rate"] != SAMPLE_RATE:
        raise CorpusError(
            f"{row['utterance_id']} in {name} has {row['sample_rate']} Hz",
            rule=f"networks are made for {SAMPLE_RATE} Hz",
            remedy="ingest the corpus again",
        )
