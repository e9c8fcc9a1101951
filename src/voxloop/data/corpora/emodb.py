"""EmoDB, the Berlin database of acted emotional German speech (Burkhardt and others, Interspeech 2005).

Layout: `wav/03a01Fa.wav`: speaker 03, sentence a01, emotion F, version a.
"""

from __future__ import annotations

import re
from functools import partial
from pathlib import Path

from voxloop.data.corpora.clips import SOUND, draft, list_names, need_folder, offer_clip
from voxloop.data.corpora.labels import Person, look_up, match_name
from voxloop.data.corpora.reader import Candidate, CorpusConfig, CorpusReader, find_folder
from voxloop.data.schema import Utterance

WAV = "wav"
LAYOUT = "EmoDB is a folder with wav/, its files named like 03a01Fa.wav"
NAME = re.compile(r"(?P<speaker>[0-9]{2})(?P<sentence>[a-z][0-9]{2})(?P<emotion>[A-Z])(?P<version>[a-z]?)\." + SOUND)


class EmodbConfig(CorpusConfig):
    """`configs/corpora/emodb.yaml`."""

    emotions: dict[str, str]
    """The corpus' letter of each emotion, and its name here."""
    sentences: dict[str, str]
    """The corpus' code of each sentence, and its words."""
    people: dict[str, Person]


def locate(path: Path) -> Path:
    """Return the folder that holds wav/.

    Raises:
        CorpusError: There is none at or below `path`.
    """
    return find_folder(path, (WAV,), LAYOUT)


def list_candidates(config: EmodbConfig, folder: Path | None) -> list[Candidate]:
    """Return a candidate for every file in wav/, sorted by name."""
    folder = need_folder(folder, "EmoDB", LAYOUT)
    return [
        offer_clip(config, folder, f"{WAV}/{name}", None, partial(_describe, config, name))
        for name in list_names(folder / WAV)
    ]


def _describe(config: EmodbConfig, name: str) -> Utterance:
    path = f"{WAV}/{name}"
    match = match_name(NAME, name, path)
    person = look_up(config.people, match["speaker"], path, "speaker")
    return draft(
        config,
        f"emodb-{Path(name).stem}",
        f"emodb-{match['speaker']}",
        text=look_up(config.sentences, match["sentence"], path, "sentence"),
        emotion=look_up(config.emotions, match["emotion"], path, "emotion"),
        gender=person.gender,
        age=person.age,
    )


READER = CorpusReader(
    name="emodb",
    title="EmoDB: acted emotional German speech, 10 speakers, 7 emotions",
    tasks=("emotion",),
    licence="free to use, no licence named",
    layout=LAYOUT,
    parallel_texts=True,
    config_model=EmodbConfig,
    locate=locate,
    list_candidates=list_candidates,
    size="535 clips, 0.4 h, 10 speakers",
)
