"""A reader of the prediction log that knows nothing of voxloop: pyarrow alone. Prints its rows as JSON lines."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pyarrow.parquet as pq

if __name__ == "__main__":
    for path in sorted(Path(sys.argv[1]).glob("*/*/*/*.parquet")):
        if not path.name.startswith("."):
            for row in pq.read_table(path, partitioning=None).to_pylist():
                row["audio"] = row["audio"].hex() if row["audio"] is not None else None
                print(json.dumps(row, default=str))
