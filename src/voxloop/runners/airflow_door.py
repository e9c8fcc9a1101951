"""Round Airflow's whole API server: a token before anything else, and for what needs none, one list.

By itself Airflow asks for a token in each route that has a use for one, and only after it has read the body. Measured
on 3.3.2: without a token it waits for a body that never comes, takes one of 50 MB in, answers 422 to a broken one, and
hands out its pages, its version and three descriptions of its APIs, of which no setting closes more than one. Here it
is deny by default: for the execution API too, and for places that do not exist.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from http import HTTPStatus
from urllib.parse import quote, urlencode

from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

SIGN_IN, LOGIN_PAGE = ("POST", "/auth/token"), "/auth/login"
OPEN = frozenset({("GET", "/api/v2/monitor/health"), ("GET", "/api/v2/auth/login"), ("GET", LOGIN_PAGE), SIGN_IN})
"""What is answered without a token; why, says docs/open_doors.md."""
FILES = "/auth/static/"
"""What the login page is made of: open to GET as well."""
LONGEST = 4096
"""Bytes of a name and a password: the one body that is read of somebody unknown."""
CHALLENGE = {"WWW-Authenticate": 'Bearer realm="airflow"'}
COOKIE = "_token"


class Door:
    """ASGI middleware that lets a request through whose token is known, or that needs none.

    What a token is good for remains Airflow's to say, route by route.

    Args:
        app: Airflow's own.
        is_known: Says of a token whether it was signed here, and still is valid.
    """

    def __init__(self, app: ASGIApp, is_known: Callable[[str], Awaitable[bool]]) -> None:
        self._app, self._is_known = app, is_known

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request; refuse a web socket."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
        elif scope["type"] != "http":
            await send({"type": "websocket.close", "code": 1008})
        elif refusal := await self._refuse(Request(scope)):
            await refusal(scope, receive, send)
        else:
            await self._app(scope, receive, send)

    async def _refuse(self, request: Request) -> Response | None:
        method, path = request.method, str(request.scope["path"])
        if (method, path) == SIGN_IN:
            return (
                None
                if _is_short(request)
                else _say(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "a name and a password are short")
            )
        if (method, path) in OPEN or (method == "GET" and path.startswith(FILES)):
            return None
        token = find_token(request)
        if token and await self._is_known(token):
            return None
        if method == "GET" and "text/html" in request.headers.get("accept", ""):
            return RedirectResponse(_sign_in_address(request, path))
        told = "the token is unknown or outdated" if token else "there is no token"
        return _say(HTTPStatus.UNAUTHORIZED, f"{told}; every request has one; POST /auth/token gives it", CHALLENGE)


def find_token(request: Request) -> str:
    """Return the token of a request, empty without one: as in Airflow, the header goes before the browser's cookie."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else request.cookies.get(COOKIE, "")


def _is_short(request: Request) -> bool:
    told = request.headers.get("content-length", "0")
    return "transfer-encoding" not in request.headers and told.isdecimal() and int(told) <= LONGEST


def _sign_in_address(request: Request, path: str) -> str:
    """Return the login page's address, with the page to go on to; of the API nothing is a page."""
    if path == "/" or path.startswith("/api/"):
        return LOGIN_PAGE
    page = quote(path) + (f"?{request.url.query}" if request.url.query else "")
    return f"{LOGIN_PAGE}?{urlencode({'next': page})}"


def _say(status: HTTPStatus, detail: str, headers: dict[str, str] | None = None) -> Response:
    return JSONResponse({"detail": detail}, status, headers)
