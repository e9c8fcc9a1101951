"""Round the whole application: a request id, a key before anything else, problems for errors, figures.

Deny by default: what is not `open` wants a key, places that do not exist too.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from opentelemetry.trace import Span
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from voxloop.errors import ServiceUnavailableError
from voxloop.gateway.figures import OTHER, Figures
from voxloop.gateway.keys import ApiKey, KeyBook
from voxloop.gateway.problems import ProblemError, problem_of, write_problem
from voxloop.gateway.rates import RateLimiter
from voxloop.gateway.tracing import end_request, trace_request
from voxloop.monitoring.request_ids import make_request_id
from voxloop.settings import now

log = logging.getLogger(__name__)

OPEN = ("/healthz", "/readyz")
"""What answers callers without a key."""
CHALLENGE = {"WWW-Authenticate": 'Bearer realm="voxloop"'}


class Admission:
    """Who may come in, how often, and how many at once.

    Args:
        keys: Who may ask.
        rates: How often each.
        most: Requests under way at once.
    """

    def __init__(self, keys: KeyBook, rates: RateLimiter, most: int) -> None:
        self._keys, self._rates, self._most = keys, rates, most
        self._inside = 0

    @contextmanager
    def admit(self, headers: Headers) -> Iterator[ApiKey]:
        """Give the key of a request while it is under way.

        Raises:
            ProblemError: 401 or 429.
            ServiceUnavailableError: Too many are under way.
            IntegrityError: The keys cannot be read.
        """
        key = self._require_key(headers)
        if self._inside >= self._most:
            raise ServiceUnavailableError(
                f"{self._inside} requests are under way", rule="no more at once", remedy="ask again later"
            )
        self._inside += 1
        try:
            yield key
        finally:
            self._inside -= 1

    def _require_key(self, headers: Headers) -> ApiKey:
        presented = headers.get("x-api-key") or _bearer(headers.get("authorization", ""))
        key = self._keys.find(presented) if presented else None
        if key is None:
            told = "the key is unknown or revoked" if presented else "there is no key"
            remedy = "send `Authorization: Bearer KEY` or `X-API-Key: KEY`; `voxloop keys add` makes one"
            raise ProblemError(401, told, rule="every request has one", remedy=remedy, headers=CHALLENGE)
        if wait := self._rates.take(key.key_id, time.monotonic()):
            raise ProblemError(
                429,
                "this key asks too often",
                rule="requests in the long run and at once are limited",
                remedy=f"ask again in {wait:.2f} s",
                headers={"Retry-After": str(int(wait) + 1)},
            )
        return key


@dataclass(frozen=True)
class Guard:
    """ASGI middleware.

    Args:
        app: What is guarded.
        admission: Lets requests in.
        figures: Where it is counted.
        places: Paths that have figures of their own.
        retry_after: Seconds to tell when trying again can help.
        open: Paths that answer without a key.
    """

    app: ASGIApp
    admission: Admission
    figures: Figures
    places: tuple[str, ...]
    retry_after: int
    open: tuple[str, ...] = OPEN

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request; refuse a web socket."""
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
        elif scope["type"] == "http":
            await self._answer(scope, receive, send)
        else:
            await send({"type": "websocket.close", "code": 1008})

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        request_id, place = make_request_id(now()), scope["path"] if scope["path"] in self.places else OTHER
        with trace_request(scope["method"], place, request_id, Headers(scope=scope)) as span:
            await self._answer_within(span, place, request_id, scope, receive, send)

    async def _answer_within(
        self, span: Span, place: str, request_id: str, scope: Scope, receive: Receive, send: Send
    ) -> None:
        began, status = time.perf_counter(), 0

        async def send_on(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                MutableHeaders(scope=message)["X-Request-ID"] = request_id
            await send(message)

        try:
            scope.setdefault("state", {}).update(request_id=request_id, began=began)
            if scope["path"] in self.open:
                await self.app(scope, receive, send_on)
            else:
                with self.admission.admit(Headers(scope=scope)) as key:
                    scope["state"]["key"] = key
                    await self.app(scope, receive, send_on)
        except Exception as failed:
            problem = problem_of(failed, self.retry_after)
            if problem.status == 500:
                log.exception("request %s failed", request_id)
            if not status:
                await write_problem(problem, request_id)(scope, receive, send_on)
        finally:
            end_request(span, status)
            self.figures.count(place, status, time.perf_counter() - began)


def _bearer(authorization: str) -> str:
    scheme, _, key = authorization.partition(" ")
    return key.strip() if scheme.lower() == "bearer" else ""
