"""A model on Triton whose description was read once: asked again and again, decoded by what the server says of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from voxloop.adapters.triton_model import make_batch

if TYPE_CHECKING:
    from voxloop.adapters.triton import TritonServer
    from voxloop.adapters.triton_model import ServedModel
    from voxloop.tasks import Answer
    from voxloop.tasks.output_difference import Array, Arrays


@dataclass(frozen=True)
class OpenedModel:
    """A model and the server that has it."""

    server: TritonServer
    model: ServedModel

    def make_golden(self, seconds: float) -> Arrays:
        """Return the family's golden request of this length, in the model's encoding."""
        (request,) = self.model.task.golden_inputs(self.model.encoding, (seconds,))
        return request

    def answer(self, request: Arrays) -> dict[str, Array]:
        """Return the outputs for one request, both by name and without the batch dimension."""
        return {key: array[0] for key, array in self.server.infer(self.model, make_batch(request)).items()}

    def decode(self, outputs: Arrays) -> Answer | None:
        """Return the answer of one row of outputs, as the server's description says; None where one is not finite."""
        return self.model.decode(outputs)
