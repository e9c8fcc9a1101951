"""The application: its parts put together, started and stopped with the event loop."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass

from fastapi import APIRouter, FastAPI, Request
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from voxloop import __version__
from voxloop.adapters.triton_async import AsyncTriton
from voxloop.config import find_config, load_config
from voxloop.data.decoding_pool import WorkerLimits
from voxloop.data.prosody_tables import FeaturesConfig
from voxloop.data.word_tables import WordsConfig
from voxloop.errors import VoxloopError
from voxloop.gateway import administration, analyze, decoding, feedback
from voxloop.gateway.asking import Asking
from voxloop.gateway.cascade import Cascade
from voxloop.gateway.config import GatewayConfig
from voxloop.gateway.decoding import AudioDecoder
from voxloop.gateway.figures import Figures
from voxloop.gateway.guard import OPEN, Admission, Guard
from voxloop.gateway.keys import ANALYZE, KeyBook
from voxloop.gateway.pages import Services, router
from voxloop.gateway.problems import TITLES, ProblemError, problem_of, write_problem
from voxloop.gateway.profile_keeper import ProfileKeeper
from voxloop.gateway.rates import RateLimiter
from voxloop.gateway.recording import Recorder
from voxloop.gateway.route_watch import RouteWatch
from voxloop.ledger.book import Ledger, open_ledger
from voxloop.monitoring import sound_measures
from voxloop.monitoring.prediction_writer import PredictionLog
from voxloop.monitoring.sound_measures import SoundMeasurer
from voxloop.settings import Settings, now
from voxloop.speech.prosody import ProsodyConfig
from voxloop.tasks import FAMILIES, get_task

PLACES = (*(f"/v1/{family}" for family in FAMILIES), "/v1/analyze", *OPEN, "/openapi.json", "/v1/feedback")
MEASURE_SECONDS = 60.0
"""Of the processor, for one sound: the first loads and compiles for ten, and with eight no sound was ever measured."""


@dataclass(frozen=True)
class Gateway:
    """The gateway, not begun.

    Args:
        public: What answers callers: an ASGI application.
        admin: What answers those who run it, with a count of requests under way of its own: no caller keeps it busy.
        live: Begins what it asks, and ends it; it answers in between alone.
    """

    public: Guard
    admin: Guard
    live: Callable[[], AbstractAsyncContextManager[None]]


def build_app(settings: Settings, config: GatewayConfig, *, ledger: Callable[[], Ledger] | None = None) -> Gateway:
    """Return the gateway; nothing is started yet.

    Args:
        settings: Where Triton, the ledger and the keys are.
        config: Limits.
        ledger: Opens the ledger; that of the settings when None.

    Raises:
        ConfigError: How prosody is measured and words are counted is not configured.
    """
    prosody = load_config(FeaturesConfig, find_config("features", "prosody")).prosody
    words = load_config(WordsConfig, find_config("features", "words"))
    figures, keys = Figures(), KeyBook(settings.gateway_keys)
    public = _build_app(config, router, analyze.router, feedback.router)
    admin = _build_app(config, administration.router, openapi_url=None)

    @asynccontextmanager
    async def live() -> AsyncIterator[None]:
        for family in FAMILIES:  # half a second of imports, which no request has to wait for
            get_task(family)
        routes = RouteWatch(ledger or (lambda: open_ledger(settings)), config.ledger_seconds)
        decoder = AudioDecoder(config.audio, prosody, workers=config.workers, waiting=config.waiting)
        triton = AsyncTriton(settings, seconds=config.triton_seconds)
        predictions = _build_log(settings, config, prosody)
        asking = Asking(triton, routes, decoder, Recorder(predictions, now), shadows=config.shadows)
        profiles = _build_profiles(settings, config)
        cascade = Cascade(asking, profiles, words, now, config.retry_after_seconds)
        public.state.services = admin.state.services = Services(
            config, asking, routes, triton, figures, predictions, settings.feedback, profiles, cascade
        )
        routes.start()
        decoder.start()
        if predictions is not None:
            predictions.start()
            figures.watch_predictions(predictions.tally)
        if _has_key_for(keys, ANALYZE):
            profiles.start()
        try:
            yield
        finally:
            await asking.close()
            await triton.close()
            decoder.stop()
            profiles.stop()
            if predictions is not None:  # after the last answer
                predictions.stop()
            routes.stop()

    def guard(app: FastAPI, places: tuple[str, ...], open_places: tuple[str, ...]) -> Guard:
        admission = Admission(keys, RateLimiter(config.requests_per_second, config.burst), config.in_flight)
        return Guard(app, admission, figures, places, config.retry_after_seconds, open_places)

    return Gateway(guard(public, PLACES, OPEN), guard(admin, (administration.METRICS,), ()), live)


def _build_app(config: GatewayConfig, *routers: APIRouter, openapi_url: str | None = "/openapi.json") -> FastAPI:
    app = FastAPI(title="voxloop", version=__version__, docs_url=None, redoc_url=None, openapi_url=openapi_url)
    for one in routers:
        app.include_router(one)
    app.add_exception_handler(VoxloopError, _write(config.retry_after_seconds))
    app.add_exception_handler(Exception, _write(config.retry_after_seconds))  # the guard logs it
    app.add_exception_handler(HTTPException, _write(config.retry_after_seconds))
    return app


def _build_log(settings: Settings, config: GatewayConfig, prosody: ProsodyConfig) -> PredictionLog | None:
    if not config.predictions.is_on:
        return None
    limits = WorkerLimits(seconds=MEASURE_SECONDS, mebibytes=config.audio.decode_mebibytes)
    measurer = SoundMeasurer(prosody, limits, preload=[decoding.__name__])
    return PredictionLog(settings.predictions, settings.speaker_keys, config.predictions, measurer, now)


def _build_profiles(settings: Settings, config: GatewayConfig) -> ProfileKeeper:
    preload = [decoding.__name__, sound_measures.__name__]
    return ProfileKeeper(config.profiles, settings.speaker_keys, settings.heard_journal, preload=preload)


def _has_key_for(keys: KeyBook, action: str) -> bool:
    try:
        return any(action in key.actions for key in keys.list_keys())
    except VoxloopError:  # each request will be told
        return False


def _write(retry_after: int) -> Callable[[Request, Exception], JSONResponse]:
    def handle(request: Request, error: Exception) -> JSONResponse:
        if isinstance(error, HTTPException):
            told = f"{request.method} {request.url.path[:80]}: {TITLES.get(error.status_code, error.detail).lower()}"
            error = ProblemError(error.status_code, told, remedy="see /openapi.json", headers=error.headers)
        return write_problem(problem_of(error, retry_after), request.state.request_id)

    return handle
