"""A prediction log on disk, of speakers who are each a little different."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np

from tests.unit.monitoring.predictions import make_prediction
from voxloop.data.prosody_tables import MEASURES
from voxloop.monitoring.prediction import describe_measures, make_row, make_table
from voxloop.monitoring.prediction_files import hour_folder, write_batch
from voxloop.monitoring.request_ids import make_request_id

DAY = datetime(2026, 11, 29, tzinfo=UTC)
HOUR = timedelta(hours=1)
WRITER = "20261129T000000-0123abcd"
LABELS = ("anger", "joy", "neutral")


def make_rows(
    start: datetime, *, speakers: int, each: int, seed: int, shift: float = 0.0, **changes: Any
) -> list[dict[str, Any]]:
    """Return rows of an hour, by time.

    Args:
        start: Of the hour.
        speakers: Who speak.
        each: How often each does.
        seed: Decides.
        shift: Added to the signal-to-noise ratio, in its standard deviations.
        **changes: Of the predictions.
    """
    generator = np.random.default_rng(seed)
    own = generator.normal(0, 0.5, (speakers, len(MEASURES) + 3))
    rows = []
    for number in range(speakers * each):
        who = int(generator.integers(speakers))
        values = own[who] + generator.normal(0, 0.8, own.shape[1])
        at = start + (number + 0.5) / (speakers * each) * HOUR
        answer = {"emotion": LABELS[int(abs(values[0]) * 2) % 3], "probabilities": {"joy": 1 / (1 + np.exp(values[1]))}}
        given = {"at": at, "request_id": make_request_id(at), "answer": answer, "duration_s": float(np.exp(values[2]))}
        row = make_row(make_prediction(0, **{**given, **changes}), (f"speaker {seed} {who}", "1"))
        measures = dict(zip(MEASURES, values[3:].tolist(), strict=True))
        rows.append({**row, **describe_measures({"snr_db": 20 + 6 * (values[1] + shift), **measures})})
    return rows


def write_rows(
    place: Path, rows: list[dict[str, Any]], number: int = 1, change: Callable[[Any], Any] = lambda table: table
) -> Path:
    """Write rows of one hour as one batch."""
    folder = hour_folder(place, rows[0]["family"], rows[0]["at"])
    return write_batch(folder, place, WRITER, number, change(make_table(rows)))
