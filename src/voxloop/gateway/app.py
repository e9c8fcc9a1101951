"""The application: its parts put together, started and stopped with the event loop."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from voxloop import __version__
from voxloop.adapters.triton_async import AsyncTriton
from voxloop.config import find_config, load_config
from voxloop.data.prosody_tables import FeaturesConfig
from voxloop.errors import VoxloopError
from voxloop.gateway.asking import Asking
from voxloop.gateway.config import GatewayConfig
from voxloop.gateway.decoding import AudioDecoder
from voxloop.gateway.figures import Figures
from voxloop.gateway.guard import OPEN, Admission, Guard
from voxloop.gateway.keys import KeyBook
from voxloop.gateway.pages import Services, router
from voxloop.gateway.problems import TITLES, ProblemError, problem_of, write_problem
from voxloop.gateway.rates import RateLimiter
from voxloop.gateway.route_watch import RouteWatch
from voxloop.ledger.book import Ledger, open_ledger
from voxloop.settings import Settings
from voxloop.tasks import FAMILIES, get_task

PLACES = (*(f"/v1/{family}" for family in FAMILIES), *OPEN, "/metrics", "/openapi.json")


def build_app(settings: Settings, config: GatewayConfig, *, ledger: Callable[[], Ledger] | None = None) -> Guard:
    """Return the gateway as an ASGI application; nothing is started before its lifespan.

    Args:
        settings: Where Triton, the ledger and the keys are.
        config: Limits.
        ledger: Opens the ledger; that of the settings when None.

    Raises:
        ConfigError: How prosody is measured is not configured.
    """
    prosody = load_config(FeaturesConfig, find_config("features", "prosody")).prosody
    figures = Figures()

    @asynccontextmanager
    async def live(app: FastAPI) -> AsyncIterator[None]:
        for family in FAMILIES:  # half a second of imports, which no request has to wait for
            get_task(family)
        routes = RouteWatch(ledger or (lambda: open_ledger(settings)), config.ledger_seconds)
        decoder = AudioDecoder(config.audio, prosody, workers=config.workers, waiting=config.waiting)
        triton = AsyncTriton(settings, seconds=config.triton_seconds)
        asking = Asking(triton, routes, decoder, shadows=config.shadows)
        app.state.services = Services(config, asking, routes, triton, figures)
        routes.start()
        decoder.start()
        try:
            yield
        finally:
            await asking.close()
            await triton.close()
            decoder.stop()
            routes.stop()

    app = FastAPI(title="voxloop", version=__version__, lifespan=live, docs_url=None, redoc_url=None)
    app.include_router(router)
    app.add_exception_handler(VoxloopError, _write(config.retry_after_seconds))
    app.add_exception_handler(Exception, _write(config.retry_after_seconds))  # the guard logs it
    app.add_exception_handler(HTTPException, _write(config.retry_after_seconds))
    admission = Admission(
        KeyBook(settings.gateway_keys), RateLimiter(config.requests_per_second, config.burst), config.in_flight
    )
    return Guard(app, admission, figures, PLACES, config.retry_after_seconds)


def _write(retry_after: int) -> Callable[[Request, Exception], JSONResponse]:
    def handle(request: Request, error: Exception) -> JSONResponse:
        if isinstance(error, HTTPException):
            told = f"{request.method} {request.url.path[:80]}: {TITLES.get(error.status_code, error.detail).lower()}"
            error = ProblemError(error.status_code, told, remedy="see /openapi.json", headers=error.headers)
        return write_problem(problem_of(error, retry_after), request.state.request_id)

    return handle
