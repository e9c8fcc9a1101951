"""Predictions as a gateway makes them, and a log of them in a process of its own."""

from __future__ import annotations

import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np

from voxloop.data.decoding_pool import WorkerLimits
from voxloop.monitoring.config import PredictionLogConfig
from voxloop.monitoring.prediction import Prediction
from voxloop.monitoring.prediction_writer import PredictionLog
from voxloop.monitoring.sound_measures import SoundMeasurer
from voxloop.settings import now
from voxloop.speech.prosody import ProsodyConfig

START = datetime(2026, 11, 29, 9, 59, 30, tzinfo=UTC)
ANSWER = {"emotion": "anger", "probabilities": {"anger": 0.75, "neutral": 0.25}}
CONFIG = PredictionLogConfig(
    is_on=True, queue_rows=1_000, sound_mebibytes=8, batch_rows=50, batch_seconds=0.2, drain_seconds=30.0
)


def make_prediction(number: int, **changes: Any) -> Prediction:
    values: dict[str, Any] = {
        "at": START + timedelta(seconds=number),
        "request_id": f"{number:032x}",
        "tenant": "a-tenant",
        "key_id": "0" * 16,
        "family": "emotion",
        "model_digest": "e" * 64,
        "route": 7,
        "is_shadow": False,
        "status": 200,
        "answer": ANSWER,
        "problem": None,
        "latency_ms": 12.5,
        "model_ms": 3.25,
    }
    return Prediction(**{**values, **changes})


def make_tone(seconds: float = 1.0) -> np.ndarray[Any, np.dtype[np.int16]]:
    time_axis = np.arange(int(seconds * 16_000)) / 16_000
    return np.asarray(9_000 * np.sin(2 * np.pi * 160 * time_axis) * (0.6 + 0.4 * np.sin(20 * time_axis)), np.int16)


def open_log(home: Path, **changes: Any) -> PredictionLog:
    config = CONFIG.model_copy(update=changes)
    measurer = SoundMeasurer(ProsodyConfig(), WorkerLimits(seconds=30.0, mebibytes=768))
    return PredictionLog(home / "predictions", home / "keys.json", config, measurer, now)


def main(home: Path, batch_rows: int) -> None:
    """Take rows until killed, saying after each how many were taken."""
    log = open_log(home, batch_rows=batch_rows, batch_seconds=0.3)
    log.start()
    number = 0
    while True:
        log.take(make_prediction(number))
        number += 1
        print(number, flush=True)
        time.sleep(0.005)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
