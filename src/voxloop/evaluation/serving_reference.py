"""What a promotion asks the server, and what evaluation answers to it: one graph, one `decode`, opened here too."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from voxloop.evaluation.exported_model import Array, Arrays, ExportedModel
from voxloop.speech.golden import golden_sounds
from voxloop.tasks import Answer

LENGTHS = (0.1, 3.0, 10.0, 60.0)
"""Seconds of speech that a model of words is asked about; its golden requests have about three words a second."""


class ServingReference:
    """A verified model folder, opened as evaluation opens it.

    Args:
        folder: Written by `export`.

    Raises:
        InputError: It is no such folder.
    """

    def __init__(self, folder: Path) -> None:
        self.model = ExportedModel(folder, threads=1)

    def requests(self) -> Iterator[tuple[str, Arrays]]:
        """Give the requests by kind: recordings of several rates, silence, clipping, very short and very long.

        A sound is resampled before a model hears it, so a rate is a recording's, decoded as the gateway decodes it. A
        model that hears no sound is asked about what it reads of as much speech.
        """
        task, encoding = self.model.task, self.model.encoding
        if task.AUDIO:
            for kind, sound in golden_sounds().items():
                yield kind, task.make_request({}, sound, encoding)
        else:
            for seconds, request in zip(LENGTHS, task.golden_inputs(encoding, LENGTHS), strict=True):
                yield f"{seconds:g} s", request

    def answer(self, request: Arrays) -> dict[str, Array]:
        """Return the outputs for one request, both by name and without the batch dimension."""
        return self.model.ask(request)

    def decode(self, outputs: Arrays) -> Answer | None:
        """Return the answer of one row of outputs; None where one is not finite."""
        return self.model.decode(outputs)
