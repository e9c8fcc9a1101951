"""`manifest.json`: what a dataset folder holds, in one readable file."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from voxloop.config import StrictModel
from voxloop.errors import InputError, IntegrityError
from voxloop.store.atomic import write_file

MANIFEST_NAME = "manifest.json"


class ShardEntry(StrictModel):
    """One Parquet file; `path` is relative to the dataset folder."""

    path: str
    sha256: str
    rows: int


class SplitCount(StrictModel):
    """Size of one split."""

    utterances: int = 0
    speakers: int = 0


class NumberSummary(StrictModel):
    """How a column of numbers is distributed over the rows that have one."""

    count: int
    mean: float
    sd: float
    minimum: float
    maximum: float


class Manifest(StrictModel):
    """Summary of a dataset. Every file found is in `utterances`, `quarantined`, `left_out` or `erased`.

    But for those recorded at `recorded_before` or later: a night that is made up for has the dataset it would have had.
    """

    schema_version: int
    corpus: str
    parallel_texts: bool
    """Whether every speaker says the same sentences."""
    text_normaliser: str
    """Version of the rules `text` was normalised by."""
    config: dict[str, Any]
    utterances: int
    hours: float
    speakers: int
    labels: dict[str, dict[str, int]]
    """Utterances by label, for each of emotion, gender and language that is not empty: `{"emotion": {"anger": 40}}`."""
    numbers: dict[str, NumberSummary]
    """Durations, loudness, age and traits, where a row has them."""
    splits: dict[str, SplitCount]
    shards: tuple[ShardEntry, ...]
    quarantined: dict[str, int]
    """Refused files by reason; `quarantine.parquet` names each."""
    left_out: int
    """Utterances of speakers the configuration did not ask for."""
    erased: int
    """Utterances withheld because their speaker was erased."""
    recorded_before: datetime | None = None
    """What was recorded at that moment or later was not taken; None: nothing was left out for its time."""


def write_manifest(manifest: Manifest, dataset: Path) -> Path:
    """Write `manifest.json` into a dataset folder; the same manifest gives the same bytes."""
    text = json.dumps(manifest.model_dump(mode="json"), indent=2, sort_keys=True, ensure_ascii=False)
    return write_file(dataset / MANIFEST_NAME, text + "\n")


def load_manifest(dataset: Path) -> Manifest:
    """Read the `manifest.json` of a dataset folder.

    Raises:
        InputError: The folder is not there or is no dataset.
        IntegrityError: The manifest is not one this version writes.
    """
    path = dataset / MANIFEST_NAME
    if not path.is_file():
        raise InputError(
            f"{dataset} is not a dataset: it has no {MANIFEST_NAME}",
            rule="a dataset is a folder that `voxloop ingest` wrote",
            remedy="run `voxloop ingest` and name its --out",
        )
    try:
        return Manifest.model_validate_json(path.read_bytes())
    except ValidationError as invalid:
        problem = f"{path} is not a manifest: {invalid.errors()[0]['msg']}"
        raise IntegrityError(problem, remedy="run `voxloop ingest` again") from None
