"""The labelled rows of a split as examples in memory, and a batch of them as tensors."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow.parquet as pq
import torch
from torch import Tensor

from voxloop.data.shards import iter_audio, read_manifest
from voxloop.data.splits import Split
from voxloop.errors import CorpusError, InputError
from voxloop.speech.waveform import SAMPLE_RATE
from voxloop.tasks import Answer, Example, Row, Task

FULL_SCALE = 32_768.0
"""One, in 16-bit samples."""

Samples = npt.NDArray[np.int16]


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


def read_rows(dataset: Path, split: Split, features: Path | None = None) -> list[dict[str, Any]]:
    """Return the manifest rows of a split, `features` filled from the dataset's measures and the table given."""
    known = _Features(dataset, features)
    return [known.complete(row) for row in read_manifest(dataset, split=split).to_pylist()]


def read_examples(
    dataset: Path, split: Split, task: Task, encoding: Any, config: Any, features: Path | None = None
) -> Examples:
    """Read the labelled examples of a split.

    Raises:
        CorpusError: There is none, or a label or a sound is not one the family can learn from.
    """
    rows: Iterable[tuple[Row, npt.NDArray[np.float32] | None]]
    if task.AUDIO:
        known = _Features(dataset, features)
        rows = ((known.complete(row), waveform) for row, waveform in iter_audio(dataset, split=split))
    else:
        rows = ((row, None) for row in read_rows(dataset, split, features))
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


def to_int16(waveform: npt.NDArray[np.float32]) -> Samples:
    """Return 16-bit samples; exact for what was 16-bit audio."""
    rounded: Samples = np.clip(np.rint(waveform * FULL_SCALE), -FULL_SCALE, FULL_SCALE - 1).astype(np.int16)
    return rounded


def _join(arrays: Sequence[Mapping[str, npt.NDArray[Any]]]) -> dict[str, Tensor]:
    return {name: torch.from_numpy(pad_rows([array[name] for array in arrays])) for name in arrays[0]}


def pad_rows(rows: Sequence[npt.NDArray[Any]]) -> npt.NDArray[Any]:
    """Stack arrays of one rank, [batch, …], zeros behind the shorter ones; int16 becomes float32 in [-1, 1]."""
    rows = [np.asarray(row) for row in rows]
    shape = (len(rows), *np.max([row.shape for row in rows], axis=0).astype(int))
    sound = rows[0].dtype == np.int16
    joined = np.zeros(shape, dtype=np.float32 if sound else rows[0].dtype)
    for place, row in enumerate(rows):
        extent: tuple[int | slice, ...] = (place, *(slice(0, size) for size in row.shape))
        joined[extent] = row / np.float32(FULL_SCALE) if sound else row
    return joined


def _check_rate(row: Row, name: str) -> None:
    if row["sample_rate"] != SAMPLE_RATE:
        raise CorpusError(
            f"{row['utterance_id']} in {name} has {row['sample_rate']} Hz",
            rule=f"networks are made for {SAMPLE_RATE} Hz",
            remedy="ingest the corpus again",
        )


class _Features:
    """What is known of utterances beside their rows: the dataset's own measures, and a table of features."""

    def __init__(self, dataset: Path, table: Path | None) -> None:
        self._known: dict[str, dict[str, float | None]] = {}
        measures = dataset / "measures.parquet"
        for path in (measures if measures.is_file() else None, table):
            for utterance, values in _read_numbers(path):
                self._known.setdefault(utterance, {}).update(values)

    def complete(self, row: Row) -> dict[str, Any]:
        return {**row, "features": self._known.get(row["utterance_id"], {})}


def _read_numbers(path: Path | None) -> Iterator[tuple[str, dict[str, float | None]]]:
    if path is None:
        return
    if not path.is_file():
        raise InputError(f"{path} does not exist", rule="features are one Parquet table", remedy="name such a file")
    table = pq.read_table(path)
    if "utterance_id" not in table.column_names:
        raise InputError(
            f"{path.name} has no column utterance_id", rule="features have a row an utterance", remedy="name another"
        )
    for row in table.to_pylist():
        numbers = {name: value for name, value in row.items() if isinstance(value, int | float) or value is None}
        yield row["utterance_id"], {name: None if value is None else float(value) for name, value in numbers.items()}
