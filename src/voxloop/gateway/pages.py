"""The places of the gateway for callers: one a family, health."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel

from voxloop.adapters.triton_async import AsyncTriton
from voxloop.errors import VoxloopError
from voxloop.gateway.asking import Asking
from voxloop.gateway.bodies import FORM, KEEP_AUDIO, LONGEST_SPEAKER, SOUNDS, WORDS, read_asked
from voxloop.gateway.cascade import Cascade
from voxloop.gateway.config import GatewayConfig
from voxloop.gateway.figures import Figures
from voxloop.gateway.keys import ApiKey
from voxloop.gateway.problems import MEDIA_TYPE, TITLES, ProblemError
from voxloop.gateway.profile_keeper import ProfileKeeper
from voxloop.gateway.recording import Caller
from voxloop.gateway.route_watch import RouteWatch
from voxloop.monitoring.prediction_writer import PredictionLog

router = APIRouter()


@dataclass(frozen=True)
class Services:
    """What answers a request at any place."""

    config: GatewayConfig
    asking: Asking
    routes: RouteWatch
    triton: AsyncTriton
    figures: Figures
    predictions: PredictionLog | None
    feedback: Path
    profiles: ProfileKeeper
    cascade: Cascade


class Answer(BaseModel):
    """An answer.

    Args:
        family: Who was asked.
        model_digest: SHA-256 of the model that answered.
        request_id: Also in the header `X-Request-ID`.
        answer: As evaluation decodes it.
    """

    family: str
    model_digest: str
    request_id: str
    answer: dict[str, Any]


class Health(BaseModel):
    """Whether requests can be answered, what keeps them from it, and what is wrong although they are."""

    status: str
    routes: list[str] = []
    problems: list[str] = []
    warnings: list[str] = []


EXAMPLES: dict[str, dict[str, Any]] = {
    "asr": {"text": "one two three", "confidence": 0.93},
    "emotion": {"emotion": "neutral", "probabilities": {"anger": 0.1, "neutral": 0.8, "sadness": 0.1}},
    "personality": {
        "traits": {
            "openness": 5.1,
            "conscientiousness": 4.2,
            "extraversion": 3.9,
            "agreeableness": 4.8,
            "neuroticism": 2.7,
        }
    },
}
_BINARY = {"schema": {"type": "string", "format": "binary"}}
PARAMETERS: list[dict[str, Any]] = [
    {
        "name": "X-Speaker-ID",
        "in": "header",
        "description": "Who speaks, by your own id; kept as a keyed hash alone.",
        "schema": {"type": "string", "minLength": 1, "maxLength": LONGEST_SPEAKER},
    },
    {
        "name": "X-Consent",
        "in": "header",
        "description": "Who speaks lets the sound be kept.",
        "schema": {"type": "string", "enum": [KEEP_AUDIO]},
    },
]


def describe_problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Return what may be answered instead, as OpenAPI describes it."""
    return {
        status: {
            "description": TITLES[status],
            "content": {MEDIA_TYPE: {"example": {"title": TITLES[status], "status": status}}},
        }
        for status in statuses
    }


PROBLEMS = describe_problems(400, 401, 403, 408, 413, 415, 422, 429, 503)
"""What any place may answer instead."""


def describe_request(**more: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the kinds of content that carry a sound, and the parts of a form, as OpenAPI describes them.

    Args:
        more: Further parts by name.
    """
    parts: dict[str, Any] = {
        "audio": {"type": "string", "format": "binary"},
        "speaker_id": {"type": "string", "maxLength": LONGEST_SPEAKER},
        "consent": {"type": "string", "enum": [KEEP_AUDIO]},
        **more,
    }
    content: dict[str, Any] = dict.fromkeys(SOUNDS, _BINARY)
    return content, {"schema": {"type": "object", "properties": parts}}


def describe_answer(family: str) -> dict[str, Any]:
    """Return an example of which model answered what."""
    return {"model_digest": "3f9a1c" + "0" * 58, "answer": EXAMPLES[family]}


def _describe(family: str, *, words: bool) -> dict[str, Any]:
    """Return what FastAPI writes of a family's place into its OpenAPI document."""
    more = {name: {"type": "string"} for name in ("text", "language", "features")} if words else {}
    content, form = describe_request(**more)
    if words:
        example = {"text": "I love parties!", "language": "en", "features": {"f0_mean_hz": 180.0}}
        content[WORDS] = {"schema": {"type": "object"}, "example": example}
    content[FORM] = form
    answer = {"family": family, "request_id": "a" * 32, **describe_answer(family)}
    return {
        "response_model": Answer,
        "responses": {200: {"content": {"application/json": {"example": answer}}}, **PROBLEMS},
        "openapi_extra": {"requestBody": {"required": True, "content": content}, "parameters": PARAMETERS},
    }


@router.post("/v1/asr", **_describe("asr", words=False))
async def recognise(request: Request) -> Answer:
    """Return the words of a sound."""
    return await _ask(request, "asr", takes_words=False)


@router.post("/v1/emotion", **_describe("emotion", words=False))
async def hear_emotion(request: Request) -> Answer:
    """Return the emotion of a sound."""
    return await _ask(request, "emotion", takes_words=False)


@router.post("/v1/personality", **_describe("personality", words=True))
async def read_personality(request: Request) -> Answer:
    """Return the Big Five of who speaks, from a sound, from what is said, or from both."""
    return await _ask(request, "personality", takes_words=True)


@router.get("/healthz")
async def is_alive() -> Health:
    """Say that the gateway runs."""
    return Health(status="alive")


@router.get("/readyz")
async def is_ready(request: Request, response: Response) -> Health:
    """Say whether requests can be answered: the ledger was read, Triton lives. 503 with the problems where not.

    What is no reason to send callers elsewhere, as a prediction log that cannot be written, is a warning.
    """
    services: Services = request.app.state.services
    problems = [services.routes.trouble] if services.routes.trouble else []
    try:
        if not await services.triton.is_live():
            problems.append("Triton is not live")
    except VoxloopError as away:
        problems.append(away.problem)
    if problems:
        response.status_code = 503
        response.headers["Retry-After"] = str(services.config.retry_after_seconds)
    warnings = [*(services.predictions.warnings() if services.predictions else []), *services.profiles.warnings()]
    status = "problems" if problems else "ready"
    return Health(status=status, routes=services.routes.tasks(), problems=problems, warnings=warnings)


async def _ask(request: Request, family: str, *, takes_words: bool) -> Answer:
    services: Services = request.app.state.services
    key = require_action(request, family)
    services.asking.require_route(family)  # before anything is read
    asked = await read_asked(request, services.config, takes_words=takes_words)
    answered = await services.asking.ask(family, asked, caller_of(request, key))
    return Answer(
        family=family,
        model_digest=answered.model_digest,
        request_id=request.state.request_id,
        answer=answered.answer,
    )


def caller_of(request: Request, key: ApiKey) -> Caller:
    """Return who asks."""
    return Caller(key.key_id, key.tenant, request.state.request_id, request.state.began)


def require_action(request: Request, action: str) -> ApiKey:
    """Return the key of a request.

    Raises:
        ProblemError: 403, it is not for that.
    """
    key: ApiKey = request.state.key
    if action not in key.actions:
        raise ProblemError(
            403,
            f"this key is not for {action}",
            rule=f"it is for {', '.join(key.actions)}",
            remedy=f"voxloop keys add {key.tenant} --actions {action}",
        )
    return key
