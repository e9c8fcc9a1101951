"""Feast, as the rest of voxloop sees it: publish, carry online, push, read, erase.

`feast_store` opens it, `feast_offline` keeps all that was ever known, `feast_history` asks it about a moment,
`feast_online` has what is known now, `feast_erasure` takes a speaker out.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

import pyarrow as pa

from voxloop.adapters.feast_erasure import erase_online
from voxloop.adapters.feast_history import read_history, read_latest
from voxloop.adapters.feast_offline import (
    SCHEMAS,
    TABLES,
    add_rows,
    check_rows,
    erase_offline,
    list_utterances,
    publish_features,
)
from voxloop.adapters.feast_online import materialize_features, push_online, read_online
from voxloop.adapters.feast_store import apply_declarations, check_online_store, open_feature_store
from voxloop.errors import InputError

if TYPE_CHECKING:
    from feast import FeatureStore

__all__ = [
    "SCHEMAS",
    "TABLES",
    "add_rows",
    "apply_declarations",
    "check_online_store",
    "erase_features",
    "materialize_features",
    "open_feature_store",
    "publish_features",
    "push_features",
    "read_history",
    "read_latest",
    "read_online",
]

Destination = Literal["online", "offline", "both"]


def push_features(
    view: str, rows: Sequence[Mapping[str, Any]], to: Destination = "online", *, store: FeatureStore | None = None
) -> dict[str, int]:
    """Give what production has just seen to the store; pushed twice, it is there once.

    Offline it becomes history, as if it had been published; online it replaces what is older. Rows of erased speakers
    are left out.

    Args:
        view: A table of `TABLES`, such as `speaker_emotions`.
        rows: Of that table; a feature left out is null.
        to: Where. Every push to the offline source writes its file anew: push many rows at once there.
        store: From `open_feature_store`; None opens it.

    Returns:
        `offline`: rows gained; `online`: entities written.

    Raises:
        InputError: No such view, rows that are not of its table, or one known before it happened.
        ServiceUnavailableError: The online store does not answer.
    """
    table = _table_of(view, rows)
    done = {"offline": 0, "online": 0}
    if to in ("offline", "both"):
        done["offline"] = add_rows({view: table})[view]
    if to in ("online", "both"):
        done["online"] = push_online(store or open_feature_store(), view, table)
    return done


def erase_features(speaker_id: str, utterance_ids: Collection[str]) -> dict[str, int]:
    """Remove a speaker from the offline source and from the online store, bytes and all; done twice, it is done.

    What is published or pushed afterwards comes back, unless the speaker has a tombstone: write that first.

    Args:
        speaker_id: Who.
        utterance_ids: Their utterances, as the datasets know them; those the feature store knows of are found by it.

    Returns:
        `offline.<table>`: rows removed; `online.speaker`, `online.utterance`: entities removed.

    Raises:
        ServiceUnavailableError: The online store does not answer: run it again.
    """
    every = {*utterance_ids, *list_utterances(speaker_id)}
    # Online first: the offline source is what knows the utterances, should this be killed and run again.
    online = erase_online(speaker_id, every)
    offline = erase_offline(speaker_id, every)
    counted = {f"offline.{table}": count for table, count in offline.items()}
    return counted | {f"online.{kind}": count for kind, count in online.items()}


def _table_of(view: str, rows: Sequence[Mapping[str, Any]]) -> pa.Table:
    if view not in TABLES:
        raise InputError(
            f"no feature view {view!r}", rule=f"the views are {', '.join(TABLES)}", remedy="name one of them"
        )
    schema = SCHEMAS[view]
    if foreign := sorted({name for row in rows for name in row} - set(schema.names)):
        raise InputError(
            f"{view} has no {', '.join(foreign)}",
            rule=f"its columns are {', '.join(schema.names)}",
            remedy="leave it out",
        )
    plain = [{name: _none_for_nan(row.get(name)) for name in schema.names} for row in rows]
    try:
        table = check_rows(view, pa.Table.from_pylist(plain, schema=schema), f"a push to {view}")
    except (pa.ArrowInvalid, pa.ArrowTypeError) as wrong:
        raise InputError(
            f"a push to {view}: {wrong}", rule="values have the types of the table", remedy="correct them"
        ) from None
    for row in rows:
        if row["created"] < row["event_timestamp"]:
            raise InputError(
                f"{row[TABLES[view]]} is known since {row['created']}, before it happened ({row['event_timestamp']})",
                rule="nothing is known before it happens",
                remedy="correct created",
            )
    return table


def _none_for_nan(value: object) -> object:
    return None if isinstance(value, float) and value != value else value  # noqa: PLR0124 - NaN
