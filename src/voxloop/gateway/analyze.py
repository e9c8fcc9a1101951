"""`POST /v1/analyze`: the words and the emotion of an utterance, and the profile of who speaks."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request
from pydantic import BaseModel

from voxloop.gateway.asking import Answered
from voxloop.gateway.bodies import FORM, SPEAKER, read_asked
from voxloop.gateway.cascade import Analysed, Part
from voxloop.gateway.keys import ANALYZE
from voxloop.gateway.pages import (
    PARAMETERS,
    PROBLEMS,
    Services,
    caller_of,
    describe_answer,
    describe_request,
    require_action,
)
from voxloop.gateway.problems import ProblemError, describe_problem

router = APIRouter()


class AnalysedPart(BaseModel):
    """What one family says: either an answer and who gave it, or the problem.

    Args:
        model_digest: SHA-256 of the model that answered.
        answer: As evaluation decodes it.
        problem: Why there is none, as RFC 9457 writes it.
    """

    model_digest: str | None = None
    answer: dict[str, Any] | None = None
    problem: dict[str, Any] | None = None


class ProfilePart(AnalysedPart):
    """The same of the personality, which was asked with what is known of the speaker.

    Args:
        utterances: How many of the speaker's are known, this one too; not there where the profile is away.
    """

    utterances: int | None = None


class Analysis(BaseModel):
    """What became of an utterance; each part for itself.

    Args:
        request_id: Also in the header `X-Request-ID`.
        words: What was said.
        emotion: How.
        profile: By whom.
    """

    request_id: str
    words: AnalysedPart
    emotion: AnalysedPart
    profile: ProfilePart


EXAMPLE = {
    "request_id": "a" * 32,
    "words": describe_answer("asr"),
    "emotion": describe_answer("emotion"),
    "profile": {"utterances": 3, **describe_answer("personality")},
}
AWAY = {
    **EXAMPLE,
    "profile": {
        "problem": {
            "type": "about:blank",
            "title": "Not now",
            "status": 503,
            "detail": "no word from the keeper of profiles for 4 s",
            "rule": "a profile is moved on by the keeper, a process beside the gateway",
            "remedy": "it is started again by itself; ask later",
            "instance": "urn:voxloop:request:" + "a" * 32,
        }
    },
}
_CONTENT, _FORM_CONTENT = describe_request(language={"type": "string", "description": "ISO 639 code", "example": "en"})


@router.post(
    "/v1/analyze",
    response_model=Analysis,
    response_model_exclude_unset=True,
    responses={
        200: {
            "content": {
                "application/json": {
                    "examples": {"answered": {"value": EXAMPLE}, "without a profile": {"value": AWAY}},
                }
            }
        },
        **PROBLEMS,
    },
    openapi_extra={
        "requestBody": {"required": True, "content": {**_CONTENT, FORM: _FORM_CONTENT}},
        "parameters": PARAMETERS,
    },
)
async def analyze(request: Request) -> Analysis:
    """Return words and emotion of a sound and the Big Five of who speaks, whose profile it moves on.

    Who speaks must be named, by `X-Speaker-ID` or the part `speaker_id`. Each part is an answer or a problem; 503 where
    neither words nor emotion can be answered.
    """
    services: Services = request.app.state.services
    key = require_action(request, ANALYZE)
    services.cascade.require_route()  # before anything is read
    asked = await read_asked(request, services.config, takes_words=False, takes_language=True)
    if asked.speaker_id is None or asked.sound is None:
        raise ProblemError(
            422,
            "nobody is named who speaks",
            rule="a profile is of a speaker",
            remedy=f"send {SPEAKER}, or the form's part `speaker_id`",
        )
    analysed = await services.cascade.run(asked.sound, asked.speaker_id, asked, caller_of(request, key))
    return write_analysis(analysed, request.state.request_id)


def write_analysis(analysed: Analysed, request_id: str) -> Analysis:
    """Return what became of an utterance as a caller is told."""
    known = {} if analysed.utterances is None else {"utterances": analysed.utterances}
    return Analysis(
        request_id=request_id,
        words=AnalysedPart(**_write_part(analysed.words, request_id)),
        emotion=AnalysedPart(**_write_part(analysed.emotion, request_id)),
        profile=ProfilePart(**_write_part(analysed.profile, request_id), **known),
    )


def _write_part(part: Part, request_id: str) -> dict[str, Any]:
    if isinstance(part, Answered):
        return {"model_digest": part.model_digest, "answer": part.answer}
    return {"problem": describe_problem(part, request_id)}
