"""Round the whole MLflow server: an account before anything else, and for what is written, the rules.

Deny by default: what is neither known to read nor known to be allowed is refused, places that do not exist too.
"""

from __future__ import annotations

import base64
import binascii
import json
import logging
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

from anyio import to_thread
from starlette.datastructures import Headers
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from voxloop.approval_app import routes
from voxloop.approval_app.accounts import Account, AccountBook
from voxloop.approval_app.bodies import LONGEST, read_body
from voxloop.approval_app.report import answer_report, find_asked_report
from voxloop.approval_app.rules import Fields, Writing, judge_artifact
from voxloop.approval_app.tracked import Tracked
from voxloop.errors import InputError, IntegrityError, RefusedError, ServiceUnavailableError, VoxloopError

log = logging.getLogger(__name__)
CHALLENGE = {"WWW-Authenticate": 'Basic realm="voxloop", charset="UTF-8"'}
Judge = Callable[[Writing], Fields]


class Guard:
    """An ASGI application that lets through to another what may pass.

    Args:
        inner: MLflow's own.
        book: The accounts.
        tracked: What the server knows of runs and versions.
        judge: Gives the body to hand inwards of a request to write, or raises why it is refused.
    """

    def __init__(self, inner: ASGIApp, book: AccountBook, tracked: Tracked, judge: Judge) -> None:
        self._inner, self._book, self._tracked, self._judge = inner, book, tracked, judge

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008})
            return
        if scope["type"] != "http" or (scope["method"], scope["path"]) in routes.OPEN:
            await self._inner(scope, receive, send)
            return
        try:
            account = await to_thread.run_sync(self._find_account, Headers(scope=scope))
            if account is None:
                await _challenge()(scope, receive, send)
                return
            if digest := find_asked_report(scope["method"], scope["path"]):
                page = await to_thread.run_sync(answer_report, self._tracked, digest)
                await page(scope, receive, send)
                return
            receive = await self._judge_request(account, scope, receive)
        except Exception as problem:  # noqa: BLE001 - whatever happens here, nothing passes
            await answer_problem(problem)(scope, receive, send)
            return
        await self._inner(scope, receive, send)

    def _find_account(self, headers: Headers) -> Account | None:
        signed = read_basic(headers.get("authorization", ""))
        return self._book.find(*signed) if signed else None

    async def _judge_request(self, account: Account, scope: Scope, receive: Receive) -> Receive:
        """Return what the inner application reads its body from, once the request may pass."""
        method, path, headers = scope["method"], scope["path"], Headers(scope=scope)
        if routes.is_read(method, path):
            return receive
        refuse_other_site(headers)
        if artifact := routes.find_artifact(method, path):
            await to_thread.run_sync(judge_artifact, account, method, artifact, self._tracked)
            return receive
        asked = routes.find_write(method, path)
        if asked is None:
            raise RefusedError(
                f"{account.name} may not {method} {path[:200]}",
                rule="what is not known to be harmless is refused to everybody",
                remedy="docs/approval.md lists what each role may write",
            )
        fields = read_body(await _read_all(receive), headers.get("content-type", ""))
        writing = Writing(account, asked, fields, self._tracked, self._book.has)
        return _replay(scope, await to_thread.run_sync(self._judge, writing))


def read_basic(header: str) -> tuple[str, str] | None:
    """Return name and password of a header of basic authentication (RFC 7617); None when it is none."""
    scheme, _, told = header.partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        name, colon, password = base64.b64decode(told.strip(), validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return None
    return (name, password) if colon else None


def refuse_other_site(headers: Headers) -> None:
    """Raise `RefusedError` when a page of another site has the browser write with the password it keeps."""
    origin = headers.get("origin")
    came = headers.get("sec-fetch-site", "same-origin")
    if came not in ("same-origin", "none") or (origin and urlsplit(origin).netloc != headers.get("host")):
        raise RefusedError(
            f"a request to write from {origin or 'another site'}",
            rule="a browser writes from MLflow's own pages alone",
            remedy="do it there",
        )


def answer_problem(problem: Exception) -> JSONResponse:
    """Return a problem as MLflow's clients and its UI read one: `error_code` and `message`."""
    status, code = 500, "INTERNAL_ERROR"
    message = "the guard failed, nothing was written; tell who runs this platform"
    if isinstance(problem, VoxloopError):
        message = str(problem)
        status, code = next(
            (answer for kind, answer in _ANSWERS.items() if isinstance(problem, kind)), (500, "INTERNAL_ERROR")
        )
    elif hasattr(problem, "get_http_status_code"):  # MLflow's own, such as of a run that is not there
        content: dict[str, Any] = json.loads(problem.serialize_as_json())  # type: ignore[attr-defined]
        return JSONResponse(content, status_code=problem.get_http_status_code())
    else:
        log.error("the guard failed", exc_info=problem)
    clean = message.encode("utf-8", "replace").decode()  # it may quote what was sent: half characters are no JSON
    return JSONResponse({"error_code": code, "message": clean}, status_code=status)


_ANSWERS: dict[type[VoxloopError], tuple[int, str]] = {
    RefusedError: (403, "PERMISSION_DENIED"),
    InputError: (400, "INVALID_PARAMETER_VALUE"),
    ServiceUnavailableError: (503, "TEMPORARILY_UNAVAILABLE"),
    IntegrityError: (500, "INTERNAL_ERROR"),
}


def _challenge() -> JSONResponse:
    message = "nobody is signed in; MLflow is for accounts; make one with `voxloop users add`"
    return JSONResponse({"error_code": "UNAUTHENTICATED", "message": message}, status_code=401, headers=CHALLENGE)


async def _read_all(receive: Receive) -> bytes:
    parts, size = [], 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise InputError("a body that was cut short", rule="what is judged is whole", remedy="send it again")
        parts.append(message.get("body", b""))
        if (size := size + len(parts[-1])) > LONGEST:
            raise InputError(f"a body beyond {LONGEST} bytes", rule="what is judged is read whole", remedy="send less")
        if not message.get("more_body"):
            return b"".join(parts)


def _replay(scope: Scope, fields: Fields) -> Receive:
    """Return a source of the judged body, and have the scope say how long it is."""
    body = json.dumps(fields).encode()
    kept = [(name, value) for name, value in scope["headers"] if name not in (b"content-length", b"transfer-encoding")]
    scope["headers"] = [*kept, (b"content-length", str(len(body)).encode())]
    waiting: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive() -> Message:
        return waiting.pop() if waiting else {"type": "http.disconnect"}

    return receive
