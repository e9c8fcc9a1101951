"""Labelled speech as it arrives: a folder in lhotse's layout, which the next one can be laid beside."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable
from pathlib import Path

import soundfile

from voxloop.local.simulation.voices import Utterance
from voxloop.store.atomic import make_beside


def write_batch(folder: Path, name: str, utterances: Iterable[Utterance], cache: Path) -> int:
    """Write a batch; it appears whole or not at all.

    Args:
        folder: Of the batch, not there yet.
        name: Of the batch: files of two have different names.
        utterances: What was recorded.
        cache: Where sounds are kept.

    Returns:
        How many utterances it has.
    """
    recordings, supervisions = [], []
    place = make_beside(folder)  # renamed and not synced: it can be made again, and has a thousand files
    for inside in (place / "audio" / name, place / "manifests"):
        inside.mkdir(parents=True)
    for one in utterances:
        sound = f"audio/{name}/{one.utterance_id}.flac"
        shutil.copyfile(one.make_sound(cache), place / sound)
        recording = _describe_recording(one, place / sound, sound)
        recordings.append(recording)
        supervisions.append(_describe_supervision(one, recording["duration"]))
    for what, entries in (("recordings", recordings), ("supervisions", supervisions)):
        lines = "".join(json.dumps(entry) + "\n" for entry in entries)
        (place / "manifests" / f"{name}-{what}.jsonl").write_text(lines, encoding="utf-8")
    place.rename(folder)
    return len(recordings)


def _describe_recording(one: Utterance, file: Path, name: str) -> dict[str, object]:
    sound = soundfile.info(str(file))
    return {
        "id": one.utterance_id,
        "sources": [{"type": "file", "channels": [0], "source": name}],
        "sampling_rate": sound.samplerate,
        "num_samples": sound.frames,
        "duration": sound.frames / sound.samplerate,
        "channel_ids": [0],
    }


def _describe_supervision(one: Utterance, duration: object) -> dict[str, object]:
    text, emotion = one.plan()
    return {
        "id": one.utterance_id,
        "recording_id": one.utterance_id,
        "start": 0.0,
        "duration": duration,
        "channel": 0,
        "text": text,
        "language": "en",
        "speaker": one.speaker_id,
        "gender": one.speaker.gender,
        "custom": {"emotion": emotion},
    }
