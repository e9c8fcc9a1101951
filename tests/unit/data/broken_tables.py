"""Parquet files whose footer is whole and whose pages are not, as a bad sector leaves them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq


def spoil_pages(path: Path, columns: Mapping[str, Sequence[object]] | None = None) -> None:
    """Overwrite every page of a Parquet file, which is written first when `columns` are given."""
    if columns is not None:
        pq.write_table(pa.table(dict(columns)), path)
    content = bytearray(path.read_bytes())
    footer = len(content) - 8 - int.from_bytes(content[-8:-4], "little")
    content[4:footer] = b"\xff" * (footer - 4)
    path.write_bytes(content)
