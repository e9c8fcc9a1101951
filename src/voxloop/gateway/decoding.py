"""Foreign sound is decoded in processes that may die, while the event loop goes on.

A thread a process: it hands over one sound at a time and waits. A file that kills its process costs one request.
"""

from __future__ import annotations

import asyncio
import queue
import threading
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from voxloop.data.asked import measure_features
from voxloop.data.decoding_pool import Death, DecodingPool, WorkerLimits
from voxloop.errors import InputError, ServiceUnavailableError, VoxloopError
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
        self._work = partial(work, limits, prosody)
        self._limits = WorkerLimits(seconds=limits.decode_seconds, mebibytes=limits.decode_mebibytes)
        self._orders: queue.Queue[tuple[Order, Future[Outcome | Death]] | None] = queue.Queue(waiting)
        self._threads = [threading.Thread(target=self._run, name=f"decoder {n}", daemon=True) for n in range(workers)]

    def start(self) -> None:
        """Begin to decode; processes start with the first sounds."""
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """End all threads and processes; who still waits is told."""
        for _ in self._threads:
            self._orders.put(None)
        for thread in self._threads:
            thread.join()

    async def decode(self, content: bytes, *, measures: bool) -> DecodedAudio:
        """Return what a sound says.

        Raises:
            InputError: It cannot be used.
            ServiceUnavailableError: Too many wait already.
        """
        answer: Future[Outcome | Death] = Future()
        try:
            self._orders.put_nowait((Order(content, measures), answer))
        except queue.Full:
            raise ServiceUnavailableError(
                f"{self._orders.maxsize} sounds wait to be decoded", rule="no more than these", remedy="ask again later"
            ) from None
        outcome = await asyncio.wrap_future(answer)
        if isinstance(outcome, DecodedAudio):
            return outcome
        raise InputError(
            f"{NAME} is unusable: {outcome.reason}", rule=outcome.detail, remedy="give a whole WAV, FLAC or Ogg file"
        )

    def _run(self) -> None:
        """Feed one process until told to end. A failure that is nobody's fault is told, and a new process begins."""
        under_way: deque[Future[Outcome | Death]] = deque()
        ended = threading.Event()
        while not ended.is_set():
            pool = DecodingPool[Order, Outcome](self._work, self._limits, preload=[__name__], workers=1, batch=1)
            try:
                for outcome in pool.run(self._give(under_way, ended)):
                    _settle(under_way.popleft(), outcome)
            except Exception as failed:  # noqa: BLE001 - whoever waits must hear of it, and the next must be answered
                while under_way:
                    _fail(under_way.popleft(), failed)

    def _give(self, under_way: deque[Future[Outcome | Death]], ended: threading.Event) -> Iterator[Order]:
        while (taken := self._orders.get()) is not None:
            order, answer = taken
            if answer.set_running_or_notify_cancel():  # who has hung up meanwhile costs nothing
                under_way.append(answer)
                yield order
        ended.set()


def _settle(answer: Future[Outcome | Death], outcome: Outcome | Death) -> None:
    answer.set_result(outcome)


def _fail(answer: Future[Outcome | Death], failed: Exception) -> None:
    known = failed if isinstance(failed, VoxloopError) else VoxloopError(f"decoding failed: {type(failed).__name__}")
    answer.set_exception(ServiceUnavailableError(known.problem, rule=known.rule, remedy=known.remedy))
