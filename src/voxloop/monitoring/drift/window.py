"""A window of the prediction log as a profile, with everything that is wrong with it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from voxloop.monitoring.drift.clocks import find_clock_problems
from voxloop.monitoring.drift.columns import COLUMNS, MEASURED, NUMERIC, Coded
from voxloop.monitoring.drift.embeddings import EMBEDDING, Embeddings
from voxloop.monitoring.drift.profile import PredictionColumns
from voxloop.monitoring.prediction import ANSWERED
from voxloop.monitoring.prediction_log import Window, read_window
from voxloop.speech.sound_embedding import EMBEDDED

READ = (
    *("request_id", "key_id", "model_digest", "is_shadow", "status", "speaker", "is_measured"),
    *COLUMNS,
    EMBEDDING,
)


@dataclass(frozen=True)
class LogWindow:
    """Answers of a window.

    Args:
        predictions: What callers were answered, shadows and failures left out.
        moments: When each answer left, UTC, datetime64[us] [n].
        problems: Why nothing can be told of them; none where all is well.
    """

    predictions: PredictionColumns
    moments: npt.NDArray[np.datetime64]
    problems: tuple[str, ...]


def read_predictions(
    place: Path, family: str, start: datetime, end: datetime, *, most_lost: float, tolerance: timedelta
) -> LogWindow:
    """Read the answers of [start, end).

    Args:
        place: Folder of the log.
        family: Whose.
        start: Aware.
        end: Aware, after it.
        most_lost: Share of the window's rows that may be known to be lost.
        tolerance: By how much clocks may disagree.

    Raises:
        InputError: The window is none.
    """
    window = read_window(place, family, start, end, columns=READ)
    problems = _find_gaps(window, most_lost)
    problems += find_clock_problems(window.table, place, family, start, end, tolerance=tolerance)
    answered = pc.and_(pc.equal(window.table["status"], ANSWERED), pc.invert(window.table["is_shadow"]))
    table = window.table.filter(answered)
    moments = np.asarray(table["at"].to_numpy(), dtype="datetime64[us]")
    return LogWindow(as_arrays(table), moments, tuple(problems))


def as_arrays(table: pa.Table) -> PredictionColumns:
    """Return rows of the log as arrays.

    Args:
        table: With the columns `READ`.
    """
    keys = pc.binary_join_element_wise("key", table["key_id"], " ")
    unmeasured = pc.invert(table["is_measured"]).fill_null(True).to_numpy().astype(np.bool_)
    return PredictionColumns(
        speakers=_as_coded(pc.coalesce(table["speaker"], keys)),
        models=_as_coded(table["model_digest"]),
        values={name: _as_numbers(table[name]) if name in NUMERIC else _as_coded(table[name]) for name in COLUMNS},
        skipped=dict.fromkeys(MEASURED, unmeasured),
        embeddings=_as_embeddings(table[EMBEDDING]),
    )


def _as_numbers(column: pa.ChunkedArray) -> npt.NDArray[np.float64]:
    return np.asarray(column.fill_null(float("nan")).to_numpy(), dtype=np.float64)


def _as_embeddings(column: pa.ChunkedArray) -> Embeddings | None:
    """Return float32 [n, 48] with NaN where there is none, or one of another length; None without any."""
    # No list of fixed size: pyarrow 25 writes one with nulls, and cannot read it again.
    right = pc.equal(pc.list_value_length(column), EMBEDDED).fill_null(False)
    known = right.to_numpy().astype(np.bool_)
    if not known.any():
        return None
    embeddings = np.full((len(known), EMBEDDED), np.nan, dtype=np.float32)
    numbers = pc.list_flatten(column.filter(right)).fill_null(float("nan"))
    embeddings[known] = np.asarray(numbers.to_numpy(), dtype=np.float32).reshape(-1, EMBEDDED)
    return embeddings


def _as_coded(column: pa.ChunkedArray) -> Coded:
    """Return text; nothing for null."""
    coded = column.fill_null("").combine_chunks().dictionary_encode()
    names = np.asarray(coded.dictionary.to_pylist(), dtype=np.str_)
    return Coded(names, coded.indices.to_numpy().astype(np.int64))


def _find_gaps(window: Window, most_lost: float) -> list[str]:
    rows = len(window.table)
    told = (
        (len(window.unreadable), f"{len(window.unreadable)} files cannot be read, such as {_first(window.unreadable)}"),
        (len(window.unknown_columns), f"columns nobody knows: {', '.join(sorted(window.unknown_columns))}"),
        (len(window.missing_columns), f"columns are missing: {', '.join(sorted(window.missing_columns))}"),
        (len(window.other_schemas), f"files of another schema: {_spell(window.other_schemas)}"),
        (window.lost > most_lost * rows, f"{window.lost} rows are lost beside {rows}, of {most_lost:.1%} at most"),
        (window.lost_unknown, f"{window.lost_unknown} notes do not say how many rows are lost"),
        (rows == 0, "there are no rows"),
    )
    return [text for count, text in told if count]


def _first(names: Iterable[str]) -> str:
    return next(iter(names), "")


def _spell(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{name} ({count})" for name, count in sorted(counts.items()))
