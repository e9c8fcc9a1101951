"""The training split as an audit sees it: who, from where, labelled how, and each sound in 62 numbers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from voxloop.data.shards import iter_audio, read_manifest
from voxloop.speech.summary import SUMMARY_SIZE, summarise_sound

Mask = NDArray[np.bool_]
Names = NDArray[np.str_]
Numbers = NDArray[np.float64]


@dataclass(frozen=True)
class AuditRows:
    """The training split as columns of equal length n; `features` is float64 [n, 62], NaN for rows without sound."""

    ids: Names
    speakers: Names
    sources: Names
    features: Numbers
    columns: dict[str, NDArray[Any]]

    @property
    def heard(self) -> Mask:
        """Rows that have a sound, bool [n]."""
        return np.asarray(~np.isnan(self.features).any(axis=1), dtype=np.bool_)

    def select(self, mask: Mask) -> AuditRows:
        """Return the rows where `mask` is true."""
        columns = {name: column[mask] for name, column in self.columns.items()}
        return AuditRows(self.ids[mask], self.speakers[mask], self.sources[mask], self.features[mask], columns)


def read_rows(dataset: Path, columns: Sequence[str]) -> AuditRows:
    """Read the training split of a dataset, rows of words alone too; its audio goes by one utterance at a time.

    Args:
        dataset: Folder written by ingest.
        columns: Further columns wanted, as object arrays.
    """
    wanted = list(dict.fromkeys(("utterance_id", "speaker_id", "source", "split", *columns)))
    found = [row for row in read_manifest(dataset, wanted).to_pylist() if row["split"] == "train"]
    places = {row["utterance_id"]: place for place, row in enumerate(found)}
    features = np.full((len(places), SUMMARY_SIZE), np.nan)
    for row, waveform in iter_audio(dataset, "train"):
        features[places[row["utterance_id"]]] = summarise_sound(waveform)
    return AuditRows(
        ids=np.array([row["utterance_id"] for row in found], dtype=np.str_),
        speakers=np.array([row["speaker_id"] for row in found], dtype=np.str_),
        sources=np.array([row["source"] for row in found], dtype=np.str_),
        features=features,
        columns={name: np.array([row[name] for row in found], dtype=object) for name in columns},
    )
