"""From a request to an answer: the route chooses a model, the family encodes and decodes, Triton computes."""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from voxloop.adapters.triton_async import AsyncTriton
from voxloop.adapters.triton_model import ServedModel
from voxloop.data.asked import make_asked_row
from voxloop.errors import IntegrityError, ServiceUnavailableError, VoxloopError
from voxloop.gateway.bodies import Asked
from voxloop.gateway.decoding import AudioDecoder, DecodedAudio
from voxloop.gateway.problems import ProblemError
from voxloop.gateway.route_watch import RouteWatch
from voxloop.release.routes import Route
from voxloop.release.versions import serving_name
from voxloop.tasks import Answer, get_task

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Answered:
    """An answer as the family decodes it, and the digest of the model that gave it."""

    model_digest: str
    answer: Answer


class Asking:
    """Asks Triton for callers.

    Args:
        triton: Is asked.
        routes: Say which model answers whom.
        decoder: Decode sound.
        shadows: Requests to shadows under way at once.
    """

    def __init__(self, triton: AsyncTriton, routes: RouteWatch, decoder: AudioDecoder, *, shadows: int) -> None:
        self._triton = triton
        self._routes = routes
        self._decoder = decoder
        self._most_shadows = shadows
        self._shadows: set[asyncio.Task[None]] = set()

    def require_route(self, family: str) -> Route:
        """Return the route of a family.

        Raises:
            ServiceUnavailableError: There is none, or it is switched off.
        """
        route = self._routes.find(family)
        if route is None:
            told = f" ({self._routes.trouble})" if self._routes.trouble else ""
            raise ServiceUnavailableError(
                f"{family} has no route{told}",
                rule="a promoted model answers",
                remedy="approve a version; `voxloop deploy`",
            )
        if not route.is_on:
            raise ServiceUnavailableError(
                f"{family} is switched off", rule="its route in the ledger says so", remedy="ask who runs the platform"
            )
        return route

    async def ask(self, family: str, asked: Asked, caller: str) -> Answered:
        """Return what the model on the caller's route says.

        Raises:
            InputError: The sound or the words cannot be used.
            ServiceUnavailableError: There is no route, or Triton does not answer.
        """
        route = self.require_route(family)
        digest = route.choose(caller)
        model = await self._find_model(family, digest)
        decoded = await self._decode(family, asked)
        answered = await self._ask_model(model, asked, decoded)
        if route.shadow is not None:
            self._ask_shadow(family, route.shadow, asked, decoded)
        return Answered(digest, answered)

    async def close(self) -> None:
        """Wait for no shadow."""
        for task in list(self._shadows):
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    async def _find_model(self, family: str, digest: str) -> ServedModel:
        model = await self._triton.read_model(serving_name(family, digest), digest)
        if model.described.task != family:
            raise IntegrityError(
                f"{model.name} is a model of {model.described.task}",
                rule=f"the route is of {family}",
                remedy="write a route of another model",
            )
        return model

    async def _decode(self, family: str, asked: Asked) -> DecodedAudio | None:
        if asked.sound is None:
            return None
        return await self._decoder.decode(asked.sound, measures=not get_task(family).AUDIO)

    async def _ask_model(self, model: ServedModel, asked: Asked, decoded: DecodedAudio | None) -> Answer:
        features = {**(decoded.features if decoded else {}), **asked.words.features}
        row: dict[str, Any] = make_asked_row(asked.words.text, asked.words.language, features)
        request = model.make_request(row, decoded.waveform if decoded else None)
        outputs = await self._triton.answer(model, request)
        if (answer := model.decode(outputs)) is None:
            raise ProblemError(422, "the model has no finite answer to this", rule="an answer is made of numbers")
        return answer

    def _ask_shadow(self, family: str, digest: str, asked: Asked, decoded: DecodedAudio | None) -> None:
        """Ask the shadow too, while nobody waits; its answers reach nobody."""
        if len(self._shadows) >= self._most_shadows:
            return
        task = asyncio.create_task(self._follow(family, digest, asked, decoded))
        self._shadows.add(task)
        task.add_done_callback(self._shadows.discard)

    async def _follow(self, family: str, digest: str, asked: Asked, decoded: DecodedAudio | None) -> None:
        try:
            model = await self._find_model(family, digest)
            await self._ask_model(model, asked, decoded)
        except VoxloopError as failed:
            log.warning("the shadow of %s: %s", family, failed.problem)
