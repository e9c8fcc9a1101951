"""`manifest.json`: what a dataset folder holds, in one readable file."""

from __future__ import annotations

import json
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


class Manifest(StrictModel):
    """Summary of a dataset. Every file found is in `utterances`, `quarantined` or `left_out`."""

    schema_version: int
    corpus: str
    config: dict[str, Any]
    utterances: int
    hours: float
    speakers: int
    labels: dict[str, dict[str, int]]
    """Utterances by label, for each label column that is not empty: `{"emotion": {"anger": 40}}`."""
    splits: dict[str, SplitCount]
    shards: tuple[ShardEntry, ...]
    quarantined: dict[str, int]
    """Refused files by reason; `quarantine.parquet` names each."""
    left_out: int
    """Utterances of speakers the configuration did not ask for."""


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
