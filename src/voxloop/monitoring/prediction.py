"""A row of the prediction log: what the gateway knows when an answer leaves, and what is written of it."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from voxloop.data.prosody_tables import MEASURES
from voxloop.speech.sound_embedding import Embedding
from voxloop.store.digests import canonical_json

SCHEMA_VERSION = "2"
"""2: with embeddings of sounds."""
VERSION_KEY = b"voxloop.prediction_schema"
ANSWERED = 200
"""Status of a row that has an answer."""
LABEL = "emotion"
"""The family whose answers are labels, which can be counted, and the part of its answer that is one."""


def _field(name: str, kind: pa.DataType, *, null: bool = True) -> pa.Field:
    return pa.field(name, kind, nullable=null)


PREDICTIONS = pa.schema(
    [
        _field("at", pa.timestamp("us", tz="UTC"), null=False),
        _field("request_id", pa.string(), null=False),
        _field("tenant", pa.string(), null=False),
        _field("key_id", pa.string(), null=False),
        _field("family", pa.string(), null=False),
        _field("model_digest", pa.string(), null=False),
        _field("route", pa.int64(), null=False),
        _field("is_shadow", pa.bool_(), null=False),
        _field("status", pa.int16(), null=False),
        _field("problem", pa.string()),
        _field("answer", pa.string()),
        _field("label", pa.string()),
        _field("confidence", pa.float64()),
        _field("latency_ms", pa.float64()),
        _field("model_ms", pa.float64(), null=False),
        _field("speaker", pa.string()),
        _field("speaker_key", pa.string()),
        _field("consent", pa.bool_(), null=False),
        _field("duration_s", pa.float64()),
        _field("is_measured", pa.bool_(), null=False),
        _field("snr_db", pa.float64()),
        *(_field(name, pa.float64()) for name in MEASURES),
        _field("embedding", pa.list_(pa.float32())),
        _field("audio", pa.binary()),
    ],
    metadata={VERSION_KEY: SCHEMA_VERSION},
)
"""One row an answer, or a failure of the model that was asked. See docs/prediction_log.md for each column."""


@dataclass(frozen=True)
class Prediction:
    """What is known when an answer leaves; everything else is measured afterwards.

    Args:
        at: When, aware, UTC.
        request_id: Of the request; its shadow's row has the same.
        tenant: Whose key asked.
        key_id: Which key asked.
        family: Who was asked.
        model_digest: SHA-256 of the model.
        route: Sequence number of the ledger's route row that chose it.
        is_shadow: Whether the answer reached nobody.
        status: 200, or what the caller was told because the model failed.
        answer: As the family decodes it; None where the model failed.
        problem: Why it failed.
        latency_ms: From the arrival of the request, of which a shadow has none.
        model_ms: Of asking the model alone.
        speaker_id: As the caller named who speaks; it is never written.
        consent: Whether the caller says that the sound may be kept.
        duration_s: Of the sound; None for words alone.
        waveform: int16 [n] at 16 kHz; None where there is nothing to measure, or no room for it.
        features: Prosody that was measured already, by name.
    """

    at: datetime
    request_id: str
    tenant: str
    key_id: str
    family: str
    model_digest: str
    route: int
    is_shadow: bool
    status: int
    answer: dict[str, Any] | None
    problem: str | None
    latency_ms: float | None
    model_ms: float
    speaker_id: str | None = field(default=None, repr=False)
    consent: bool = False
    duration_s: float | None = None
    waveform: NDArray[np.int16] | None = field(default=None, repr=False)
    features: dict[str, float] = field(default_factory=dict)


def make_row(prediction: Prediction, pseudonym: tuple[str, str] | None) -> dict[str, Any]:
    """Return the row of a prediction, its sound not yet measured.

    Args:
        prediction: What was known.
        pseudonym: Of the speaker, and the version of its key.

    Raises:
        ValueError: The answer is no JSON.
        TypeError: So it is.
    """
    speaker, speaker_key = pseudonym or (None, None)
    return {
        **dict.fromkeys(PREDICTIONS.names),
        **{name: getattr(prediction, name) for name in _AS_THEY_ARE},
        **describe_answer(prediction.answer),
        "speaker": speaker,
        "speaker_key": speaker_key,
        "is_measured": False,
    }


def describe_measures(measures: Mapping[str, float | None], embedding: Embedding | None = None) -> dict[str, Any]:
    """Return SNR, prosody and embedding by column; null where there was nothing to measure.

    Args:
        measures: Numbers by name.
        embedding: float32 [48]; None where nothing sounds.
    """
    known = {name: measures.get(name) for name in ("snr_db", *MEASURES)}
    return {
        "is_measured": True,
        **{name: None if value is None or math.isnan(value) else value for name, value in known.items()},
        "embedding": None if embedding is None else embedding.tolist(),
    }


def describe_answer(answer: dict[str, Any] | None) -> dict[str, Any]:
    """Return an answer as columns: all of it as JSON, its label where it has one, how sure the model was."""
    if answer is None:
        return {"answer": None, "label": None, "confidence": None}
    probabilities = answer.get("probabilities")
    confidence = max(probabilities.values()) if probabilities else answer.get("confidence")
    return {"answer": canonical_json(answer), "label": answer.get(LABEL), "confidence": confidence}


def make_table(rows: Iterable[dict[str, Any]]) -> pa.Table:
    """Return rows as a table of `PREDICTIONS`.

    Raises:
        pyarrow.ArrowInvalid: A value does not fit its column.
    """
    return pa.Table.from_pylist(list(rows), schema=PREDICTIONS)


def split_fit(rows: list[dict[str, Any]]) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Return the rows that can be written, and those that no file would take: one must not cost a whole batch."""
    if _is_fit(rows):
        return rows, []
    return [row for row in rows if _is_fit([row])], [row for row in rows if not _is_fit([row])]


def _is_fit(rows: list[dict[str, Any]]) -> bool:
    try:
        make_table(rows)
    except (pa.ArrowException, ValueError, TypeError):
        return False
    return True


_AS_THEY_ARE = (
    *("at", "request_id", "tenant", "key_id", "family", "model_digest", "route", "is_shadow", "status", "problem"),
    *("latency_ms", "model_ms", "consent", "duration_s"),
)
