"""What Evidently says of a window by the methods and thresholds that it chooses itself."""

from __future__ import annotations

import numpy as np
import pandas as pd

from benchmarks.real_drift.windows import Cell
from voxloop.adapters.evidently import open_evidently
from voxloop.monitoring.drift.columns import Coded
from voxloop.monitoring.drift.profile import PredictionColumns

ONE, HALF = "one column", "half of the columns"


def ask_evidently(reference: PredictionColumns, window: PredictionColumns, cell: Cell) -> None:
    """Count whether one column has drifted as Evidently tests it, and whether half of them have, its own rule."""
    with open_evidently() as evidently:
        from evidently.metrics import DriftedColumnsCount  # noqa: PLC0415 - it warns when it is imported
    before, after = make_frame(reference), make_frame(window)
    names = [name for name in before if before[name].notna().any() and after[name].notna().any()]
    kinds = evidently.DataDefinition(numerical_columns=names)
    sides = [evidently.Dataset.from_pandas(side[names], data_definition=kinds) for side in (after, before)]
    with np.errstate(invalid="ignore"):  # it correlates columns, of which one may not vary
        (count,) = (one["value"] for one in evidently.Report([DriftedColumnsCount()]).run(*sides).dict()["metrics"])
    cell.asked += 1
    cell.theirs[ONE] += count["count"] >= 1
    cell.theirs[HALF] += count["share"] >= 0.5


def make_frame(rows: PredictionColumns) -> pd.DataFrame:
    """Return the numbers of rows; no model was asked, so there are no labels."""
    return pd.DataFrame({name: values for name, values in rows.values.items() if not isinstance(values, Coded)})
