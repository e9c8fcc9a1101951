"""Rows that are corrected later: both stay, so that the past can still be asked what it knew."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

from voxloop.errors import IntegrityError

EVENT_US, KNOWN_US = "event_us", "known_us"
"""`event_timestamp` and `created` as microseconds since 1970: Feast's SQLite store keeps times to the second alone."""
_NEWER = "__newer"


def publication_schema(table: pa.Schema) -> pa.Schema:
    """Return the schema that a table of features has once it is published: `EVENT_US` and `KNOWN_US` come last."""
    marks = [pa.field(name, pa.int64(), nullable=False) for name in (EVENT_US, KNOWN_US)]
    return pa.schema([*table, *marks])


def merge_revisions(published: pa.Table | None, new: pa.Table, key: str) -> pa.Table:
    """Add rows to those published before; what is published again is there once.

    A row is one thing known (`created`) of one event (`key`, `event_timestamp`); known at the same moment, the newer
    publication replaces the older, and of one publication the later row.

    Args:
        published: What this function returned before; None at first.
        new: Rows with `key`, `event_timestamp` and `created`, both timestamps in microseconds, UTC.
        key: Join key of the entity.

    Returns:
        The rows of both with `EVENT_US` and `KNOWN_US`, sorted by key, event and knowledge.

    Raises:
        IntegrityError: `published` has other columns than `new`.
    """
    added = _mark(new)
    tables = [added] if published is None else [_refuse_other_columns(published, added.schema), added]
    rows = pa.concat_tables(tables)
    rows = rows.append_column(_NEWER, pa.array(range(rows.num_rows), pa.int64()))
    identity = [key, EVENT_US, KNOWN_US]
    rows = rows.sort_by([(name, "ascending") for name in (*identity, _NEWER)]).combine_chunks()
    return rows.filter(_last_of_each(rows, identity)).drop_columns([_NEWER])


def _mark(new: pa.Table) -> pa.Table:
    marked = new.replace_schema_metadata(None)
    for name, column in ((EVENT_US, "event_timestamp"), (KNOWN_US, "created")):
        marked = marked.append_column(pa.field(name, pa.int64(), nullable=False), new[column].cast(pa.int64()))
    return marked


def _refuse_other_columns(published: pa.Table, schema: pa.Schema) -> pa.Table:
    if published.schema.names != schema.names:
        other = sorted(set(published.schema.names) ^ set(schema.names)) or ["their order"]
        raise IntegrityError(
            f"what was published before has other columns: {', '.join(other)}",
            rule="a table keeps its columns",
            remedy="put the folder features of VOXLOOP_HOME aside and publish all features again",
        )
    return published.cast(schema)


def _last_of_each(rows: pa.Table, identity: list[str]) -> pa.Array:
    """Return a mask of the last row of every run of rows that agree in `identity`."""
    if rows.num_rows == 0:
        return pa.array([], pa.bool_())
    same = [pc.equal(rows[name][:-1], rows[name][1:]).combine_chunks() for name in identity]
    followed = pc.and_(pc.and_(same[0], same[1]), same[2])
    return pa.concat_arrays([pc.invert(followed), pa.array([True])])
