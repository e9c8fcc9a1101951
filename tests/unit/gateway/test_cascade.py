from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, cast

import numpy as np
import pytest

from voxloop.data.heard_speakers import Heard, Known
from voxloop.data.prosody_tables import MEASURES
from voxloop.data.word_tables import WordsConfig
from voxloop.errors import InputError, IntegrityError, ServiceUnavailableError
from voxloop.gateway.analyze import write_analysis
from voxloop.gateway.asking import Answered, Asking
from voxloop.gateway.bodies import Asked, Words
from voxloop.gateway.cascade import Analysed, Cascade
from voxloop.gateway.decoding import DecodedAudio
from voxloop.gateway.problems import ProblemError
from voxloop.gateway.profile_keeper import ProfileKeeper
from voxloop.gateway.recording import Caller

AT = datetime(2026, 1, 2, tzinfo=UTC)
AWAY = ServiceUnavailableError("it is away", rule="it answers", remedy="wait")
CALLER = Caller("key", "a-tenant", "a" * 32, 0.0)
PROSODY = dict.fromkeys(MEASURES, 0.5)
ANSWERS: dict[str, dict[str, Any]] = {
    "asr": {"text": "I love parties", "confidence": 0.9},
    "emotion": {"emotion": "anger", "probabilities": {"anger": 1.0}},
    "personality": {"traits": {"openness": 5.0}},
}


@dataclass
class Platform:
    """Models and profiles that answer, or raise what they are told to."""

    failing: dict[str, Exception] = field(default_factory=dict)
    asked: dict[str, Asked] = field(default_factory=dict)
    heard: list[tuple[str, str, Heard]] = field(default_factory=list)
    decoded: int = 0

    def require_route(self, family: str) -> None:
        self._fail(family)

    async def decode(self, _sound: bytes, *, measures: bool) -> DecodedAudio:
        self.decoded += 1
        self._fail("sound")
        return DecodedAudio(np.zeros(8_000, np.int16), PROSODY if measures else {})

    async def ask_decoded(self, family: str, asked: Asked, caller: Caller, _decoded: DecodedAudio) -> Answered:
        assert caller is CALLER
        self.asked[family] = asked
        await asyncio.sleep(0)
        self._fail(family)
        return Answered(family[0] * 64, ANSWERS[family])

    async def take(self, tenant: str, speaker_id: str, heard: Heard) -> Known:
        self._fail("profiles")
        self.heard.append((tenant, speaker_id, heard))
        return Known(3, {"speaker_prosody__f0_mean_hz": 180.0})

    def _fail(self, name: str) -> None:
        if name in self.failing:
            raise self.failing[name]


def make(platform: Platform) -> Cascade:
    words = WordsConfig(languages={})
    return Cascade(cast(Asking, platform), cast(ProfileKeeper, platform), words, lambda: AT, 1)


def run(platform: Platform) -> Analysed:
    asked = Asked(b"sound", Words(language="en"), "ada", consent=True)
    return asyncio.run(make(platform).run(b"sound", "ada", asked, CALLER))


def write(analysed: Analysed) -> dict[str, Any]:
    return write_analysis(analysed, "a" * 32).model_dump(exclude_unset=True)


def test_each_family_says_its_part_and_the_last_is_asked_with_what_is_known() -> None:
    platform = Platform()
    said = write(run(platform))
    assert said == {
        "request_id": "a" * 32,
        "words": {"model_digest": "a" * 64, "answer": ANSWERS["asr"]},
        "emotion": {"model_digest": "e" * 64, "answer": ANSWERS["emotion"]},
        "profile": {"model_digest": "p" * 64, "answer": ANSWERS["personality"], "utterances": 3},
    }
    assert platform.decoded == 1
    ((tenant, speaker_id, heard),) = platform.heard
    assert (tenant, speaker_id, heard.utterance_id, heard.at) == ("a-tenant", "ada", "a" * 32, AT)
    assert (heard.duration_s, heard.prosody, heard.emotion) == (0.5, PROSODY, "anger")
    assert heard.words is not None
    assert heard.words["tokens"] == 3.0
    question = platform.asked["personality"]
    assert question.words.text == "I love parties"
    assert question.words.language == "en"
    assert question.words.features == {"speaker_prosody__f0_mean_hz": 180.0}
    assert question.consent


@pytest.mark.parametrize(
    ("failed", "part", "status"),
    [
        (AWAY, "words", 503),
        (AWAY, "emotion", 503),
        (ProblemError(422, "the model has no finite answer to this"), "emotion", 422),
        (IntegrityError("another model"), "words", 503),
        (RuntimeError("a fault"), "words", 500),
    ],
)
def test_a_part_that_fails_says_so_and_the_others_answer(failed: Exception, part: str, status: int) -> None:
    family = {"words": "asr", "emotion": "emotion"}[part]
    platform = Platform({family: failed})
    said = write(run(platform))
    assert said[part].keys() == {"problem"}
    assert said[part]["problem"]["status"] == status
    assert "fault" not in said[part]["problem"]["detail"]
    assert said[part]["problem"]["instance"] == f"urn:voxloop:request:{'a' * 32}"
    assert all("answer" in said[other] for other in {"words", "emotion", "profile"} - {part})
    ((_, _, heard),) = platform.heard
    assert (heard.words is None, heard.emotion is None) == (part == "words", part == "emotion")


def test_where_profiles_are_away_the_profile_alone_is_a_problem() -> None:
    platform = Platform({"profiles": AWAY})
    said = write(run(platform))
    assert said["profile"].keys() == {"problem"}
    assert {name: said["profile"]["problem"][name] for name in ("status", "detail", "rule", "remedy")} == {
        "status": 503,
        "detail": "it is away",
        "rule": "it answers",
        "remedy": "wait",
    }
    assert "answer" in said["words"]
    assert "answer" in said["emotion"]
    assert "personality" not in platform.asked


def test_where_personality_fails_the_utterance_counts_all_the_same() -> None:
    platform = Platform({"personality": AWAY})
    said = write(run(platform))
    assert said["profile"].keys() == {"problem", "utterances"}
    assert len(platform.heard) == 1


def test_with_neither_words_nor_emotion_nothing_is_answered_and_nothing_kept() -> None:
    platform = Platform({"asr": AWAY, "emotion": ServiceUnavailableError("so is the other")})
    with pytest.raises(ServiceUnavailableError, match="neither words nor emotion: it is away; so is the other"):
        run(platform)
    assert platform.heard == []
    with pytest.raises(ServiceUnavailableError, match="neither words nor emotion"):
        make(platform).require_route()
    del platform.failing["asr"]
    make(platform).require_route()


def test_a_sound_that_cannot_be_used_is_refused_as_a_whole() -> None:
    platform = Platform({"sound": InputError("no sound")})
    with pytest.raises(InputError, match="no sound"):
        run(platform)
    assert platform.asked == {}
