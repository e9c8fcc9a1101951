"""Feast's online store, SQLite or Redis: the newest row of every entity, carried there or pushed there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from voxloop.adapters.feast_history import find_service, read_latest
from voxloop.adapters.feast_offline import SCHEMAS, TABLES, leave_out_erased
from voxloop.adapters.feast_store import online_store_errors
from voxloop.data.revisions import EVENT_US, KNOWN_US, merge_revisions, publication_schema
from voxloop.settings import get_settings
from voxloop.store.lock import hold_lock

if TYPE_CHECKING:
    from feast import FeatureStore

CHUNK = 5_000
"""Entities of one read or write: SQLite takes at most 32,766 variables in a statement."""


def materialize_features(store: FeatureStore, *, at: datetime) -> dict[str, int]:
    """Carry the row of every entity as it is known at a moment into the online store; safe to repeat.

    The rows are the answers that `read_history` gives at that moment, so online and offline cannot mean different
    things. (Feast's own `materialize` takes the newest event of a time range, known or not.) What is newer online, by
    event and then by knowledge, stays: a push, or a later run.

    Returns:
        How many entities of each view were written; those that had the same row already are not.

    Raises:
        ServiceUnavailableError: The online store does not answer.
    """
    return {view: write_newer(store, view, read_latest(store, view, at)) for view in TABLES}


def push_online(store: FeatureStore, view: str, rows: pa.Table) -> int:
    """Push rows of a view's table; of each entity the newest counts. Returns how many entities were written."""
    marked = merge_revisions(None, rows, TABLES[view])
    newest = {
        key: index for index, key in enumerate(marked[TABLES[view]].to_pylist())
    }  # sorted: the last is the newest
    return write_newer(store, view, marked.take(pa.array(newest.values(), pa.int64())))


def write_newer(store: FeatureStore, view: str, rows: pa.Table) -> int:
    """Write those rows that are newer than what the online store has, or as new and different.

    Feast's SQLite store overwrites whatever is there and its Redis store goes by event time alone, so neither is left
    to decide. Writers of this machine wait for each other. Rows of erased speakers are left out: they may
    have been read before the erasure.

    Args:
        store: From `open_feature_store`.
        view: Its name.
        rows: One an entity, with the columns of `publication_schema`.
    """
    from feast.data_source import PushMode

    settings = get_settings()
    written = 0
    with hold_lock(settings.home / "feast" / "online.lock"), online_store_errors(settings):
        rows = leave_out_erased(rows)
        for start in range(0, rows.num_rows, CHUNK):
            chunk = rows.slice(start, CHUNK).combine_chunks()
            pairs = zip(chunk.to_pylist(), _read_rows(store, view, chunk), strict=True)
            news = [index for index, (row, there) in enumerate(pairs) if _is_news(row, there)]
            if news:
                store.push(f"{view}_push", chunk.take(news).to_pandas(), to=PushMode.ONLINE)
            written += len(news)
    return written


def read_online(store: FeatureStore, service: str, entities: Sequence[Mapping[str, str]]) -> list[dict[str, Any]]:
    """Return the newest features of each entity, `<view>__<feature>`; None where the store knows nothing.

    Args:
        store: From `open_feature_store`.
        service: A feature service, such as `emotion_v1`.
        entities: Their join keys: `{"utterance_id": …, "speaker_id": …}`.

    Raises:
        InputError: No such service.
        ServiceUnavailableError: The online store does not answer.
    """
    refs = [f"{view}:{name}" for view, names in find_service(store, service).items() for name in names]
    if not entities:
        return []
    with online_store_errors(get_settings()):
        return _ask(store, refs, [dict(entity) for entity in entities])


def _read_rows(store: FeatureStore, view: str, rows: pa.Table) -> list[dict[str, Any]]:
    names = [name for name in publication_schema(SCHEMAS[view]).names if name not in _outside(view)]
    entities = [{TABLES[view]: key} for key in rows[TABLES[view]].to_pylist()]
    found = _ask(store, [f"{view}:{name}" for name in names], entities)
    return [{name: row[f"{view}__{name}"] for name in names} for row in found]


def _ask(store: FeatureStore, refs: list[str], entities: list[dict[str, str]]) -> list[dict[str, Any]]:
    answer = store.get_online_features(features=refs, entity_rows=entities, full_feature_names=True).to_dict()
    return [dict(zip(answer, values, strict=True)) for values in zip(*answer.values(), strict=True)]


def _is_news(row: Mapping[str, Any], there: Mapping[str, Any]) -> bool:
    if there[EVENT_US] is None:
        return True
    order, before = (row[EVENT_US], row[KNOWN_US]), (there[EVENT_US], there[KNOWN_US])
    # By spelling: 0.0 == -0.0, and online must equal offline bit for bit.
    return order > before or (order == before and any(repr(row[name]) != repr(value) for name, value in there.items()))


def _outside(view: str) -> tuple[str, ...]:
    return (TABLES[view], "event_timestamp", "created")
