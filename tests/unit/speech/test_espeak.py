from __future__ import annotations

import subprocess
import sys
from typing import Any

import numpy as np
import pytest

from voxloop.errors import ConfigError
from voxloop.speech.espeak import SpokenRequest, speak
from voxloop.store.digests import digest_bytes

REQUESTS = [
    SpokenRequest(text, voice, rate=rate, pitch=pitch)
    for text in ("The small boat came on Monday.", "A letter came.")
    for voice in ("en-us+m3", "en-gb-scotland+f2", "en-029+klatt2")
    for rate, pitch in ((140, 30), (220, 70))
]


def test_the_same_request_gives_the_same_bytes_whatever_was_spoken_before() -> None:
    first = {request: speak(request).tobytes() for request in REQUESTS}
    shuffled = [REQUESTS[place] for place in np.random.default_rng(3).permutation(len(REQUESTS))]
    assert [speak(request).tobytes() for request in shuffled] == [first[request] for request in shuffled]


def test_another_process_says_the_same() -> None:
    program = (
        "from voxloop.speech.espeak import SpokenRequest, speak; from voxloop.store.digests import digest_bytes;"
        "print(digest_bytes(speak(SpokenRequest('A letter came.', 'en-us+f3')).tobytes()))"
    )
    told = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout.strip()
    assert told == digest_bytes(speak(SpokenRequest("A letter came.", "en-us+f3")).tobytes())


def test_every_setting_changes_the_sound() -> None:
    text = "My neighbour kept the blue cup in the hall."
    settings: list[dict[str, Any]] = [
        {},
        {"rate": 240},
        {"volume": 40},
        {"pitch": 80},
        {"pitch_range": 5},
        {"voice": "en-us+m3"},
    ]
    sounds = {speak(SpokenRequest(**{"text": text, "voice": "en-us+f2", **change})).tobytes() for change in settings}
    assert len(sounds) == len(settings)


def test_a_faster_rate_is_shorter() -> None:
    slow, fast = (speak(SpokenRequest(REQUESTS[0].text, "en-us", rate=rate)) for rate in (120, 240))
    assert slow.dtype == np.int16
    assert len(fast) < 0.7 * len(slow)


def test_an_unknown_voice_is_named() -> None:
    with pytest.raises(ConfigError, match="no voice 'xx-nowhere'"):
        speak(SpokenRequest("Hello.", "xx-nowhere"))
