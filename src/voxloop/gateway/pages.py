"""The places of the gateway: one a family, health, figures."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel

from voxloop.adapters.triton_async import AsyncTriton
from voxloop.errors import VoxloopError
from voxloop.gateway.asking import Asking
from voxloop.gateway.bodies import FORM, SOUNDS, WORDS, read_asked
from voxloop.gateway.config import GatewayConfig
from voxloop.gateway.figures import Figures
from voxloop.gateway.keys import READ_METRICS, ApiKey
from voxloop.gateway.problems import MEDIA_TYPE, TITLES, ProblemError
from voxloop.gateway.route_watch import RouteWatch

router = APIRouter()


@dataclass(frozen=True)
class Services:
    """What answers a request at any place."""

    config: GatewayConfig
    asking: Asking
    routes: RouteWatch
    triton: AsyncTriton
    figures: Figures


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
    """Whether requests can be answered, and what is wrong."""

    status: str
    routes: list[str] = []
    problems: list[str] = []


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
_PROBLEMS: dict[int | str, dict[str, Any]] = {
    status: {
        "description": TITLES[status],
        "content": {MEDIA_TYPE: {"example": {"title": TITLES[status], "status": status}}},
    }
    for status in (400, 401, 403, 408, 413, 415, 422, 429, 503)
}


def _describe(family: str, *, words: bool) -> dict[str, Any]:
    """Return what FastAPI writes of a family's place into its OpenAPI document."""
    fields: dict[str, Any] = {"audio": {"type": "string", "format": "binary"}}
    content: dict[str, Any] = dict.fromkeys(SOUNDS, _BINARY)
    if words:
        fields |= {"text": {"type": "string"}, "language": {"type": "string"}, "features": {"type": "string"}}
        example = {"text": "I love parties!", "language": "en", "features": {"f0_mean_hz": 180.0}}
        content[WORDS] = {"schema": {"type": "object"}, "example": example}
    content[FORM] = {"schema": {"type": "object", "properties": fields}}
    answer = {"family": family, "model_digest": "3f9a1c" + "0" * 58, "request_id": "a" * 32, "answer": EXAMPLES[family]}
    return {
        "response_model": Answer,
        "responses": {200: {"content": {"application/json": {"example": answer}}}, **_PROBLEMS},
        "openapi_extra": {"requestBody": {"required": True, "content": content}},
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
    """Say whether requests can be answered: the ledger was read, Triton lives. 503 with the problems where not."""
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
    return Health(status="problems" if problems else "ready", routes=services.routes.tasks(), problems=problems)


@router.get("/metrics", response_class=Response)
async def read_metrics(request: Request) -> Response:
    """Give the figures in Prometheus' text format; the key needs the action `metrics`."""
    _require_action(request, READ_METRICS)
    services: Services = request.app.state.services
    for family in services.routes.tasks():
        route = services.routes.find(family)
        services.figures.set_route(family, is_on=route is not None and route.is_on)
    return Response(services.figures.write(), media_type="text/plain; version=0.0.4; charset=utf-8")


async def _ask(request: Request, family: str, *, takes_words: bool) -> Answer:
    services: Services = request.app.state.services
    key = _require_action(request, family)
    services.asking.require_route(family)  # before anything is read
    asked = await read_asked(request, services.config, takes_words=takes_words)
    answered = await services.asking.ask(family, asked, key.key_id)
    return Answer(
        family=family,
        model_digest=answered.model_digest,
        request_id=request.state.request_id,
        answer=answered.answer,
    )


def _require_action(request: Request, action: str) -> ApiKey:
    key: ApiKey = request.state.key
    if action not in key.actions:
        raise ProblemError(
            403,
            f"this key is not for {action}",
            rule=f"it is for {', '.join(key.actions)}",
            remedy=f"voxloop keys add {key.tenant} --actions {action}",
        )
    return key
