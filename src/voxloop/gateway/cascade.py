"""From a sound to all that is known of who speaks: words and emotion at once, then the profile that they move on."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime

from voxloop.data.heard_speakers import Heard, hear
from voxloop.data.word_tables import WordsConfig
from voxloop.errors import ServiceUnavailableError, VoxloopError
from voxloop.gateway.asking import Answered, Asking
from voxloop.gateway.bodies import Asked, Words
from voxloop.gateway.decoding import DecodedAudio
from voxloop.gateway.problems import ProblemError, problem_of
from voxloop.gateway.profile_keeper import ProfileKeeper
from voxloop.gateway.recording import Caller
from voxloop.speech.waveform import SAMPLE_RATE

log = logging.getLogger(__name__)

HEARING = ("asr", "emotion")
"""Families of which one at least must answer."""
Part = Answered | ProblemError
"""What became of one family: its answer, or why there is none."""


@dataclass(frozen=True)
class Analysed:
    """What became of an utterance.

    Args:
        words: Of the family asr.
        emotion: Of the family emotion.
        profile: Of the family personality, asked with what is known of the speaker.
        utterances: How many the running features are about; None where they could not be had.
    """

    words: Part
    emotion: Part
    profile: Part
    utterances: int | None


class Cascade:
    """Asks one model after the other.

    Args:
        asking: Asks them.
        profiles: Knows the speakers.
        words: How words are counted.
        clock: Gives the time, aware, UTC.
        retry_after: Seconds to tell when trying again can help.
    """

    def __init__(
        self,
        asking: Asking,
        profiles: ProfileKeeper,
        words: WordsConfig,
        clock: Callable[[], datetime],
        retry_after: int,
    ) -> None:
        self._asking, self._profiles, self._words = asking, profiles, words
        self._clock, self._retry_after = clock, retry_after

    def require_route(self) -> None:
        """See that words or emotion can be asked for at all.

        Raises:
            ServiceUnavailableError: Neither has a route.
        """
        require_one(*(self._look_for_route(family) for family in HEARING))

    async def run(self, sound: bytes, speaker_id: str, asked: Asked, caller: Caller) -> Analysed:
        """Return what became of an utterance.

        Args:
            sound: As it came.
            speaker_id: By the caller's own id.
            asked: What else is known: the language, the consent.
            caller: Whose speaker it is.

        Raises:
            InputError: The sound cannot be used.
            ServiceUnavailableError: Neither words nor emotion could be answered; the profile stays as it was.
        """
        decoded = await self._asking.decode(sound, measures=True)
        words, emotion = await asyncio.gather(*(self._ask(family, asked, caller, decoded) for family in HEARING))
        require_one(words, emotion)
        heard = self._hear(caller.request_id, decoded, words, emotion, asked.words.language)
        try:
            known = await self._profiles.take(caller.tenant, speaker_id, heard)
        except VoxloopError as away:
            return Analysed(words, emotion, problem_of(away, self._retry_after), None)
        said = Words(text=text_of(words), language=asked.words.language, features=known.features)
        profile = await self._ask("personality", replace(asked, words=said), caller, decoded)
        return Analysed(words, emotion, profile, known.utterances)

    def _hear(self, request_id: str, decoded: DecodedAudio, words: Part, emotion: Part, language: str | None) -> Heard:
        return hear(
            request_id,
            self._clock(),
            duration_s=len(decoded.waveform) / SAMPLE_RATE,
            prosody=decoded.features,
            text=text_of(words),
            language=language,
            emotion=emotion.answer.get("emotion") if isinstance(emotion, Answered) else None,
            config=self._words,
        )

    async def _ask(self, family: str, asked: Asked, caller: Caller, decoded: DecodedAudio) -> Part:
        try:
            return await self._asking.ask_decoded(family, asked, caller, decoded)
        except Exception as failed:
            problem = problem_of(failed, self._retry_after)
            if problem.status == 500:
                log.exception("%s of request %s failed", family, caller.request_id)
            return problem

    def _look_for_route(self, family: str) -> ProblemError | None:
        try:
            self._asking.require_route(family)
        except VoxloopError as away:
            return problem_of(away, self._retry_after)
        return None


def require_one(*parts: Part | None) -> None:
    """See that not all of some parts are problems.

    Raises:
        ServiceUnavailableError: They are; it names each.
    """
    problems = [part.problem for part in parts if isinstance(part, ProblemError)]
    if len(problems) == len(parts):
        raise ServiceUnavailableError(
            f"neither words nor emotion: {'; '.join(problems)}",
            rule="one of both is answered",
            remedy="ask again later",
        )


def text_of(words: Part) -> str | None:
    """Return the words that were recognised; None where the recogniser has failed."""
    text = words.answer.get("text") if isinstance(words, Answered) else None
    return text if isinstance(text, str) else None
