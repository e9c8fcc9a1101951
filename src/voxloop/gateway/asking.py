"""From a request to an answer: the route chooses a model, the family encodes and decodes, Triton computes."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

from voxloop.adapters.triton_async import AsyncTriton
from voxloop.adapters.triton_model import ServedModel
from voxloop.data.asked import make_asked_row
from voxloop.errors import IntegrityError, ServiceUnavailableError, VoxloopError
from voxloop.gateway.bodies import Asked
from voxloop.gateway.decoding import AudioDecoder, DecodedAudio
from voxloop.gateway.problems import ProblemError
from voxloop.gateway.recording import Attempt, Caller, Recorder
from voxloop.gateway.route_watch import RouteInForce, RouteWatch
from voxloop.gateway.tracing import trace_part
from voxloop.release.versions import serving_name
from voxloop.tasks import Answer, get_task

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Answered:
    """An answer as the family decodes it, and the digest of the model that gave it."""

    model_digest: str
    answer: Answer


@dataclass(frozen=True)
class _Chosen:
    """Who answers a caller."""

    family: str
    in_force: RouteInForce
    digest: str
    model: ServedModel


class Asking:
    """Asks Triton for callers.

    Args:
        triton: Is asked.
        routes: Say which model answers whom.
        decoder: Decodes sound.
        recorder: Is told what came of it.
        shadows: Requests to shadows under way at once.
    """

    def __init__(
        self, triton: AsyncTriton, routes: RouteWatch, decoder: AudioDecoder, recorder: Recorder, *, shadows: int
    ) -> None:
        self._triton = triton
        self._routes = routes
        self._decoder = decoder
        self._recorder = recorder
        self._most_shadows = shadows
        self._shadows: set[asyncio.Task[None]] = set()

    def require_route(self, family: str) -> RouteInForce:
        """Return the route of a family and the number of its row.

        Raises:
            ServiceUnavailableError: There is none, or it is switched off.
        """
        in_force = self._routes.find_in_force(family)
        if in_force is None:
            told = f" ({self._routes.trouble})" if self._routes.trouble else ""
            raise ServiceUnavailableError(
                f"{family} has no route{told}",
                rule="a promoted model answers",
                remedy="approve a version; `voxloop deploy`",
            )
        if not in_force.route.is_on:
            raise ServiceUnavailableError(
                f"{family} is switched off", rule="its route in the ledger says so", remedy="ask who runs the platform"
            )
        return in_force

    async def ask(self, family: str, asked: Asked, caller: Caller) -> Answered:
        """Return what the model on the caller's route says.

        Raises:
            InputError: The sound or the words cannot be used.
            ServiceUnavailableError: There is no route, or Triton does not answer.
        """
        chosen = await self._choose(family, asked, caller)
        decoded = None
        if asked.sound is not None:
            decoded = await self.decode(asked.sound, measures=not get_task(family).AUDIO)
        return await self._answer(chosen, asked, caller, decoded)

    async def decode(self, sound: bytes, *, measures: bool) -> DecodedAudio:
        """Return what a sound says, and its prosody where that is asked for; raises as `AudioDecoder.decode`."""
        with trace_part("decode"):
            return await self._decoder.decode(sound, measures=measures)

    async def ask_decoded(self, family: str, asked: Asked, caller: Caller, decoded: DecodedAudio) -> Answered:
        """Return the same as `ask` of a sound that was decoded before; raises as that."""
        return await self._answer(await self._choose(family, asked, caller, decoded), asked, caller, decoded)

    async def close(self) -> None:
        """Wait for no shadow."""
        for task in list(self._shadows):
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    async def _choose(self, family: str, asked: Asked, caller: Caller, decoded: DecodedAudio | None = None) -> _Chosen:
        await self._routes.look_if_changed()
        in_force = self.require_route(family)
        digest = in_force.route.choose(caller.key_id)
        with self._recording_failure(Attempt(family, digest, in_force.sequence, False), caller, asked, decoded):
            return _Chosen(family, in_force, digest, await self._find_model(family, digest))

    async def _answer(self, chosen: _Chosen, asked: Asked, caller: Caller, decoded: DecodedAudio | None) -> Answered:
        route, sequence = chosen.in_force.route, chosen.in_force.sequence
        attempt = Attempt(chosen.family, chosen.digest, sequence, False)
        with self._recording_failure(attempt, caller, asked, decoded):
            answered = await self._ask_model(chosen.model, asked, decoded)
        self._recorder.answered(attempt, caller, asked, decoded, answered)
        if route.shadow is not None:
            self._ask_shadow(route.shadow, sequence, chosen.family, asked, caller, decoded)
        return Answered(chosen.digest, answered)

    async def _find_model(self, family: str, digest: str) -> ServedModel:
        model = await self._triton.read_model(serving_name(family, digest), digest)
        if model.described.task != family:
            raise IntegrityError(
                f"{model.name} is a model of {model.described.task}",
                rule=f"the route is of {family}",
                remedy="write a route of another model",
            )
        return model

    async def _ask_model(self, model: ServedModel, asked: Asked, decoded: DecodedAudio | None) -> Answer:
        features = {**(decoded.features if decoded else {}), **asked.words.features}
        row: dict[str, Any] = make_asked_row(asked.words.text, asked.words.language, features)
        request = model.make_request(row, decoded.waveform if decoded else None)
        with trace_part("ask the model", model=model.name):
            outputs = await self._triton.answer(model, request)
        if (answer := model.decode(outputs)) is None:
            raise ProblemError(422, "the model has no finite answer to this", rule="an answer is made of numbers")
        return answer

    @contextmanager
    def _recording_failure(
        self, attempt: Attempt, caller: Caller, asked: Asked, decoded: DecodedAudio | None = None
    ) -> Iterator[None]:
        try:
            yield
        except VoxloopError as failed:
            self._recorder.failed(attempt, caller, asked, decoded, failed)
            raise

    def _ask_shadow(
        self, digest: str, route: int, family: str, asked: Asked, caller: Caller, decoded: DecodedAudio | None
    ) -> None:
        """Ask the shadow too, while nobody waits; its answers reach nobody."""
        if len(self._shadows) >= self._most_shadows:
            return
        task = asyncio.create_task(self._follow(Attempt(family, digest, route, True), asked, caller, decoded))
        self._shadows.add(task)
        task.add_done_callback(self._shadows.discard)

    async def _follow(self, attempt: Attempt, asked: Asked, caller: Caller, decoded: DecodedAudio | None) -> None:
        try:
            with self._recording_failure(attempt, caller, asked, decoded):
                model = await self._find_model(attempt.family, attempt.model_digest)
                answered = await self._ask_model(model, asked, decoded)
            self._recorder.answered(attempt, caller, asked, decoded, answered)
        except VoxloopError as failed:
            log.warning("the shadow of %s: %s", attempt.family, failed.problem)
