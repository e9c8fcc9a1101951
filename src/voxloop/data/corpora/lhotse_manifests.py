"""lhotse's manifests, JSON lines plain or gzipped, read without lhotse: its import needs torchaudio or takes seconds.

The fields are those of lhotse 1.x (`lhotse.audio.Recording`, `lhotse.supervision.SupervisionSegment`,
`lhotse.cut.MonoCut`); fields that voxloop has no use for are ignored.
"""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from voxloop.errors import CorpusError

RULE = "a manifest is JSON lines: recordings, supervisions or cuts of lhotse"


class _Entry(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class Source(_Entry):
    """Where a recording's sound is. `channels` are the numbers of its columns, in order."""

    type: str
    channels: tuple[int, ...]
    source: str


class Recording(_Entry):
    """One sound, perhaps long and of several channels. Seconds; `transforms` are effects to be applied to it."""

    id: str
    sources: tuple[Source, ...]
    duration: float = Field(gt=0.0)
    transforms: tuple[Any, ...] | None = None
    custom: dict[str, Any] | None = None


class Supervision(_Entry):
    """Who says what in which seconds of a recording; inside a cut, counted from the cut's start."""

    id: str
    recording_id: str
    start: float
    duration: float = Field(gt=0.0)
    channel: int | tuple[int, ...] = 0
    text: str | None = None
    language: str | None = None
    speaker: str | None = None
    gender: str | None = None
    custom: dict[str, Any] | None = None


class Cut(_Entry):
    """A part of a recording with the supervisions in it. Only a `MonoCut` is one recording and one channel."""

    id: str
    type: str = "MonoCut"
    start: float = 0.0
    duration: float = 0.0
    channel: int | tuple[int, ...] = 0
    supervisions: tuple[Supervision, ...] = ()
    recording: Recording | None = None


@dataclass
class Manifests:
    """Everything that was read. Supervisions and cuts keep the name of their file, and its order."""

    recordings: dict[str, Recording] = field(default_factory=dict)
    supervisions: list[tuple[str, Supervision]] = field(default_factory=list)
    cuts: list[tuple[str, Cut]] = field(default_factory=list)

    def add(self, place: str, entry: dict[str, Any]) -> None:
        """Take one entry, told by its fields.

        Raises:
            ValueError: It is none of the three, or lacks a field.
        """
        if "sources" in entry:
            recording = Recording.model_validate(entry)
            self.recordings[recording.id] = recording
        elif "recording_id" in entry:
            self.supervisions.append((place, Supervision.model_validate(entry)))
        elif "supervisions" in entry or "tracks" in entry or "recording" in entry:
            self.cuts.append((place, Cut.model_validate(entry)))
        else:
            raise ValueError("it is neither a recording nor a supervision nor a cut")


def list_manifests(folder: Path, patterns: Sequence[str]) -> list[Path]:
    """Return the files of a folder that match one of the patterns, sorted by path."""
    return sorted({path for pattern in patterns for path in folder.glob(pattern) if path.is_file()})


def read_manifests(folder: Path, patterns: Sequence[str]) -> Manifests:
    """Read every manifest of a folder.

    Raises:
        CorpusError: A file is not gzip, not UTF-8, or a line is no JSON or no entry of lhotse; the line is named.
    """
    manifests = Manifests()
    for path in list_manifests(folder, patterns):
        place = path.relative_to(folder).as_posix()
        for number, line in enumerate(_read_lines(path), start=1):
            try:
                manifests.add(place, _parse(line))
            except ValueError as wrong:
                raise CorpusError(
                    f"{path} is broken in line {number}: {_explain(wrong)}", rule=RULE, remedy="restore the file"
                ) from None
    return manifests


def _read_lines(path: Path) -> Iterator[str]:
    unpack = gzip.open if path.suffix == ".gz" else open
    try:
        with unpack(path, "rt", encoding="utf-8") as file:
            yield from (line for line in file if line.strip())
    except (UnicodeDecodeError, gzip.BadGzipFile, EOFError, zlib.error) as wrong:
        raise CorpusError(f"{path} cannot be read: {wrong}", rule=RULE, remedy="restore the file") from None


def _parse(line: str) -> dict[str, Any]:
    entry = json.loads(line)
    if not isinstance(entry, dict):
        raise ValueError("it is no JSON object")  # noqa: TRY004 - one kind of error for one kind of line
    return entry


def _explain(wrong: ValueError) -> str:
    if isinstance(wrong, ValidationError):
        first = wrong.errors()[0]
        return f"{'.'.join(str(part) for part in first['loc'])}: {first['msg']}"
    return str(wrong)
