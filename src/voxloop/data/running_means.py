"""What is known of a speaker so far: a row for every moment at which they spoke."""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa


def follow_means(
    utterances: pa.Table, schema: pa.Schema, *, averaged: Sequence[str], summed: Sequence[str]
) -> pa.Table:
    """Return running means and sums of each speaker over their utterances until then, that moment's included.

    Utterances of the same moment count together: a row never depends on their order. What an utterance lacks (null) is
    left out, and null stays what was never known. A row is known (`created`) once the last of its utterances is.

    Args:
        utterances: `utterance_id`, `speaker_id`, `event_timestamp`, `created` and the columns to follow.
        schema: Of the result: `speaker_id`, `utterances`, `event_timestamp`, `created` and the columns followed.
        averaged: Columns to take the running mean of.
        summed: Columns to add up.

    Returns:
        A table of `schema`, sorted by speaker and time.
    """
    key = ["speaker_id", "event_timestamp", "utterance_id"]
    frame = utterances.to_pandas().sort_values(key, kind="stable", ignore_index=True)
    by_speaker = frame.groupby("speaker_id", sort=False)
    running = frame[["speaker_id", "event_timestamp"]].copy()
    running["utterances"] = by_speaker.cumcount() + 1
    running["created"] = by_speaker["created"].cummax()
    for name in (*averaged, *summed):
        known = frame[name].notna().groupby(frame["speaker_id"]).cumsum()
        running[name] = by_speaker[name].cumsum() / (known if name in averaged else 1)
        running[name] = running.groupby("speaker_id")[name].ffill()
    last = running.drop_duplicates(["speaker_id", "event_timestamp"], keep="last")
    return pa.Table.from_pandas(last, schema=schema, preserve_index=False).replace_schema_metadata(None)
