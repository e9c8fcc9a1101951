"""Whatever JSON is sent is read as one thing, or refused."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from voxloop.approval_app.bodies import read_body, read_run, read_tags
from voxloop.errors import InputError

KEYS = st.sampled_from(["key", "value", "tags", "run_id", "run_uuid", "runId", "x"])
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=12,
)


@given(JSON)
def test_any_json_is_read_or_refused(content: Any) -> None:
    try:
        fields = read_body(json.dumps(content).encode(), "application/json")
        tags: Sequence[object] = read_tags(fields)
        run = read_run(fields)
    except InputError:
        return
    assert isinstance(run, str)
    assert all(tag for tag in tags)
