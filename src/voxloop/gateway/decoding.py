"""Foreign sound is decoded in processes that may die: a file that kills its process costs one request."""

from __future__ import annotations

import asyncio
import queue
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from voxloop.data.asked import measure_features
from voxloop.data.decoding_pool import WorkerLimits
from voxloop.errors import InputError, ServiceUnavailableError
from voxloop.gateway.work_queue import WorkQueue
from voxloop.speech.limits import AudioLimits, UnusableAudioError
from voxloop.speech.prosody import ProsodyConfig
from voxloop.speech.waveform import decode_audio, to_int16

NAME = "the sound"


@dataclass(frozen=True)
class Order:
    """A sound to decode.

    Args:
        content: The bytes of a file.
        measures: Whether its prosody is asked for too.
    """

    content: bytes
    measures: bool


@dataclass(frozen=True)
class DecodedAudio:
    """What was decoded: int16 [n] at 16 kHz, and its prosody by name where it was asked for."""

    waveform: NDArray[np.int16]
    features: dict[str, float]


@dataclass(frozen=True)
class Refused:
    """Why a sound cannot be used, as `UnusableAudioError` says it."""

    reason: str
    detail: str


Outcome = DecodedAudio | Refused
Work = Callable[[AudioLimits, ProsodyConfig, Order], Outcome]


def decode_order(limits: AudioLimits, prosody: ProsodyConfig, order: Order) -> Outcome:
    """Decode a sound; what a worker does."""
    try:
        waveform = decode_audio(order.content, name=NAME, limits=limits)
    except UnusableAudioError as unusable:
        return Refused(unusable.reason, unusable.detail)
    return DecodedAudio(to_int16(waveform), measure_features(waveform, prosody) if order.measures else {})


class AudioDecoder:
    """A few processes that decode.

    Args:
        limits: Bounds on a sound, and on what decoding it may take.
        prosody: How prosody is measured.
        workers: How many processes.
        waiting: Sounds that may wait for one of them.
        work: What a process does.
    """

    def __init__(
        self, limits: AudioLimits, prosody: ProsodyConfig, *, workers: int, waiting: int, work: Work = decode_order
    ) -> None:
        self._waiting = waiting
        self._queue = WorkQueue[Order, Outcome](
            partial(work, limits, prosody),
            WorkerLimits(seconds=limits.decode_seconds, mebibytes=limits.decode_mebibytes),
            preload=[__name__],
            name="decoder",
            workers=workers,
            waiting=waiting,
        )

    def start(self) -> None:
        """Begin to decode; processes start with the first sounds."""
        self._queue.start()

    def stop(self) -> None:
        """End all threads and processes; who still waits is told."""
        self._queue.stop()

    async def decode(self, content: bytes, *, measures: bool) -> DecodedAudio:
        """Return what a sound says.

        Raises:
            InputError: It cannot be used.
            ServiceUnavailableError: Too many wait already.
        """
        try:
            answer = self._queue.submit(Order(content, measures))
        except queue.Full:
            raise ServiceUnavailableError(
                f"{self._waiting} sounds wait to be decoded", rule="no more than these", remedy="ask again later"
            ) from None
        outcome = await asyncio.wrap_future(answer)
        if isinstance(outcome, DecodedAudio):
            return outcome
        raise InputError(
            f"{NAME} is unusable: {outcome.reason}", rule=outcome.detail, remedy="give a whole WAV, FLAC or Ogg file"
        )
