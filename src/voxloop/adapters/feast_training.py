"""A training's features: for each utterance what the feature store knew of it, and of its speaker, when it was said."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from voxloop.adapters.feast_history import read_history
from voxloop.data.revisions import EVENT_US, KNOWN_US

if TYPE_CHECKING:
    from feast import FeatureStore

KEYS = ("utterance_id", "speaker_id", "event_timestamp")
SECONDS_SINCE = "seconds_since"
"""What `event_us` becomes: a moment itself would only tell a model which corpus a row is of."""
MICROSECONDS = 1e6


def read_training_features(store: FeatureStore, service: str, utterances: pa.Table) -> pa.Table:
    """Return the numbers known of each utterance at its own moment, through Feast's point-in-time join.

    Nothing that happened later, or became known later, is in a row: a speaker's running means end with the utterance
    itself, their emotions with the one before it.

    Args:
        store: From `open_feature_store`.
        service: A feature service, such as `personality_v1`.
        utterances: `utterance_id`, `speaker_id` and `recorded_at` (aware) of each, without nulls.

    Returns:
        `utterance_id`, and float64 `<view>__<feature>` for every numeric feature of the service, null where nothing
        was known; a row for every row of `utterances`, in order. `<view>__event_us` becomes `<view>__seconds_since`.

    Raises:
        InputError: No such service, or nothing was published.
    """
    asked = utterances.select(["utterance_id", "speaker_id", "recorded_at"]).rename_columns(list(KEYS))
    known = read_history(store, service, asked.to_pandas())
    return pa.table({"utterance_id": asked["utterance_id"], **to_numbers(known)})


def to_numbers(known: pa.Table) -> dict[str, pa.ChunkedArray]:
    """Return what a model may take of the features known: float64 by name, `<view>__event_us` as `__seconds_since`.

    Args:
        known: `KEYS` and `<view>__<feature>` with the types of the views' tables.
    """
    names = [name for name in known.column_names if name not in KEYS and _is_numeric(known.schema.field(name).type)]
    return dict(_number(name, known) for name in names if not name.endswith(f"__{KNOWN_US}"))


def count_known(features: pa.Table, views: Sequence[str]) -> dict[str, int]:
    """Return of how many rows something is known, by view."""
    counts = {}
    for view in views:
        known = pa.array([False] * features.num_rows)
        for name in features.column_names:
            if name.startswith(f"{view}__"):
                known = pc.or_(known, pc.is_valid(features[name]))
        counts[view] = pc.sum(pc.cast(known, pa.int64())).as_py() or 0
    return counts


def _is_numeric(kind: pa.DataType) -> bool:
    return bool(pa.types.is_floating(kind) or pa.types.is_integer(kind))


def _number(name: str, known: pa.Table) -> tuple[str, pa.ChunkedArray]:
    column = known[name].cast(pa.float64())
    if not name.endswith(f"__{EVENT_US}"):
        return name, column
    asked = known["event_timestamp"].cast(pa.timestamp("us", tz="UTC")).cast(pa.int64()).cast(pa.float64())
    since = pc.divide(pc.subtract(asked, column), MICROSECONDS)
    return f"{name.removesuffix(EVENT_US)}{SECONDS_SINCE}", since
