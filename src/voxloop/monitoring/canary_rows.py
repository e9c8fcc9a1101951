"""The rows by which a canary is judged: what candidate and champion answered under one route."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

from voxloop.monitoring.prediction import ANSWERED

COLUMNS = (
    *("request_id", "model_digest", "route", "status", "label", "model_ms", "speaker", "key_id"),
    "is_shadow",
)
Codes = npt.NDArray[np.int64]


@dataclass(frozen=True)
class ModelRows:
    """What one model answered.

    Args:
        failed: bool [n].
        milliseconds: float64 [m], of what was answered.
        labels: str [m], of what was answered; empty where there is none.
        groups: Whose rows they are, int64 [n]: of a speaker, or of a key where none is named.
        answered_groups: The same of what was answered, int64 [m].
    """

    failed: npt.NDArray[np.bool_]
    milliseconds: npt.NDArray[np.float64]
    labels: npt.NDArray[np.str_]
    groups: Codes
    answered_groups: Codes

    @property
    def group_count(self) -> int:
        """Speakers, or keys where none is named."""
        return len(np.unique(self.groups))


@dataclass(frozen=True)
class CanaryRows:
    """Rows of both models, and pairs: labels of the same request, str [p] each, with their groups, int64 [p]."""

    candidate: ModelRows
    champion: ModelRows
    pairs: tuple[npt.NDArray[np.str_], npt.NDArray[np.str_], Codes]


def sort_rows(table: pa.Table, *, route: int, candidate: str, champion: str) -> CanaryRows:
    """Return the rows of both models under one route.

    Args:
        table: With `COLUMNS`.
        route: Number of the canary's route row.
        candidate: Digest.
        champion: Digest.
    """
    frame = table.to_pandas()
    frame = frame[frame["route"] == route]
    frame["group"] = pd.factorize(frame["speaker"].fillna("key " + frame["key_id"]))[0]
    frame["label"] = frame["label"].fillna("")
    ours, theirs = (frame[frame["model_digest"] == digest] for digest in (candidate, champion))
    both = pd.merge(
        ours[ours["status"] == ANSWERED][["request_id", "label", "group"]],
        theirs[theirs["status"] == ANSWERED][["request_id", "label"]],
        on="request_id",
        suffixes=("", "_champion"),
        validate="one_to_one",
    )
    pairs = (both["label"].to_numpy(str), both["label_champion"].to_numpy(str), both["group"].to_numpy(np.int64))
    return CanaryRows(_take(ours), _take(theirs), pairs)


def _take(frame: pd.DataFrame) -> ModelRows:
    answered = frame[frame["status"] == ANSWERED]
    return ModelRows(
        failed=(frame["status"] != ANSWERED).to_numpy(np.bool_),
        milliseconds=answered["model_ms"].to_numpy(np.float64),
        labels=answered["label"].to_numpy(str),
        groups=frame["group"].to_numpy(np.int64),
        answered_groups=answered["group"].to_numpy(np.int64),
    )
