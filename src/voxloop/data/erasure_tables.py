"""Which rows of a table are about a speaker: ids in columns of text, however deep in lists and structures they lie."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from voxloop.data.erasure_words import Names, kind_of, speaks_of
from voxloop.errors import IntegrityError

TRANSCRIPTS = ("text", "transcript", "words")
"""What somebody said: an id is an ordinary word there, `ann` as well as `hello`; it counts as the whole of it alone."""
_NAMES_OF_FILES = ("speaker", "path", "file")
"""In a column called so the speaker's id is theirs; `quarantine.parquet` knows no more of a file than its path."""


def read_schema(path: Path) -> pa.Schema:
    """Return the columns of a Parquet or Arrow file.

    Raises:
        IntegrityError: It is none.
    """
    try:
        return pq.read_schema(path) if kind_of(path.name) == ".parquet" else _read_arrow(path).schema
    except (pa.ArrowException, OSError) as unreadable:
        raise _unreadable(path, unreadable) from None


def read_columns(path: Path, columns: Sequence[str] | None = None) -> pa.Table:
    """Return columns of a Parquet or Arrow file; all of them when none are named.

    Raises:
        IntegrityError: It is none, or a part of it cannot be decoded.
    """
    try:
        if kind_of(path.name) == ".parquet":
            return pq.read_table(path, columns=None if columns is None else [*columns], partitioning=None)
        table = _read_arrow(path)
    except (pa.ArrowException, OSError) as unreadable:
        raise _unreadable(path, unreadable) from None
    return table if columns is None else table.select([*columns])


def is_about(path: Path, names: Names) -> bool:
    """Return whether a table has a row about the speaker. Raises as `read_columns`."""
    columns = [field.name for field in read_schema(path) if _has_text(field.type)]
    if not columns:
        return False
    return bool(mask_rows(read_columns(path, columns), names).true_count)


def mask_rows(table: pa.Table, names: Names) -> pa.Array:
    """Return, for each row of a table, whether it is about the speaker: any id of theirs in any column of text."""
    mask = np.zeros(table.num_rows, dtype=bool)
    for field in table.schema:
        if _has_text(field.type):
            parts = [_find(field.name, chunk, names) for chunk in table[field.name].chunks]
            mask |= np.concatenate([np.zeros(0, dtype=bool), *parts])
    return pa.array(mask, pa.bool_())


def _find(name: str, values: Any, names: Names) -> Any:
    """Return a mask of booleans over an array: where the speaker is in it, or below it."""
    kind = values.type
    if _is_text(kind):
        return _find_text(name, values, names)
    mask = np.zeros(len(values), dtype=bool)
    if pa.types.is_struct(kind):
        for number, field in enumerate(kind):
            if _has_text(field.type):
                mask |= _find(f"{name}.{field.name}", pc.struct_field(values, [number]), names)
    elif pa.types.is_map(kind):
        pairs = pa.list_(pa.struct([("key", kind.key_type), ("value", kind.item_type)]))
        mask = _find(name, values.cast(pairs), names)
    else:
        below = _find(name, pc.list_flatten(values), names)
        # Arrow's own list_parent_indices counts what lies hidden below a null, list_flatten leaves it out (pyarrow 25).
        lengths = pc.fill_null(pc.list_value_length(values), 0).to_numpy(zero_copy_only=False)
        mask[np.repeat(np.arange(len(values)), lengths)[below]] = True
    return mask


def _find_text(name: str, values: Any, names: Names) -> Any:
    theirs = any(part in name.lower() for part in _NAMES_OF_FILES)
    wanted = {*names.utterances, *([names.speaker] if theirs else [])}
    text = pc.cast(values, pa.string())
    found = {one for one in pc.unique(text).to_pylist() if one in wanted or _is_said(name, one, names, theirs=theirs)}
    return pc.is_in(text, value_set=pa.array(sorted(found), pa.string())).to_numpy(zero_copy_only=False)


def _is_said(name: str, text: str | None, names: Names, *, theirs: bool) -> bool:
    """Return whether a message or a path names them; an id of something, or a transcript, is only what it is."""
    last = name.lower().rpartition(".")[2]
    if not text or last.endswith("_id") or last in TRANSCRIPTS:
        return False
    return speaks_of(text, names.words if theirs else names.words - {names.speaker})


def _read_arrow(path: Path) -> pa.Table:
    """Return the table of an Arrow file, of the kind that ends with its index or of the kind that is a stream."""
    with pa.OSFile(str(path)) as source:
        try:
            return pa.ipc.open_file(source).read_all()
        except pa.ArrowInvalid:
            source.seek(0)
            return pa.ipc.open_stream(source).read_all()


def _unreadable(path: Path, why: Exception) -> IntegrityError:
    return IntegrityError(
        f"{path} is no {kind_of(path.name)[1:].capitalize()} file ({str(why)[:100]})",
        rule="whom it holds cannot be known",
        remedy="remove it, or mend it, and run `voxloop erase` again",
    )


def _has_text(kind: pa.DataType) -> bool:
    """Return whether there are strings in a column of this type, at whatever depth."""
    return _is_text(kind) or any(_has_text(inner) for inner in _inner_types(kind))


def _inner_types(kind: pa.DataType) -> Iterator[pa.DataType]:
    if pa.types.is_map(kind):
        yield from (kind.key_type, kind.item_type)
    elif pa.types.is_struct(kind):
        yield from (field.type for field in kind)
    elif pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind):
        yield kind.value_type


def _is_text(kind: pa.DataType) -> bool:
    inner = kind.value_type if pa.types.is_dictionary(kind) else kind
    return bool(pa.types.is_string(inner) or pa.types.is_large_string(inner) or pa.types.is_string_view(inner))
