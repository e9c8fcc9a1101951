"""Measuring what was heard: of 10 s of sound 25 ms and more. A process of its own does it, and nobody waits."""

from __future__ import annotations

import os
import queue
import threading
from collections.abc import Generator, Iterator, Sequence
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import asdict, dataclass
from functools import lru_cache, partial

import numpy as np
from numpy.typing import NDArray

from voxloop.data.decoding_pool import Death, DecodingPool, WorkerLimits
from voxloop.speech.prosody import ProsodyConfig, compile_once, measure_prosody
from voxloop.speech.signal_to_noise import estimate_snr
from voxloop.speech.sound_embedding import Embedding, embed_sound
from voxloop.speech.waveform import SAMPLE_RATE, Waveform, encode_flac

Measures = dict[str, float | None]
"""Numbers by name, null or NaN where they cannot be told."""
Int16 = NDArray[np.int16]


@dataclass(frozen=True)
class HeardSound:
    """What was measured of a sound.

    Args:
        numbers: `snr_db`, and prosody by name.
        embedding: Of `voxloop.speech.sound_embedding`, float32 [48]; None where nothing sounds.
    """

    numbers: Measures
    embedding: Embedding | None


@dataclass(frozen=True)
class _Order:
    """A sound, and its prosody where it was measured already; else empty."""

    waveform: Int16
    prosody: Measures


def encode_kept(waveform: Int16) -> bytes:
    """Return int16 [n] at 16 kHz as FLAC."""
    return encode_flac(_to_float(waveform))


class SoundMeasurer:
    """One process that measures one sound after the other, with less claim to the processor than who answers.

    Args:
        config: How prosody is measured.
        limits: What one sound may take.
        preload: Modules that other workers of this process need: the server they are forked from is made once.
    """

    def __init__(self, config: ProsodyConfig, limits: WorkerLimits, *, preload: Sequence[str] = ()) -> None:
        self._pool = DecodingPool[_Order, HeardSound](
            partial(_measure, config), limits, preload=[__name__, *preload], workers=1, batch=1
        )
        self._orders: queue.SimpleQueue[tuple[_Order, Future[HeardSound | None]] | None] = queue.SimpleQueue()
        self._order: _Order | None = None
        self._outcomes: Generator[HeardSound | Death] | None = None
        # A daemon: nobody waits at the end for what nobody will read. The process ends with this one.
        self._thread = threading.Thread(target=self._run, name="measures", daemon=True)

    def start(self) -> None:
        """Begin, and let the process load and compile, for seconds, before there is anything to measure."""
        self._thread.start()
        tone = 9_000 * np.sin(np.arange(SAMPLE_RATE // 2) * 0.06)
        self.submit(tone.astype(np.int16))

    def submit(self, waveform: Int16, prosody: Measures | None = None) -> Future[HeardSound | None]:
        """Ask for the measures of a sound; None comes where they cannot be had. Bounded by who asks.

        Args:
            waveform: int16 [n] at 16 kHz.
            prosody: Where it was measured already.
        """
        measured: Future[HeardSound | None] = Future()
        self._orders.put((_Order(waveform, prosody or {}), measured))
        return measured

    def stop(self) -> None:
        """End the process once it has done what it is at; nobody waits for that."""
        self._orders.put(None)

    def _run(self) -> None:
        while (order := self._orders.get()) is not None:
            sound, measured = order
            if measured.set_running_or_notify_cancel():  # what came too late costs nothing
                measured.set_result(self._measure(sound))
        self._forget()

    def _measure(self, order: _Order) -> HeardSound | None:
        self._order = order
        if self._outcomes is None:
            self._outcomes = self._pool.run(self._give())  # type: ignore[assignment]
        try:
            outcome = next(self._outcomes)  # type: ignore[arg-type]
        except Exception:  # noqa: BLE001 - no measure is worth a row; the next sound gets a new process
            self._forget()
            return None
        return None if isinstance(outcome, Death) else outcome

    def _give(self) -> Iterator[_Order]:
        while self._order is not None:
            yield self._order

    def _forget(self) -> None:
        if self._outcomes is not None:
            with suppress(Exception):
                self._outcomes.close()
            self._outcomes = None


def measure_sound(waveform: Int16, config: ProsodyConfig, prosody: Measures | None = None) -> HeardSound:
    """Return what the prediction log says of a sound.

    Args:
        waveform: int16 [n] at 16 kHz.
        config: How prosody is measured.
        prosody: Where it was measured already.
    """
    heard = _to_float(waveform)
    numbers = {"snr_db": estimate_snr(heard), **(prosody or asdict(measure_prosody(heard, config)))}
    return HeardSound(numbers, embed_sound(heard, config))


def _measure(config: ProsodyConfig, order: _Order) -> HeardSound:
    _give_way()
    return measure_sound(order.waveform, config, order.prosody)


@lru_cache(maxsize=1)
def _give_way() -> None:
    """Run only while nobody else wants the processor, once loaded: 8 ms for 4 s of sound, more than an answer."""
    compile_once()  # ten seconds of the processor, which in the idle class might never come
    os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))


def _to_float(waveform: Int16) -> Waveform:
    return waveform.astype(np.float32) / np.float32(32_768)
