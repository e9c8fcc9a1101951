from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from voxloop.errors import InputError, ServiceUnavailableError
from voxloop.jobs.ask import Answer, ask
from voxloop.speech.waveform import encode_flac

ANSWER = Answer(
    "emotion", 3, "ab" * 32, {"emotion": "neutral", "probabilities": {"anger": 0.25, "neutral": 0.5, "sadness": 0.25}}
)


def test_the_text_leads_with_the_label() -> None:
    lines = ANSWER.as_text().splitlines()
    assert lines[0] == "neutral"
    assert [line.split()[0] for line in lines[1:4]] == ["neutral", "anger", "sadness"]
    assert lines[-1] == f"model {'ab' * 32} (version 3)"


def test_the_json_holds_all_of_it() -> None:
    assert json.loads(ANSWER.as_json()) == {
        "emotion": "neutral",
        "task": "emotion",
        "version": 3,
        "model_digest": "ab" * 32,
        "probabilities": {"anger": 0.25, "neutral": 0.5, "sadness": 0.25},
    }


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ({"text": "dwa słowa", "confidence": 0.5}, ["dwa słowa", "confidence 0.5"]),
        ({"traits": {"openness": 4.25, "neuroticism": 5.0}}, ["  neuroticism  5", "  openness     4.25"]),
    ],
)
def test_every_family_has_its_text(said: dict[str, Any], expected: list[str]) -> None:
    assert Answer("any", 1, "cd" * 32, said).as_text().splitlines()[:-1] == expected


@pytest.mark.usefixtures("settings")
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"task": "asr"}, "voxloop ask asr FILE"),
        ({"task": "emotion", "text": "words"}, "a sound alone"),
        ({"task": "personality"}, "asked about nothing"),
        ({"task": "personality", "text": "half \ud800"}, "no broken text"),
    ],
)
def test_what_is_asked_about_nothing_is_refused(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        ask(**arguments)


@pytest.mark.usefixtures("settings")
@pytest.mark.parametrize("content", [None, b"", b"this is text, not sound", b"RIFF\x00\x00\x00\x00WAVE"])
def test_what_is_no_sound_is_refused_before_any_server_is_asked(tmp_path: Path, content: bytes | None) -> None:
    file = tmp_path / "sound.wav"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(InputError, match=r"sound\.wav") as refused:
        ask("emotion", file)
    assert "\n" not in str(refused.value)


@pytest.mark.usefixtures("settings")
def test_a_silent_triton_is_named_with_the_remedy(tmp_path: Path) -> None:
    import numpy as np

    file = tmp_path / "sound.flac"
    file.write_bytes(encode_flac(np.sin(np.arange(16000, dtype=np.float32) / 10)))
    with pytest.raises(ServiceUnavailableError, match=r"Triton does not answer at http://127\.0\.0\.1.*voxloop status"):
        ask("emotion", file)
