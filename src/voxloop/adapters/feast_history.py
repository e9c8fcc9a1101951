"""What was known at a moment of the past: Feast's point-in-time joins over the offline source, through DuckDB."""

from __future__ import annotations

import threading
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from voxloop.adapters.feast_offline import SCHEMAS, TABLES, published_folder
from voxloop.data.revisions import EVENT_US, KNOWN_US, publication_schema
from voxloop.errors import InputError, IntegrityError

if TYPE_CHECKING:
    import pandas as pd
    from feast import FeatureStore

ROW = "__row"
ONE_AT_A_TIME = threading.Lock()
"""The database of ibis is one for the whole process."""


def read_history(store: FeatureStore, service: str, entities: pd.DataFrame) -> pa.Table:
    """Return the features of each entity as they were known at its own moment: a row for every row asked, in order.

    What was *created* later does not count, even if it speaks of an earlier event: Feast leaves that filter off, and a
    late correction would leak into the past (feast#6617). Of what counts, the latest event wins, and of one event what
    became known last. Null stands where nothing was known yet. Asked twice, a row comes back twice.

    Args:
        store: From `open_feature_store`.
        service: A feature service, such as `emotion_v1`.
        entities: Join keys (no nulls) and `event_timestamp`, aware; other columns come back as they are.

    Returns:
        The columns of `entities` and `<view>__<feature>` for every feature of the service.

    Raises:
        InputError: No such service, a column is missing, or the moments have no time zone.
        IntegrityError: Feast gave other rows than were asked for.
    """
    described = find_service(store, service)
    refs = [f"{view}:{name}" for view, names in described.items() for name in names]
    _check_entities(entities, {TABLES[view] for view in described})
    known = _ask(store, refs, entities, full_names=True)
    asked = pa.Table.from_pandas(entities, preserve_index=False).replace_schema_metadata(None)
    for view, names in described.items():
        schema = publication_schema(SCHEMAS[view])
        for name in names:
            column = f"{view}__{name}"
            asked = asked.append_column(column, known[column].cast(schema.field(name).type))
    return asked


def read_latest(store: FeatureStore, view: str, at: datetime) -> pa.Table:
    """Return the row of every entity of a view as it was known at a moment, with the columns of the offline source."""
    import pandas as pd

    schema = publication_schema(SCHEMAS[view])
    key = TABLES[view]
    published = pq.read_table(published_folder() / f"{view}.parquet", columns=[key, EVENT_US, KNOWN_US])
    limit = pa.scalar(at, pa.timestamp("us", tz="UTC")).cast(pa.int64())
    visible = published.filter(
        pc.and_(pc.less_equal(published[EVENT_US], limit), pc.less_equal(published[KNOWN_US], limit))
    )
    keys = pc.unique(visible[key]).to_pylist()
    if not keys:
        return schema.empty_table()
    names = [name for name in schema.names if name not in (key, "event_timestamp", "created")]
    entities = pd.DataFrame({key: keys, "event_timestamp": pd.Timestamp(at).tz_convert("UTC").as_unit("us")})
    known = _ask(store, [f"{view}:{name}" for name in names], entities, full_names=False)
    known = known.filter(pc.is_valid(known[EVENT_US]))  # null: erased between the two questions
    columns = {name: known[name] for name in (key, *names)}
    columns["event_timestamp"] = known[EVENT_US].cast(schema.field("event_timestamp").type)
    columns["created"] = known[KNOWN_US].cast(schema.field("created").type)
    return pa.table({name: columns[name] for name in schema.names}).cast(schema)


def find_service(store: FeatureStore, service: str) -> dict[str, list[str]]:
    """Return the features of a service by view.

    Raises:
        InputError: There is no such service; the message lists those there are.
    """
    services = {known.name: known for known in store.list_feature_services()}
    if service not in services:
        raise InputError(
            f"no feature service {service!r}",
            rule=f"the services are {', '.join(sorted(services)) or 'none at all: nothing was published yet'}",
            remedy="name one of them, or run `voxloop features-publish`",
        )
    projections = services[service].feature_view_projections
    return {projection.name: [field.name for field in projection.features] for projection in projections}


def _check_entities(entities: pd.DataFrame, keys: set[str]) -> None:
    needed = sorted({*keys, "event_timestamp"})
    if missing := [name for name in needed if name not in entities.columns]:
        raise InputError(
            f"the question lacks {', '.join(missing)}", rule=f"it has {', '.join(needed)}", remedy="add it"
        )
    if getattr(entities["event_timestamp"].dtype, "tz", None) is None:
        raise InputError(
            f"event_timestamp is {entities['event_timestamp'].dtype}",
            rule="a moment has a time zone",
            remedy="give it one: pandas.to_datetime(…, utc=True)",
        )
    if not published_folder().is_dir():
        raise InputError("nothing was published yet", remedy="run `voxloop features-publish`")


def _ask(store: FeatureStore, refs: Sequence[str], entities: pd.DataFrame, *, full_names: bool) -> pa.Table:
    """Ask Feast; its rows come in the order of `entities`, whatever order its join has."""
    if entities.empty:
        names = [ref.replace(":", "__") if full_names else ref.partition(":")[2] for ref in refs]
        return pa.table({name: pa.nulls(0) for name in names})
    numbered = entities.assign(**{ROW: range(len(entities))})
    with _own_duckdb():
        job = store.get_historical_features(
            entity_df=numbered, features=list(refs), full_feature_names=full_names, filter_by_created_timestamp=True
        )
        known = job.to_arrow().sort_by(ROW)
    if known[ROW].to_pylist() != list(range(len(entities))):
        raise IntegrityError(
            f"Feast answered {known.num_rows} rows to {len(entities)} questions", rule="a row for every row asked"
        )
    return known


@contextmanager
def _own_duckdb() -> Iterator[None]:
    """Give Feast a database in memory of its own for one question, and close it.

    Left to itself, ibis keeps one for as long as the process lives, with a view more for every question, and DuckDB 2.0
    fills stderr with what is "leaked" when the process ends. And ibis 12 calls by its old name what DuckDB 2.0 renamed.
    """
    import ibis  # type: ignore[import-untyped]

    with ONE_AT_A_TIME, warnings.catch_warnings():
        warnings.filterwarnings("ignore", r"fetch_arrow_table\(\) is deprecated", DeprecationWarning)
        database = ibis.duckdb.connect()
        ibis.options.default_backend = database
        try:
            yield
        finally:
            ibis.options.default_backend = None
            database.disconnect()
