"""Finding the answer to one request in the prediction log, by the time that its id says."""

from __future__ import annotations

import json
import threading
from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from voxloop.errors import ServiceUnavailableError
from voxloop.monitoring.prediction import ANSWERED, Prediction
from voxloop.monitoring.prediction_files import list_batches
from voxloop.monitoring.request_ids import moment_of

LONGEST = timedelta(minutes=10)
"""From the arrival of a request to its answer, with room for a clock that is set back."""
_COLUMNS = ["at", "request_id", "tenant", "key_id", "family", "model_digest", "is_shadow", "status", "answer"]


@dataclass(frozen=True)
class KnownRequest:
    """A request that was answered.

    Args:
        request_id: Of the request.
        at: When it was answered.
        tenant: Whose key asked.
        key_id: Which key asked.
        family: Who was asked.
        model_digest: Who answered.
        answer: What.
    """

    request_id: str
    at: datetime
    tenant: str
    key_id: str
    family: str
    model_digest: str
    answer: dict[str, Any]


KNOWN = ("request_id", "at", "tenant", "key_id", "family", "model_digest", "answer")
"""What is known of a request, as columns of the log."""


def know_row(row: Mapping[str, Any]) -> KnownRequest | None:
    """Return what a row of the log says of its request; None where its answer is no JSON object.

    Args:
        row: With the columns `KNOWN`, of an answer that a caller got.
    """
    try:
        answer = json.loads(row["answer"])
    except (TypeError, ValueError):
        return None
    known = {name: row[name] for name in KNOWN}
    return KnownRequest(**{**known, "answer": answer}) if isinstance(answer, dict) else None


def know_request(prediction: Prediction) -> KnownRequest | None:
    """Return what a prediction says of its request; None where the caller got no answer of this model."""
    if prediction.status != ANSWERED or prediction.is_shadow or prediction.answer is None:
        return None
    return KnownRequest(**{name: getattr(prediction, name) for name in KNOWN})


class RecentRequests:
    """Requests that were answered and may be in no file yet, in memory; one may have been answered by several families.

    Args:
        most: How many.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._known: OrderedDict[tuple[str, str], KnownRequest] = OrderedDict()
        self._lock = threading.Lock()

    def add(self, prediction: Prediction) -> None:
        """Remember a request that was answered, and forget the oldest."""
        if (known := know_request(prediction)) is None:
            return
        with self._lock:
            self._known[known.request_id, known.family] = known
            if len(self._known) > self._most:
                self._known.popitem(last=False)

    def forget(self, answers: Iterable[tuple[str, str]]) -> None:
        """Forget what is in files now, each by request and family."""
        with self._lock:
            for answer in answers:
                self._known.pop(answer, None)

    def find(self, request_id: str, families: Sequence[str]) -> KnownRequest | None:
        """Return a request that is remembered, as the first of some families answered it."""
        with self._lock:
            found = (self._known.get((request_id, family)) for family in families)
            return next((known for known in found if known is not None), None)


def find_request(place: Path, families: Sequence[str], request_id: str) -> KnownRequest | None:
    """Return a request that is in the files of the log.

    Args:
        place: Folder of the log.
        families: Whose rows to look through.
        request_id: Any text.

    Raises:
        ServiceUnavailableError: It was not found, and a file in which it may be cannot be read.
    """
    if (moment := moment_of(request_id)) is None:
        return None
    unreadable = ""
    for family in families:
        for path in list_batches(place, family, moment - LONGEST, moment + LONGEST):
            try:
                rows = pq.read_table(
                    path, columns=_COLUMNS, filters=[("request_id", "=", request_id)], partitioning=None
                ).to_pylist()
            except (OSError, pa.ArrowException) as broken:
                unreadable = f"{path.name}: {str(broken)[:100]}"
                continue
            for row in rows:
                if row.pop("status") == ANSWERED and not row.pop("is_shadow"):
                    return KnownRequest(**{**row, "answer": json.loads(row["answer"])})
    if unreadable:
        raise ServiceUnavailableError(
            f"the request may be in a file that cannot be read ({unreadable})",
            rule="what is not found is said to be unknown only where everything was read",
            remedy="restore or remove the file",
        )
    return None
