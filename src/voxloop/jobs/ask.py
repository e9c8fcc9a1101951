"""Ask the served model about one audio file."""

from __future__ import annotations

import json as json_text
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path


@dataclass(frozen=True)
class Answer:
    """What the served model said: probability by label, and which model it was."""

    task: str
    version: int
    model_digest: str
    probabilities: Mapping[str, float]

    @property
    def label(self) -> str:
        """The most probable label."""
        return max(self.probabilities, key=lambda label: self.probabilities[label])

    def as_json(self) -> str:
        """Return everything as one JSON object."""
        return json_text.dumps({"label": self.label, **asdict(self)})

    def as_text(self) -> str:
        """Return the label, a bar for every probability, and the model."""
        width = max(len(label) for label in self.probabilities)
        ranked = sorted(self.probabilities.items(), key=lambda item: -item[1])
        bars = [f"  {label:<{width}}  {value:6.1%}  {'█' * round(30 * value)}" for label, value in ranked]
        return "\n".join([self.label, *bars, f"model {self.model_digest} (version {self.version})"])


def ask(task: str, file: Path, *, json: bool = False) -> None:
    """Ask the champion of a task about one sound file, over Triton.

    Prints the label, the probability of every label, and the digest of the model that answered.

    Args:
        task: Family of the model, `emotion`.
        file: WAV, FLAC, Ogg or MP3; it is mixed to mono and resampled to 16 kHz.
        json: Print one JSON object instead.

    Raises:
        InputError: The file is missing or is no sound, or the task has no champion yet.
        IntegrityError: The ledger is not whole, or Triton serves another model than it says.
        ServiceUnavailableError: MLflow or Triton does not answer, or Triton does not serve the champion.
    """
    from voxloop.adapters.mlflow_registry import MlflowRegistry
    from voxloop.adapters.triton import TritonServer
    from voxloop.errors import InputError, IntegrityError
    from voxloop.ledger.book import open_ledger
    from voxloop.release.champion import find_champion
    from voxloop.settings import get_settings
    from voxloop.speech.waveform import decode_audio
    from voxloop.tasks import require_task

    require_task(task)
    if not file.is_file():
        raise InputError(f"{file} does not exist or is no file", remedy="name a sound file")
    waveform = decode_audio(file)
    settings = get_settings()
    with TritonServer(settings) as server:
        server.require_ready()
        champion = find_champion(MlflowRegistry(settings), open_ledger(settings), task)
        if champion is None:
            raise InputError(
                f"{task} has no champion", rule="the champion answers", remedy="approve a version, `voxloop deploy`"
            )
        name = champion.serving_name
        served = server.read_parameters(name)
        if served["model_digest"] != champion.model_digest:
            raise IntegrityError(
                f"Triton serves {served['model_digest'][:12]} as {name}, the champion is {champion.model_digest[:12]}",
                remedy=f"run `voxloop reconcile --task {task}`",
            )
        labels = served["labels"]
        probabilities = [float(value) for value in server.answer(name, waveform)]
    answer = Answer(task, champion.number, champion.model_digest, dict(zip(labels, probabilities, strict=True)))
    print(answer.as_json() if json else answer.as_text(), flush=True)
