from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import pytest

from tests.faults.decoder_killers import DEEDS
from voxloop.errors import InputError, ServiceUnavailableError
from voxloop.gateway.decoding import AudioDecoder, DecodedAudio, Order, Work, decode_order
from voxloop.speech.limits import AudioLimits
from voxloop.speech.prosody import ProsodyConfig
from voxloop.speech.waveform import encode_flac

LIMITS = AudioLimits(decode_seconds=0.4, decode_mebibytes=96)
SOUND = encode_flac(np.sin(np.arange(8_000, dtype=np.float32) / 20) * np.float32(0.3))


def do_deed(limits: AudioLimits, prosody: ProsodyConfig, order: Order) -> DecodedAudio:
    """Do what the bytes name; anything else is decoded."""
    if (deed := DEEDS.get(order.content.decode(errors="replace"))) is not None:
        deed()
    decoded = decode_order(limits, prosody, order)
    assert isinstance(decoded, DecodedAudio)
    return decoded


@contextmanager
def decoding(work: Work, waiting: int = 16) -> Iterator[AudioDecoder]:
    decoder = AudioDecoder(LIMITS, ProsodyConfig(), workers=2, waiting=waiting, work=work)
    decoder.start()
    try:
        yield decoder
    finally:
        decoder.stop()


def test_who_kills_its_process_is_refused_and_the_others_are_heard() -> None:
    deeds = ["kill", "loop in C", "eat"]

    async def ask(decoder: AudioDecoder) -> list[DecodedAudio | BaseException]:
        contents = [content for deed in deeds for content in (deed.encode(), SOUND)]
        return await asyncio.gather(
            *(decoder.decode(content, measures=False) for content in contents), return_exceptions=True
        )

    with decoding(do_deed) as decoder:
        outcomes = asyncio.run(ask(decoder))
    for deed, outcome in zip(deeds, outcomes[::2], strict=True):
        assert isinstance(outcome, InputError), deed
    assert all(isinstance(outcome, DecodedAudio) and len(outcome.waveform) == 8_000 for outcome in outcomes[1::2])


def test_a_bug_is_told_and_the_next_is_heard() -> None:
    with decoding(do_deed) as decoder:
        with pytest.raises(ServiceUnavailableError, match="KeyError"):
            asyncio.run(decoder.decode(b"bug", measures=False))
        assert len(asyncio.run(decoder.decode(SOUND, measures=False)).waveform) == 8_000


def test_the_event_loop_goes_on_and_too_many_are_sent_away() -> None:
    async def ask(decoder: AudioDecoder) -> int:
        slow = [asyncio.create_task(decoder.decode(b"loop in C", measures=False)) for _ in range(2)]
        turns = 0
        while not all(task.done() for task in slow):
            await asyncio.sleep(0.005)
            turns += 1
            if turns == 10:
                waits = [asyncio.create_task(decoder.decode(SOUND, measures=False)) for _ in range(3)]
        with pytest.raises(ServiceUnavailableError, match="3 sounds wait|1 sounds wait"):
            await asyncio.gather(*waits)
        await asyncio.gather(*slow, *waits, return_exceptions=True)
        return turns

    with decoding(do_deed, waiting=1) as decoder:
        assert asyncio.run(ask(decoder)) > 20
