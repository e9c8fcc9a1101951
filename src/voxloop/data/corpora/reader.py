"""What a corpus reader is: a configuration, a folder it recognises, and candidates that load or refuse."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from pydantic import Field, field_validator

from voxloop.config import StrictModel, resolved
from voxloop.data.schema import Utterance
from voxloop.data.splits import SplitConfig
from voxloop.errors import CorpusError
from voxloop.speech.limits import AudioLimits

_DEPTH = 3  # the folder given and two levels below: cv-corpus-17.0/pl, LibriSpeech inside an unpacked folder


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
        recorded_at: When it was recorded, aware, where the corpus itself says so. None where it does not, and the
            configuration's `recorded_at` stands in.
        config: Whose speakers, split and limits are its own; those of the dataset when None.
    """

    path: str
    speaker_id: str | None
    load: Callable[[], Utterance]
    recorded_at: datetime | None = None
    config: CorpusConfig | None = None


@dataclass(frozen=True)
class CorpusReader:
    """How one corpus is read.

    Args:
        name: As `--corpus` names it.
        title: What it is, in a line.
        tasks: Families it has labels for: `asr`, `emotion`, `personality`.
        licence: The terms of the original.
        layout: The folder it expects, in a line.
        parallel_texts: Whether every speaker says the same sentences: a sentence in training and in test is then no
            surprise to anything but recognition, which cannot be tested on it.
        config_model: Model of `configs/corpora/<name>.yaml`.
        locate: Turns the path a person gave into the corpus' own folder, or raises CorpusError; None for a corpus that
            needs none.
        list_candidates: Every file or utterance, in an order that does not depend on the file system. `load` of each is
            a `functools.partial` of a module's function with plain data, because decoding happens in other processes.
        size: How much of it there is, as its authors say.
        list_parts: Of a corpus made of others, by its configuration; None for any other.
    """

    name: str
    title: str
    tasks: tuple[str, ...]
    licence: str
    layout: str
    parallel_texts: bool
    config_model: type[CorpusConfig]
    locate: Callable[[Path], Path] | None
    list_candidates: Callable[[Any, Path | None], Sequence[Candidate]]
    size: str = ""
    list_parts: Callable[[Any], Sequence[CorpusPart]] | None = None

    def parts(self, config: Any) -> Sequence[CorpusPart]:
        """Return what it is made of under a configuration; nothing for a corpus that is one by itself."""
        return self.list_parts(config) if self.list_parts else ()

    def has_parallel_texts(self, config: Any) -> bool:
        """Return whether every speaker of it, or of a part of it, says the same sentences."""
        return self.parallel_texts or any(part.reader.has_parallel_texts(part.config) for part in self.parts(config))

    def describe(self, config: CorpusConfig) -> dict[str, Any]:
        """Return the configuration, and that of every part, as plain JSON values."""
        parts = [{"corpus": part.reader.name, "config": resolved(part.config)} for part in self.parts(config)]
        return {**resolved(config), **({"of_parts": parts} if parts else {})}


@dataclass(frozen=True)
class CorpusPart:
    """One corpus of several that are read as one.

    Args:
        reader: Which one.
        config: Its own: its speakers keep the split they have by themselves.
        folder: The corpus' own folder; None for one that needs none.
    """

    reader: CorpusReader
    config: CorpusConfig
    folder: Path | None


def find_folder(path: Path, markers: Sequence[str], layout: str) -> Path:
    """Return the corpus' own folder: `path`, or the one folder up to two levels below it that holds what marks it.

    Args:
        path: What a person gave.
        markers: Names or glob patterns, every one of which must be found right inside the folder.
        layout: What the folder should hold, for the message.

    Raises:
        CorpusError: `path` is no folder or empty, no folder holds all the markers, or several do.
    """
    require_folder(path, layout)
    level = [path]
    for _ in range(_DEPTH):
        found = [folder for folder in level if all(any(folder.glob(marker)) for marker in markers)]
        if len(found) == 1:
            return found[0]
        if found:
            places = ", ".join(str(folder) for folder in found)
            raise CorpusError(
                f"{path} holds several corpora: {places}", rule=layout, remedy="name one of them as --path"
            )
        level = sorted(below for folder in level for below in folder.iterdir() if _may_hold(below))
    missing = next((marker for marker in markers if not any(path.glob(marker))), markers[0])
    raise CorpusError(f"{path} has no {missing}", rule=layout, remedy=f"put {missing} there, or fix --path")


def _may_hold(path: Path) -> bool:
    return not path.name.startswith(".") and path.is_dir()


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
