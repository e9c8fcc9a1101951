"""The JSON of a request, read so strictly that MLflow cannot read another thing in it.

MLflow takes a field by two spellings, and JSON may say a key twice. So only small letters and underscores are taken,
and what is handed inwards is written anew from what was judged.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from voxloop.errors import InputError

LONGEST = 32 << 20
"""Bytes of a body that is judged; MLflow takes batches of 1 MiB."""
_FIELD = re.compile(r"[a-z][a-z_]*")
RULE = "what is judged is what MLflow reads"


@dataclass(frozen=True)
class Tag:
    """A key and its value, as a request wants to set it."""

    key: str
    value: str


def read_body(content: bytes, content_type: str) -> dict[str, Any]:
    """Return a request's fields.

    Raises:
        InputError: It is no JSON object, says a field twice, or spells one otherwise than its definition.
    """
    if content_type.partition(";")[0].strip().lower() != "application/json":
        raise InputError(f"a body of type {content_type!r}", rule=RULE, remedy="send application/json")
    try:
        fields = json.loads(content, object_pairs_hook=_refuse_doubles)
    except (ValueError, RecursionError):
        raise InputError("a body that is no JSON", rule=RULE, remedy="send a JSON object") from None
    if not isinstance(fields, dict):
        raise InputError(f"a body that is a {type(fields).__name__}", rule=RULE, remedy="send a JSON object")
    for name in fields:
        if not _FIELD.fullmatch(name):
            raise InputError(f"a field {name[:80]!r}", rule=RULE, remedy="spell fields as run_id, not runId")
    return fields


def read_text(fields: Mapping[str, Any], name: str) -> str:
    """Return a field that must be there.

    Raises:
        InputError: It is not, or is no text.
    """
    value = fields.get(name)
    if not isinstance(value, str) or not value:
        raise InputError(
            f"{name} = {str(value)[:80]!r}", rule=f"{name} is a text and says what is meant", remedy="add it"
        )
    return value


def read_run(fields: Mapping[str, Any]) -> str:
    """Return the run a request is about; MLflow takes it under an old name too.

    Raises:
        InputError: It is not said, or said in two ways.
    """
    said = {str(fields[name]) for name in ("run_id", "run_uuid") if fields.get(name)}
    if len(said) != 1:
        raise InputError(f"run_id = {' and '.join(sorted(said)) or 'nothing'}", rule=RULE, remedy="name one run")
    return said.pop()


def read_tags(fields: Mapping[str, Any]) -> list[Tag]:
    """Return the tags in a body: those of its list, and the one it sets or deletes by itself.

    Raises:
        InputError: One of them has no key.
    """
    listed = fields.get("tags") or []
    if not isinstance(listed, list) or not all(
        isinstance(one, dict) and one.keys() <= {"key", "value"} for one in listed
    ):
        raise InputError("tags that are no list of keys and values", rule=RULE, remedy="send [{key, value}, …]")
    own = [fields] if "key" in fields else []
    return [Tag(read_text(one, "key"), str(one.get("value", ""))) for one in (*listed, *own)]


def _refuse_doubles(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    fields = dict(pairs)
    if len(fields) != len(pairs):
        raise ValueError("a field twice")
    return fields
