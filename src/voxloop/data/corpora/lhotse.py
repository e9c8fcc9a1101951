"""Any corpus that lhotse has prepared (some seventy): its manifests, with the sound in files of the same folder.

Layout: cuts, or recordings and supervisions, as `*.jsonl` or `*.jsonl.gz`. A row is one supervision. What would have to
run a command, fetch an address, mix, pad or perturb is refused with its reason. lhotse has no field for the time of a
recording, nor for what it was made with: the custom fields `recorded_at` and `device` of a supervision, or else of its
recording, are taken for them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Literal

from voxloop.data.corpora.clips import Clip, draft, need_folder, offer, refused_candidate
from voxloop.data.corpora.labels import look_up
from voxloop.data.corpora.lhotse_manifests import Manifests, Recording, Supervision, list_manifests, read_manifests
from voxloop.data.corpora.reader import Candidate, CorpusConfig, CorpusReader, UnusableFileError, require_folder
from voxloop.data.schema import Utterance
from voxloop.errors import CorpusError

PATTERNS = ("*.jsonl", "*.jsonl.gz", "manifests/*.jsonl", "manifests/*.jsonl.gz", "data/manifests/*.jsonl*")
LAYOUT = (
    "a folder with lhotse's cuts, or recordings and supervisions, as *.jsonl or *.jsonl.gz, and the sound they name"
)
CODE = re.compile(r"[a-z]{2,3}(?:-[A-Za-z]{2,4})?")
SLACK = 0.025  # seconds by which lhotse itself lets durations disagree (get_audio_duration_mismatch_tolerance)


class LhotseConfig(CorpusConfig):
    """`configs/corpora/lhotse.yaml`."""

    read: Literal["either", "cuts", "supervisions"] = "either"
    """Which manifests make the rows, where a folder has both."""
    strip_prefix: str = ""
    """Taken off the front of every path: manifests keep paths of the machine they were made on."""
    speaker_prefix: str = ""
    """Put before every speaker: numbers that two corpora share are not one person."""
    languages: dict[str, str]
    """Names of languages, and their codes; a code stands for itself."""
    genders: dict[str, str]
    emotions: dict[str, str]
    """Labels in the custom field `emotion`, and ours; others are kept as they are."""


@dataclass(frozen=True)
class Segment:
    """One supervision in its recording: `start` in seconds from the recording's start."""

    path: str
    supervision: Supervision
    recording: Recording | None
    start: float
    fault: str = ""


@dataclass(frozen=True)
class Silence:
    """A recording or a cut that no row can be made of, and why."""

    refused: UnusableFileError
    recording: Recording | None


def locate(path: Path) -> Path:
    """Return the folder itself when it holds manifests.

    Raises:
        CorpusError: It is no folder, is empty, or holds none.
    """
    require_folder(path, LAYOUT)
    if not list_manifests(path, PATTERNS):
        raise CorpusError(f"{path} has no *.jsonl or *.jsonl.gz", rule=LAYOUT, remedy="put the manifests there")
    return path


def list_candidates(config: LhotseConfig, folder: Path | None) -> list[Candidate]:
    """Return a candidate for every supervision, and a refused one for every recording or cut without any.

    Raises:
        CorpusError: A manifest cannot be read, or there are both cuts and supervisions and nobody said which to read.
    """
    folder = need_folder(folder, "lhotse", LAYOUT)
    manifests = read_manifests(folder, PATTERNS)
    both = bool(manifests.cuts) and bool(manifests.supervisions)
    if both and config.read == "either":
        raise CorpusError(
            f"{folder} has both cuts and supervisions", rule="one of them makes the rows", remedy="--set read=cuts"
        )
    from_cuts = bool(manifests.cuts) and config.read != "supervisions"
    segments = _walk_cuts(manifests) if from_cuts else _walk_supervisions(manifests)
    seen: set[str] = set()
    return [_offer_segment(config, folder, segment, seen) for segment in segments]


def _walk_supervisions(manifests: Manifests) -> Iterator[Segment | Silence]:
    named = {supervision.recording_id for _, supervision in manifests.supervisions}
    for place, supervision in manifests.supervisions:
        recording = manifests.recordings.get(supervision.recording_id)
        yield Segment(f"{place}#{supervision.id}", supervision, recording, supervision.start)
    for name in sorted(manifests.recordings.keys() - named):
        refused = UnusableFileError(f"recordings#{name}", "no supervision", "nothing says who speaks or what in it")
        yield Silence(refused, manifests.recordings[name])


def _walk_cuts(manifests: Manifests) -> Iterator[Segment | Silence]:
    for place, cut in manifests.cuts:
        name = f"{place}#{cut.id}"
        if cut.type != "MonoCut":
            found = f"a {cut.type} is mixed, padded or has many channels"
            yield Silence(UnusableFileError(name, "not one recording", found), cut.recording)
        elif not cut.supervisions:
            found = "nothing says who speaks or what in it"
            yield Silence(UnusableFileError(name, "no supervision", found), cut.recording)
        for supervision in cut.supervisions if cut.type == "MonoCut" else ():
            recording = cut.recording or manifests.recordings.get(supervision.recording_id)
            inside = supervision.start >= -SLACK and supervision.start + supervision.duration <= cut.duration + SLACK
            fault = "" if inside else f"it reaches beyond its cut {cut.id}, which has {cut.duration} s"
            start = max(0.0, cut.start + supervision.start)
            yield Segment(f"{place}#{supervision.id}", supervision, recording, start, fault)


def _offer_segment(config: LhotseConfig, folder: Path, segment: Segment | Silence, seen: set[str]) -> Candidate:
    if isinstance(segment, Silence):
        return refused_candidate(None, segment.refused, _read_time(segment.recording))
    speaker = segment.supervision.speaker
    speaker_id = f"{config.speaker_prefix}{speaker}" if speaker else None
    recorded_at = _read_time(segment.supervision, segment.recording)
    try:
        _check_id(segment, seen)
        _check_time(segment, recorded_at)
        clip = _find_clip(config, folder, segment)
    except UnusableFileError as refused:
        return refused_candidate(speaker_id, refused, recorded_at)
    describe = partial(_describe, config, segment, speaker_id, recorded_at)
    return offer(segment.path, speaker_id, describe, clip, recorded_at=recorded_at)


def _find_custom(name: str, entries: Iterable[Supervision | Recording | None]) -> object:
    """Return the first custom field of this name, as it is written."""
    given = [(entry.custom or {}).get(name) for entry in entries if entry is not None]
    return next((one for one in given if one is not None), None)


def _read_time(*entries: Supervision | Recording | None) -> datetime | None:
    """Return when something was recorded; None where nothing says so, or what says so is no time with a zone."""
    try:
        moment = datetime.fromisoformat(str(_find_custom("recorded_at", entries)))
    except ValueError:
        return None
    return moment if moment.tzinfo is not None else None


def _check_time(segment: Segment, recorded_at: datetime | None) -> None:
    written = _find_custom("recorded_at", (segment.supervision, segment.recording))
    if written is not None and recorded_at is None:
        raise UnusableFileError(
            segment.path, "no time", f"recorded_at is {written!r}, not a time with a zone: 2026-01-05T08:00:00Z"
        )


def _check_id(segment: Segment, seen: set[str]) -> None:
    if segment.supervision.id in seen:
        raise UnusableFileError(segment.path, "named twice", "an earlier supervision has the same id")
    seen.add(segment.supervision.id)


def _find_clip(config: LhotseConfig, folder: Path, segment: Segment) -> Clip:
    recording, supervision = segment.recording, segment.supervision
    if recording is None:
        raise UnusableFileError(segment.path, "missing audio", f"there is no recording {supervision.recording_id}")
    if recording.transforms:
        raise UnusableFileError(segment.path, "changed sound", f"recording {recording.id} has effects to be applied")
    if segment.fault or segment.start + supervision.duration > recording.duration + SLACK:
        found = segment.fault or f"it ends beyond its recording, which has {recording.duration} s"
        raise UnusableFileError(segment.path, "out of range", found)
    path, column = _find_file(config, folder, segment.path, recording, supervision.channel)
    whole = segment.start < SLACK and supervision.duration > recording.duration - SLACK
    return Clip(
        folder,
        path,
        config.audio,
        start_s=0.0 if whole else segment.start,
        seconds=None if whole else supervision.duration,
        column=column,
    )


def _find_file(
    config: LhotseConfig, folder: Path, name: str, recording: Recording, channel: int | tuple[int, ...]
) -> tuple[str, int | None]:
    """Return the file, relative to the folder, and which of its columns to take; None when it has only that one."""
    if not isinstance(channel, int):
        raise UnusableFileError(name, "not one recording", f"it is about the channels {channel} at once")
    source = next((one for one in recording.sources if channel in one.channels), None)
    if source is None:
        raise UnusableFileError(name, "missing audio", f"recording {recording.id} has no channel {channel}")
    if source.type != "file":
        raise UnusableFileError(name, "not a file", f"its sound is a {source.type}; nothing is run or fetched here")
    given = source.source.removeprefix(config.strip_prefix)
    file = (folder / (given.lstrip("/") if config.strip_prefix else given)).resolve()
    if not file.is_relative_to(folder.resolve()):
        raise UnusableFileError(
            name, "outside the corpus", f"{source.source} is not below the folder; see strip_prefix"
        )
    column = source.channels.index(channel) if len(source.channels) > 1 else None
    return file.relative_to(folder.resolve()).as_posix(), column


def _describe(
    config: LhotseConfig, segment: Segment, speaker_id: str | None, recorded_at: datetime | None
) -> Utterance:
    supervision = segment.supervision
    if speaker_id is None:
        raise UnusableFileError(segment.path, "no speaker", "a split needs to know who speaks")
    emotion = (supervision.custom or {}).get("emotion")
    gender = supervision.gender
    return draft(
        config,
        supervision.id,
        speaker_id,
        session_id=supervision.recording_id,
        language=_find_language(config, supervision.language, segment.path),
        text=(supervision.text or "").strip() or None,
        emotion=config.emotions.get(str(emotion), str(emotion)) if emotion else None,
        gender=look_up(config.genders, gender, segment.path, "gender") if gender else None,
        device=_read_device(segment),
        recorded_at=recorded_at,
    )


def _read_device(segment: Segment) -> str | None:
    """Return what it was recorded with, on one line; None where nothing says so."""
    written = _find_custom("device", (segment.supervision, segment.recording))
    if written is not None and not isinstance(written, str):
        raise UnusableFileError(segment.path, "unknown label", f"device is {written!r:.60}, not text")
    return " ".join((written or "").split()) or None


def _find_language(config: LhotseConfig, given: str | None, path: str) -> str:
    if not given:
        return config.language
    return given if CODE.fullmatch(given) else look_up(config.languages, given, path, "language")


READER = CorpusReader(
    name="lhotse",
    title="Manifests of lhotse, which prepares some seventy corpora",
    tasks=("asr", "emotion"),
    licence="as the corpus",
    layout=LAYOUT,
    parallel_texts=False,
    config_model=LhotseConfig,
    locate=locate,
    list_candidates=list_candidates,
    size="as the corpus",
)
