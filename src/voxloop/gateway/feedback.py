"""`POST /v1/feedback`: what the answer should have been, said by whoever asked, or by whoever may label."""

from __future__ import annotations

import asyncio
from typing import Any

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, Field

from voxloop.config import StrictModel
from voxloop.errors import ServiceUnavailableError
from voxloop.gateway.bodies import WORDS, read_json
from voxloop.gateway.keys import LABEL, ApiKey
from voxloop.gateway.pages import PROBLEMS, Services, describe_problems
from voxloop.gateway.problems import ProblemError
from voxloop.monitoring.feedback import Feedback, check_label, order_families, record_feedback
from voxloop.monitoring.request_lookup import KnownRequest, find_request
from voxloop.settings import now
from voxloop.tasks import FAMILIES

router = APIRouter()
EXAMPLE = {"request_id": "0192f0c1a2b37c4d8e5f60718293a4b5", "label": {"emotion": "anger"}}
ROOM_FOR_JSON = 4
"""Bytes a character of text may take in a body."""


class LabelBody(StrictModel):
    """A body: which answer, and what it should have been."""

    request_id: str = Field(pattern=r"^[0-9a-f]{32}$")
    label: dict[str, Any]


class Taken(BaseModel):
    """What became of a label.

    Args:
        request_id: Of the answer.
        number: 1 for its first label.
        corrects: Number of the label before, None for a first one.
        state: `quarantine`: it is used once the poison checks have seen it.
    """

    request_id: str
    number: int
    corrects: int | None
    state: str


@router.post(
    "/v1/feedback",
    response_model=Taken,
    status_code=201,
    responses=PROBLEMS | describe_problems(404),
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {WORDS: {"schema": {"type": "object"}, "example": EXAMPLE}},
        }
    },
)
async def take_feedback(request: Request, response: Response) -> Taken:
    """Take the label of an answer by its request id; the same one again is 200, another one corrects it."""
    services: Services = request.app.state.services
    key: ApiKey = request.state.key
    body = await read_json(request, LabelBody, ROOM_FOR_JSON * services.config.max_text, services.config.body_seconds)
    known = await _find(services, body)
    if key.key_id != known.key_id and LABEL not in key.actions:
        raise ProblemError(
            403,
            "another key asked this",
            rule=f"whoever asked may label, and keys for `{LABEL}`",
            remedy=f"send the key that asked, or one of `voxloop keys add {key.tenant} --actions {LABEL}`",
        )
    given, is_new = await asyncio.to_thread(_record, services, known, check_label(known, body.label), key)
    response.status_code = 201 if is_new else 200
    corrects = given.number - 1 or None
    return Taken(request_id=given.request_id, number=given.number, corrects=corrects, state="quarantine")


async def _find(services: Services, body: LabelBody) -> KnownRequest:
    if services.predictions is None:
        raise ServiceUnavailableError(
            "predictions are not logged here",
            rule="a label is joined to a row of the prediction log",
            remedy="ask who runs the platform to switch it on (predictions.is_on)",
        )
    for families in order_families(FAMILIES, body.label):  # an analysis has an answer of each
        known = services.predictions.recent.find(body.request_id, families)
        if known is None:
            known = await asyncio.to_thread(find_request, services.predictions.place, families, body.request_id)
        if known is not None:
            return known
    raise ProblemError(
        404,
        f"no answer to request {body.request_id} is known",
        rule="it was answered, it is in the prediction log, and not older than what is kept",
        remedy="send the `request_id` of an answer",
    )


def _record(services: Services, known: KnownRequest, label: dict[str, Any], key: ApiKey) -> tuple[Feedback, bool]:
    try:
        return record_feedback(services.feedback, known, label, tenant=key.tenant, key_id=key.key_id, at=now())
    except OSError as refused:
        raise ServiceUnavailableError(
            f"the label cannot be written: {refused.strerror}", rule="it is on the disk first", remedy="ask again later"
        ) from None
