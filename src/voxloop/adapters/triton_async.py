"""Triton asked without waiting: one pool of connections for all requests of a process, on its event loop."""

from __future__ import annotations

from typing import TYPE_CHECKING

from voxloop.adapters.triton_errors import translated
from voxloop.adapters.triton_keys import make_inference_headers
from voxloop.adapters.triton_model import ServedModel, make_batch, read_served
from voxloop.errors import IntegrityError
from voxloop.tasks.output_difference import Array, Arrays

if TYPE_CHECKING:
    from voxloop.settings import Settings


class AsyncTriton:
    """The Triton at `settings.triton_url`, over HTTP. Made on the event loop that it is used on.

    Every method raises `ServiceUnavailableError` when Triton does not answer, `VoxloopError` when it was started with
    another key.

    Args:
        settings: Where it is.
        seconds: What an answer may take.
        connections: At once; more requests wait for one.
    """

    def __init__(self, settings: Settings, *, seconds: float, connections: int = 64) -> None:
        from tritonclient.http.aio import InferenceServerClient

        self.settings = settings
        self._headers = make_inference_headers(settings)
        self._models: dict[str, ServedModel] = {}
        self._client = InferenceServerClient(
            f"{settings.host}:{settings.ports.triton_http}", conn_limit=connections, conn_timeout=seconds
        )

    async def close(self) -> None:
        """Let go of all connections."""
        await self._client.close()

    async def is_live(self) -> bool:
        """Return whether Triton answers."""
        with translated(self.settings, "health"):
            return bool(await self._client.is_server_live())

    async def read_model(self, name: str, digest: str) -> ServedModel:
        """Return what a served model says of itself; asked once, for a name never changes its meaning.

        Raises:
            IntegrityError: It was staged from a folder of another digest.
        """
        if name not in self._models:
            with translated(self.settings, name):
                served = read_served(name, await self._client.get_model_config(name, headers=self._headers))
            if served.digest != digest:
                raise IntegrityError(
                    f"Triton serves {served.digest[:12]} as {name}, the route says {digest[:12]}",
                    rule="a name never changes its meaning",
                    remedy="run `voxloop deploy`",
                )
            self._models[name] = served
        return self._models[name]

    async def answer(self, model: ServedModel, request: Arrays) -> dict[str, Array]:
        """Return the outputs for one request, both by name and without the batch dimension.

        Raises:
            InputError: Triton refuses the request.
        """
        inputs = model.write_inputs(make_batch(request))
        with translated(self.settings, model.name):
            result = await self._client.infer(model.name, inputs, headers=self._headers)
        return {name: array[0] for name, array in model.read_outputs(result).items()}
