"""eSpeak NG through ctypes: text in, 16-bit samples out, the same bytes for the same request.

The library keeps its state in statics (glottal phase, flutter position, gain control, random numbers), and the same
request made twice gives different samples: 64 of 72 differed, and still 63 after `espeak_Terminate`. Only unloading the
library clears it; with that and a fixed seed none of 216 differed, in any order and in another process, for 0.3 ms.
So every utterance is spoken by a freshly loaded library. One process, one voice at a time: a lock holds the others.
"""

from __future__ import annotations

import _ctypes
import ctypes
import os
import threading
from dataclasses import dataclass
from typing import Any

import espeakng_loader
import numpy as np
from numpy.typing import NDArray

from voxloop.errors import ConfigError, VoxloopError

ESPEAK_RATE = 22_050
"""Sampling rate of the synthesiser, Hz."""
SLOWEST, FASTEST = 80, 450
"""Words a minute it can speak (espeakRATE of speak_lib.h)."""

_SYNCHRONOUS = 2  # AUDIO_OUTPUT_SYNCHRONOUS of speak_lib.h: the callback runs inside espeak_Synth, no thread
_UTF8 = 1
_RATE, _VOLUME, _PITCH, _RANGE = 1, 2, 3, 4  # espeak_PARAMETER of speak_lib.h
_NOISE_SEED = 1
_LOCK = threading.Lock()
_CALLBACK = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_int, ctypes.c_void_p)


@dataclass(frozen=True)
class SpokenRequest:
    """One utterance to speak.

    Args:
        text: English in plain letters.
        voice: A voice of eSpeak NG, with or without a variant: `en-us`, `en-gb-scotland+f2`.
        rate: Words a minute, 80 to 450.
        volume: 0 to 200; 100 is the usual.
        pitch: 0 to 99 about the voice's own; 50 is the usual.
        pitch_range: 0 (monotone) to 99; 50 is the usual.
    """

    text: str
    voice: str
    rate: int = 175
    volume: int = 100
    pitch: int = 50
    pitch_range: int = 50


def speak(request: SpokenRequest) -> NDArray[np.int16]:
    """Return the samples of one utterance, int16 [n] at 22,050 Hz.

    Raises:
        ConfigError: There is no such voice, or a parameter is refused.
        VoxloopError: Another part of this process holds the library, so that its state cannot be cleared.
    """
    with _LOCK:
        library = _load()
        try:
            return _speak(library, request)
        finally:
            library.espeak_Terminate()
            _unload(library)


def _load() -> Any:
    library = ctypes.CDLL(espeakng_loader.get_library_path())
    data = espeakng_loader.get_data_path().encode()
    rate = library.espeak_Initialize(_SYNCHRONOUS, 0, data, 0)
    if rate != ESPEAK_RATE:
        raise VoxloopError(f"eSpeak NG answers with a rate of {rate} Hz", rule=f"{ESPEAK_RATE} Hz are expected")
    library.espeak_ng_SetRandSeed(ctypes.c_long(_NOISE_SEED))
    return library


def _unload(library: Any) -> None:
    _ctypes.dlclose(library._handle)  # noqa: SLF001 - ctypes has no public way to unload
    try:
        left = ctypes.CDLL(espeakng_loader.get_library_path(), mode=os.RTLD_NOLOAD)
    except OSError:  # RTLD_NOLOAD finds only what is still loaded
        return
    _ctypes.dlclose(left._handle)  # noqa: SLF001
    raise VoxloopError(
        "eSpeak NG stays loaded after it was released",
        rule="an utterance may not depend on those spoken before it",
        remedy="do not load libespeak-ng elsewhere in this process",
    )


def _speak(library: Any, request: SpokenRequest) -> NDArray[np.int16]:
    heard: list[bytes] = []

    def keep(samples: int | None, count: int, _events: int | None) -> int:
        if samples and count > 0:
            heard.append(ctypes.string_at(samples, count * 2))
        return 0

    callback = _CALLBACK(keep)  # held until the call is over: the library keeps only its address
    library.espeak_SetSynthCallback(callback)
    if library.espeak_SetVoiceByName(request.voice.encode()) != 0:
        raise ConfigError(
            f"eSpeak NG has no voice {request.voice!r}", rule="a voice is language[+variant]", remedy="try en-us+f2"
        )
    _set_parameters(library, request)
    text = request.text.encode() + b"\0"
    if library.espeak_Synth(text, ctypes.c_size_t(len(text)), 0, 1, 0, _UTF8, None, None) != 0:
        raise VoxloopError(f"eSpeak NG could not speak {request.text!r}")
    return np.frombuffer(b"".join(heard), dtype=np.int16)


def _set_parameters(library: Any, request: SpokenRequest) -> None:
    values = {_RATE: request.rate, _VOLUME: request.volume, _PITCH: request.pitch, _RANGE: request.pitch_range}
    for parameter, value in values.items():
        if library.espeak_SetParameter(parameter, value, 0) != 0:
            raise ConfigError(f"eSpeak NG refuses {value} for its parameter {parameter} in {request}")
