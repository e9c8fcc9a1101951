"""The dataset of one fold: the corpus' own rows with the fold's split, as strings, rated or with shuffled labels."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq

from benchmarks.quality.corpus_config import CorpusQuality, RatersConfig
from benchmarks.quality.digit_strings import make_strings
from benchmarks.quality.fold_plans import Fold
from benchmarks.quality.spoken_digits import speak_digits
from voxloop.data.manifest import load_manifest, write_manifest
from voxloop.data.schema import TRAITS
from voxloop.data.shards import MEASURES_NAME, ShardWriter, iter_audio
from voxloop.data.tally import DatasetTally

SHARD_BYTES = 2**28
LABELS = {"asr": ("text",), "emotion": ("emotion",), "personality": TRAITS}
"""What is shuffled, together, of each task."""
NEIGHBOURS = 32
"""Transcripts are shuffled among so many rows of like duration: a long one would not fit a short sound."""

Row = dict[str, Any]


def write_fold(
    dataset: Path, folder: Path, fold: Fold, *, folds: str, quality: CorpusQuality, shuffled: str | None, seed: int
) -> None:
    """Write the dataset of a fold.

    Args:
        dataset: Folder written by ingest.
        folder: Existing, empty folder to fill.
        fold: Which utterance goes where; what it does not name is left out.
        folds: Name of the folds.
        quality: How the corpus is measured.
        shuffled: Task whose training labels are shuffled, or None.
        seed: Of the shuffle.
    """
    rows: Iterable[Row]
    if quality.strings is None:
        rows = ({**row, "split": fold.splits[row["utterance_id"]]} for row in iter_rows(dataset, fold))
    else:
        clips = {
            row["utterance_id"]: ({**row, "split": fold.splits[row["utterance_id"]]}, waveform)
            for row, waveform in iter_audio(dataset)
            if row["utterance_id"] in fold.splits
        }
        if (voices := quality.strings.voices_in(folds)) is not None:
            clips |= speak_digits(voices, [row for row, _ in clips.values()])
        rows = make_strings(clips, folds, quality.strings)
    if quality.raters is not None:
        rows = map(rate_traits(quality.raters), rows)
    if shuffled is not None:
        rows = shuffle_labels(list(rows), shuffled, seed)
    _write(dataset, folder, rows)


def iter_rows(dataset: Path, fold: Fold) -> Iterator[Row]:
    """Give the rows of a dataset that a fold names, audio bytes and all."""
    for entry in load_manifest(dataset).shards:
        with pq.ParquetFile(dataset / entry.path) as file:
            for group in range(file.num_row_groups):
                yield from (row for row in file.read_row_group(group).to_pylist() if row["utterance_id"] in fold.splits)


def rate_traits(raters: RatersConfig) -> Callable[[Mapping[str, Any]], Row]:
    """Return what adds a rater's error to the traits of a row: the same for every row of a speaker."""

    def rate(row: Mapping[str, Any]) -> Row:
        draw = np.random.default_rng((raters.seed, *row["speaker_id"].encode()))
        errors = raters.noise_sd * draw.standard_normal(len(TRAITS))
        known = zip(TRAITS, errors.tolist(), strict=True)
        return {**row, **{name: row[name] + error for name, error in known if row[name] is not None}}

    return rate


def shuffle_labels(rows: list[Row], task: str, seed: int) -> list[Row]:
    """Return the rows with the labels of the training rows permuted among them.

    Transcripts stay among rows of like duration, and one that is written faster than any was spoken is dropped. Traits
    move from speaker to speaker, so that one speaker still has one personality.
    """
    draw = np.random.default_rng(seed)
    train = [row for row in rows if row["split"] == "train"]
    if task == "personality":
        _shuffle_speakers(train, draw)
        return rows
    blocks = [train]
    if task == "asr":
        train.sort(key=lambda row: (row["duration_s"], row["utterance_id"]))
        blocks = [train[start : start + NEIGHBOURS] for start in range(0, len(train), NEIGHBOURS)]
    fastest = max((len(row["text"] or "") / row["duration_s"] for row in train), default=0.0) if task == "asr" else 0.0
    for block in blocks:
        for column in LABELS[task]:
            values = [block[place][column] for place in draw.permutation(len(block))]
            for row, value in zip(block, values, strict=True):
                row[column] = value
    for row in train if task == "asr" else ():
        if len(row["text"] or "") > fastest * row["duration_s"]:
            row["text"] = None
    return rows


def _shuffle_speakers(train: list[Row], draw: np.random.Generator) -> None:
    traits = {row["speaker_id"]: {name: row[name] for name in TRAITS} for row in train}
    speakers = sorted(traits)
    other = dict(zip(speakers, (speakers[place] for place in draw.permutation(len(speakers))), strict=True))
    for row in train:
        row.update(traits[other[row["speaker_id"]]])


def _write(dataset: Path, folder: Path, rows: Iterable[Row]) -> None:
    tally = DatasetTally()
    with ShardWriter(folder, shard_bytes=SHARD_BYTES) as writer:
        for row in rows:
            writer.write(row)
            tally.add(row)
    manifest = load_manifest(dataset).model_copy(update={**tally.counted(), "shards": tuple(writer.entries)})
    write_manifest(manifest, folder)
    if (dataset / MEASURES_NAME).is_file():
        shutil.copyfile(dataset / MEASURES_NAME, folder / MEASURES_NAME)
