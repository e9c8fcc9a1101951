"""Ask the served model about one audio file, or about words."""

from __future__ import annotations

import json as json_text
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True)
class Answer:
    """What the served model said, as its family decodes it, and which model it was."""

    task: str
    version: int
    model_digest: str
    said: Mapping[str, Any]

    def as_json(self) -> str:
        """Return everything as one JSON object."""
        known = {"task": self.task, "version": self.version, "model_digest": self.model_digest}
        return json_text.dumps({**self.said, **known}, ensure_ascii=False)

    def as_text(self) -> str:
        """Return what was said, the largest of several numbers first, and the model."""
        lines = [line for name, value in self.said.items() for line in _write_lines(name, value)]
        return "\n".join([*lines, f"model {self.model_digest} (version {self.version})"])


def _write_lines(name: str, value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif not isinstance(value, Mapping):
        yield f"{name} {value:.3g}"
    else:
        width = max(len(label) for label in value)
        bars = name == "probabilities"
        for label, number in sorted(value.items(), key=lambda item: -item[1]):
            yield f"  {label:<{width}}  " + (f"{number:6.1%}  {'█' * round(30 * number)}" if bars else f"{number:.3g}")


def ask(
    task: str, file: Path | None = None, *, text: str | None = None, language: str | None = None, json: bool = False
) -> None:
    """Ask the champion of a task about one sound file, or about words, over Triton.

    Prints the answer as evaluation decodes it, and the digest of the model that answered.

    Args:
        task: Family of the model: `asr`, `emotion` or `personality`.
        file: WAV, FLAC, Ogg or MP3; mixed to mono and resampled to 16 kHz. For personality its prosody is measured.
        text: What was said: `personality` alone reads words.
        language: ISO 639 code of the text.
        json: Print one JSON object instead.

    Raises:
        InputError: The file is missing or is no sound, there is nothing to ask about, or the task has no champion yet.
        IntegrityError: The ledger is not whole, or Triton serves another model than it says.
        ServiceUnavailableError: MLflow or Triton does not answer, or Triton does not serve the champion.
    """
    from voxloop.adapters.mlflow_registry import MlflowRegistry
    from voxloop.adapters.triton import TritonServer
    from voxloop.errors import InputError, IntegrityError
    from voxloop.ledger.book import open_ledger
    from voxloop.release.champion import find_champion
    from voxloop.settings import get_settings
    from voxloop.tasks import require_task

    require_task(task)
    row, waveform = _describe(task, file, text, language)
    settings = get_settings()
    with TritonServer(settings) as server:
        server.require_ready()
        champion = find_champion(MlflowRegistry(settings), open_ledger(settings), task)
        if champion is None:
            raise InputError(
                f"{task} has no champion", rule="the champion answers", remedy="approve a version, `voxloop deploy`"
            )
        name = champion.serving_name
        served = server.read_model(name)
        if served.digest != champion.model_digest:
            raise IntegrityError(
                f"Triton serves {served.digest[:12]} as {name}, the champion is {champion.model_digest[:12]}",
                remedy=f"run `voxloop reconcile --task {task}`",
            )
        said = served.decode(server.answer(name, served.make_request(row, waveform)))
    if said is None:
        raise InputError(f"{name} has no finite answer", rule="an answer is made of numbers", remedy="ask of another")
    answer = Answer(task, champion.number, champion.model_digest, said)
    print(answer.as_json() if json else answer.as_text(), flush=True)


def _describe(
    task: str, file: Path | None, text: str | None, language: str | None
) -> tuple[dict[str, Any], NDArray[np.int16] | None]:
    """Return the row that is asked about, and its sound for a family that hears it."""
    from voxloop.config import find_config, load_config
    from voxloop.data.asked import make_asked_row, measure_features
    from voxloop.data.prosody_tables import FeaturesConfig
    from voxloop.errors import InputError
    from voxloop.speech.waveform import decode_audio, to_int16
    from voxloop.tasks import get_task

    if file is not None and not file.is_file():
        raise InputError(f"{file} does not exist or is no file", remedy="name a sound file")
    waveform = None if file is None else decode_audio(file)
    if get_task(task).AUDIO:
        if waveform is None or text is not None:
            raise InputError(f"{task} is asked about a sound alone", remedy=f"voxloop ask {task} FILE")
        return make_asked_row(None, None), to_int16(waveform)
    if waveform is None and text is None:
        raise InputError(f"{task} is asked about nothing", remedy=f"voxloop ask {task} FILE --text '…', or one of them")
    config = load_config(FeaturesConfig, find_config("features", "prosody"))
    features = None if waveform is None else measure_features(waveform, config.prosody)
    return make_asked_row(text, language, features), None
