"""From what is known about a file to a candidate: all but the sound is read at once, the sound when it is asked for.

A candidate's `load` travels to another process, so it carries an utterance without its sound, and where that lies.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from pathlib import Path

from voxloop.data.corpora.reader import Candidate, CorpusConfig, UnusableFileError
from voxloop.data.schema import Utterance
from voxloop.errors import CorpusError
from voxloop.speech.limits import AudioLimits
from voxloop.speech.waveform import decode_audio

SOUND_SUFFIXES = (".wav", ".flac", ".ogg", ".opus", ".mp3")
"""Endings of the files that may be sound: corpora are often kept in another coding than they were published in."""

SOUND = "(?:wav|flac|ogg|opus|mp3)"
"""The same in a pattern, without the point."""


@dataclass(frozen=True)
class Clip:
    """Where the sound of one utterance lies.

    Args:
        folder: The corpus' folder.
        path: The file, relative to it.
        limits: Bounds on its length.
        start_s: Where in the file it begins, in seconds.
        seconds: How long it is; None to the file's end.
        column: The one channel to take of a file with several; None mixes all there are.
    """

    folder: Path
    path: str
    limits: AudioLimits
    start_s: float = 0.0
    seconds: float | None = None
    column: int | None = None


def need_folder(folder: Path | None, corpus: str, layout: str) -> Path:
    """Return the folder of a corpus that is read from one.

    Raises:
        CorpusError: There is none.
    """
    if folder is None:
        raise CorpusError(f"{corpus} needs its folder", rule=layout, remedy="name it as --path")
    return folder


def list_names(folder: Path) -> list[str]:
    """Return the names of everything in a folder that is not hidden, sorted."""
    return sorted(path.name for path in folder.iterdir() if not path.name.startswith("."))


def draft(
    config: CorpusConfig,
    utterance_id: str,
    speaker_id: str,
    *,
    session_id: str | None = None,
    language: str | None = None,
    text: str | None = None,
    emotion: str | None = None,
    gender: str | None = None,
    age: int | None = None,
    device: str | None = None,
    traits: dict[str, float] | None = None,
    measures: dict[str, float] | None = None,
    recorded_at: datetime | None = None,
) -> Utterance:
    """Return an utterance without its sound; what the configuration says of the whole corpus is filled in."""
    return Utterance(
        utterance_id=utterance_id,
        speaker_id=speaker_id,
        waveform=None,
        recorded_at=recorded_at or config.recorded_at,
        source=config.source,
        licence=config.licence,
        session_id=session_id,
        language=language or config.language,
        text=text,
        emotion=emotion,
        gender=gender,
        age=age,
        device=device,
        traits=traits or {},
        measures=measures or {},
    )


def offer_clip(
    config: CorpusConfig, folder: Path, path: str, speaker_id: str | None, describe: Callable[[], Utterance]
) -> Candidate:
    """Return the candidate of one sound file.

    Args:
        config: For the limits on its length.
        folder: The corpus' folder.
        path: The file, relative to it.
        speaker_id: Who speaks, as far as can be told even of a file that is refused.
        describe: Returns the utterance without its sound; an UnusableFileError is kept until the candidate is loaded.
    """
    return offer(path, speaker_id, describe, Clip(folder, path, config.audio))


def offer(
    path: str,
    speaker_id: str | None,
    describe: Callable[[], Utterance],
    clip: Clip | None = None,
    *,
    recorded_at: datetime | None = None,
) -> Candidate:
    """Return the candidate of one utterance; without a clip it is one of words alone.

    Args:
        path: As `Candidate`; so are `speaker_id`, as far as can be told of one that is refused, and `recorded_at`.
        speaker_id: See there.
        describe: As `offer_clip`.
        clip: Where its sound lies.
        recorded_at: See there.
    """
    try:
        utterance = describe()
    except UnusableFileError as refused:
        return refused_candidate(speaker_id, refused, recorded_at)
    return Candidate(path, utterance.speaker_id, partial(load_clip, utterance, clip), recorded_at)


def refused_candidate(
    speaker_id: str | None, refused: UnusableFileError, recorded_at: datetime | None = None
) -> Candidate:
    """Return the candidate of a file that was found unusable before anybody listened to it."""
    load = partial(refuse, refused.name, refused.reason, refused.detail)
    return Candidate(refused.name, speaker_id, load, recorded_at)


def refuse(path: str, reason: str, detail: str) -> Utterance:
    """Raise the UnusableFileError of these three: the `load` of a refused candidate."""
    raise UnusableFileError(path, reason, detail)


def load_clip(utterance: Utterance, clip: Clip | None) -> Utterance:
    """Return the utterance with its sound.

    Raises:
        UnusableFileError: The file is not there.
        UnusableAudioError: It is no usable sound.
    """
    if clip is None:
        return utterance
    file = clip.folder / clip.path
    if not file.is_file():
        raise UnusableFileError(clip.path, "missing audio", "it is named in a table, and the folder does not hold it")
    sound = decode_audio(
        file, name=clip.path, limits=clip.limits, start_s=clip.start_s, seconds=clip.seconds, column=clip.column
    )
    return replace(utterance, waveform=sound)
