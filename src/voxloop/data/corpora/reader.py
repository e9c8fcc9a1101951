"""What a corpus reader is: a configuration, a folder it recognises, and candidates that load or refuse."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from pydantic import Field, field_validator

from voxloop.config import StrictModel
from voxloop.data.schema import Utterance
from voxloop.data.splits import SplitConfig
from voxloop.errors import CorpusError
from voxloop.speech.waveform import AudioLimits


class CorpusConfig(StrictModel):
    """What every corpus configuration says."""

    source: str
    licence: str
    language: str
    recorded_at: datetime
    """When the recordings were made; a corpus that gives no dates gets the day it was published."""
    split: SplitConfig
    speakers: tuple[str, ...] = ()
    """Take only these; all of them when empty."""
    audio: AudioLimits = AudioLimits()
    shard_mebibytes: float = Field(default=256.0, gt=0.0)
    max_refused_share: float = Field(default=0.0, ge=0.0, le=1.0)
    """With a larger share of unusable files nothing is written. By default one file is too many: a person should look.
    With a share allowed, what is refused stands in the quarantine table with its reason, and is counted."""

    @field_validator("recorded_at")
    @classmethod
    def _aware(cls, moment: datetime) -> datetime:
        if moment.tzinfo is None:
            raise ValueError("the time needs a zone, such as a final Z")
        return moment


class UnusableFileError(CorpusError):
    """One file of a corpus cannot be used; the others may.

    Args:
        name: The file, relative to the corpus folder.
        reason: The short name it is counted under.
        detail: What exactly was found.
    """

    def __init__(self, name: str, reason: str, detail: str) -> None:
        self.name = name
        self.reason = reason
        self.detail = detail
        super().__init__(f"{name} is unusable: {reason}", rule=detail)

    def __reduce__(self) -> tuple[object, ...]:
        return (type(self), (self.name, self.reason, self.detail))


@dataclass(frozen=True)
class Candidate:
    """A file, or a virtual utterance, that may become a row.

    Args:
        path: Relative to the corpus folder; what a quarantine calls it.
        speaker_id: None when nothing tells who speaks.
        load: Returns the utterance, or raises UnusableFileError or UnusableAudioError.
    """

    path: str
    speaker_id: str | None
    load: Callable[[], Utterance]


@dataclass(frozen=True)
class CorpusReader:
    """How one corpus is read.

    Args:
        config_model: Model of `configs/corpora/<name>.yaml`.
        locate: Turns the path a person gave into the corpus' own folder, or raises CorpusError; None for a corpus that
            needs none.
        list_candidates: Every file or utterance, in an order that does not depend on the file system.
    """

    config_model: type[CorpusConfig]
    locate: Callable[[Path], Path] | None
    list_candidates: Callable[[Any, Path | None], Sequence[Candidate]]


def require_folder(path: Path, layout: str) -> None:
    """Check that a corpus path is a folder with something in it.

    Args:
        path: What a person gave.
        layout: What the folder should hold, for the message.

    Raises:
        CorpusError: It is not there, is a file, or is empty.
    """
    if not path.exists():
        raise CorpusError(f"{path} does not exist", rule=layout, remedy="name the folder of the corpus as --path")
    if not path.is_dir():
        raise CorpusError(f"{path} is not a folder", rule=layout, remedy="unpack it and name the folder as --path")
    if not any(path.iterdir()):
        raise CorpusError(f"{path} is empty", rule=layout, remedy="unpack the corpus there, or name another --path")
