"""What of an answer goes to the prediction log."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

from voxloop.errors import InputError, VoxloopError
from voxloop.gateway.bodies import Asked
from voxloop.gateway.decoding import DecodedAudio
from voxloop.gateway.keys import PLATFORM
from voxloop.gateway.problems import ProblemError
from voxloop.monitoring.prediction import ANSWERED, Prediction
from voxloop.monitoring.prediction_writer import PredictionLog
from voxloop.speech.waveform import SAMPLE_RATE
from voxloop.tasks import Answer

UNAVAILABLE = 503


@dataclass(frozen=True)
class Caller:
    """Who asks.

    Args:
        key_id: Of the key.
        tenant: Whose key.
        request_id: Of the request.
        began: When it arrived, on the clock of `time.perf_counter`.
    """

    key_id: str
    tenant: str
    request_id: str
    began: float


@dataclass(frozen=True)
class Attempt:
    """One model asked about one request; `began` is when, on the clock of `time.perf_counter`."""

    family: str
    model_digest: str
    route: int
    is_shadow: bool
    began: float = field(default_factory=time.perf_counter)


class Recorder:
    """Writes down what models answered, and where they failed; not what the platform asks itself.

    Args:
        log: Where; None when nothing is logged.
        clock: Gives the time, aware, UTC.
    """

    def __init__(self, log: PredictionLog | None, clock: Callable[[], datetime]) -> None:
        self._log, self._clock = log, clock

    def answered(
        self, attempt: Attempt, caller: Caller, asked: Asked, decoded: DecodedAudio | None, answer: Answer
    ) -> None:
        """Write down an answer."""
        self._take(attempt, caller, asked, decoded, ANSWERED, answer, None)

    def failed(
        self, attempt: Attempt, caller: Caller, asked: Asked, decoded: DecodedAudio | None, failed: VoxloopError
    ) -> None:
        """Write down that a model failed; what was wrong with the request is no failure of it."""
        if not isinstance(failed, InputError):
            status = failed.status if isinstance(failed, ProblemError) else UNAVAILABLE
            self._take(attempt, caller, asked, decoded, status, None, failed.problem)

    def _take(
        self,
        attempt: Attempt,
        caller: Caller,
        asked: Asked,
        decoded: DecodedAudio | None,
        status: int,
        answer: Answer | None,
        problem: str | None,
    ) -> None:
        if self._log is None or caller.tenant == PLATFORM:
            return
        at = time.perf_counter()
        waveform = decoded.waveform if decoded else None
        self._log.take(
            Prediction(
                at=self._clock(),
                request_id=caller.request_id,
                tenant=caller.tenant,
                key_id=caller.key_id,
                family=attempt.family,
                model_digest=attempt.model_digest,
                route=attempt.route,
                is_shadow=attempt.is_shadow,
                status=status,
                answer=answer,
                problem=problem,
                latency_ms=None if attempt.is_shadow else 1e3 * (at - caller.began),
                model_ms=1e3 * (at - attempt.began),
                speaker_id=asked.speaker_id,
                consent=asked.consent,
                duration_s=None if waveform is None else len(waveform) / SAMPLE_RATE,
                waveform=waveform,
                features=decoded.features if decoded else {},
            )
        )
