"""The Free Spoken Digit Dataset (Jackson and others): single English digits, every speaker each of them fifty times.

Layout: `recordings/{digit}_{speaker}_{take}.flac` (the original has .wav).
"""

from __future__ import annotations

import re
from functools import partial
from pathlib import Path
from typing import Literal

from pydantic import Field

from voxloop.data.corpora.clips import SOUND, draft, list_names, need_folder, offer_clip
from voxloop.data.corpora.labels import Person, match_name
from voxloop.data.corpora.reader import Candidate, CorpusConfig, CorpusReader, find_folder
from voxloop.data.schema import Utterance

RECORDINGS = "recordings"
LAYOUT = "FSDD is a folder with recordings/{digit}_{speaker}_{take}.flac or .wav"
NAME = re.compile(r"(?P<digit>[0-9])_(?P<speaker>[a-z]+)_(?P<take>[0-9]+)\." + SOUND)


class FsddConfig(CorpusConfig):
    """`configs/corpora/fsdd.yaml`."""

    words: tuple[str, ...] = Field(min_length=10, max_length=10)
    """How each digit is written out."""
    people: dict[str, Person]
    official_test_takes: int = Field(default=5, ge=0)
    """Takes below this number are the official test part."""
    parts: tuple[Literal["train", "test"], ...] = ("train", "test")
    """The official parts to take."""


def locate(path: Path) -> Path:
    """Return the folder that holds recordings/.

    Raises:
        CorpusError: There is none at or below `path`.
    """
    return find_folder(path, (RECORDINGS,), LAYOUT)


def list_candidates(config: FsddConfig, folder: Path | None) -> list[Candidate]:
    """Return a candidate for every file of the parts asked for, sorted by name; other names are in any part."""
    folder = need_folder(folder, "FSDD", LAYOUT)
    return [
        offer_clip(config, folder, f"{RECORDINGS}/{name}", None, partial(_describe, config, name))
        for name in list_names(folder / RECORDINGS)
        if _is_wanted(config, name)
    ]


def _is_wanted(config: FsddConfig, name: str) -> bool:
    match = NAME.fullmatch(name)
    part = "test" if match and int(match["take"]) < config.official_test_takes else "train"
    return match is None or part in config.parts


def _describe(config: FsddConfig, name: str) -> Utterance:
    match = match_name(NAME, name, f"{RECORDINGS}/{name}")
    speaker = match["speaker"]
    return draft(
        config,
        f"fsdd-{Path(name).stem}",
        speaker,
        session_id=f"{speaker}-{int(match['take']):02d}",
        text=config.words[int(match["digit"])],
        gender=config.people.get(speaker, Person()).gender,
    )


READER = CorpusReader(
    name="fsdd",
    title="Free Spoken Digit Dataset: English digits, 6 speakers",
    tasks=("asr",),
    licence="CC-BY-SA-4.0",
    layout=LAYOUT,
    parallel_texts=True,
    config_model=FsddConfig,
    locate=locate,
    list_candidates=list_candidates,
    size="3,000 clips, 0.4 h, 6 speakers",
)
