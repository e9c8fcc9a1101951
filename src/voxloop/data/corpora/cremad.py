"""CREMA-D, acted emotional English speech (Cao and others, IEEE Transactions on Affective Computing 5(4), 2014).

Layout: `AudioWAV/1001_DFA_ANG_XX.wav` (actor, sentence, emotion, level) beside `VideoDemographics.csv`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import partial
from pathlib import Path

from voxloop.data.corpora.clips import SOUND, draft, list_names, need_folder, offer_clip
from voxloop.data.corpora.labels import look_up, match_name, read_age
from voxloop.data.corpora.reader import Candidate, CorpusConfig, CorpusReader, find_folder
from voxloop.data.corpora.tables import Row, TableForm, index_rows
from voxloop.data.schema import Utterance

AUDIO = "AudioWAV"
TABLE = "VideoDemographics.csv"
LAYOUT = f"CREMA-D is a folder with {TABLE} and {AUDIO}/1001_DFA_ANG_XX.wav (actor, sentence, emotion, level)"
NAME = re.compile(r"(?P<actor>[0-9]{4})_(?P<sentence>[A-Z]{3})_(?P<emotion>[A-Z]{3})_(?P<level>[A-Z]+)\." + SOUND)
FORM = TableForm(columns=("ActorID", "Age", "Sex"), key="ActorID")


class CremadConfig(CorpusConfig):
    """`configs/corpora/cremad.yaml`."""

    emotions: dict[str, str]
    """The corpus' code of each emotion, and its name here."""
    sentences: dict[str, str]
    """The corpus' code of each sentence, and its words."""


def locate(path: Path) -> Path:
    """Return the folder that holds AudioWAV/ and the table of the actors.

    Raises:
        CorpusError: There is none at or below `path`.
    """
    return find_folder(path, (TABLE, AUDIO), LAYOUT)


def list_candidates(config: CremadConfig, folder: Path | None) -> list[Candidate]:
    """Return a candidate for every file in AudioWAV/, sorted by name.

    Raises:
        CorpusError: The table of the actors cannot be read.
    """
    folder = need_folder(folder, "CREMA-D", LAYOUT)
    actors = index_rows(folder / TABLE, FORM)
    return [
        offer_clip(config, folder, f"{AUDIO}/{name}", None, partial(_describe, config, actors, name))
        for name in list_names(folder / AUDIO)
    ]


def _describe(config: CremadConfig, actors: Mapping[str, Row], name: str) -> Utterance:
    path = f"{AUDIO}/{name}"
    match = match_name(NAME, name, path)
    actor = look_up(actors, match["actor"], path, "actor")
    return draft(
        config,
        f"cremad-{Path(name).stem}",
        f"cremad-{match['actor']}",
        text=look_up(config.sentences, match["sentence"], path, "sentence"),
        emotion=look_up(config.emotions, match["emotion"], path, "emotion"),
        gender=actor["Sex"].lower() or None,
        age=read_age(actor["Age"], path),
    )


READER = CorpusReader(
    name="cremad",
    title="CREMA-D: acted emotional English speech, 91 actors, 6 emotions, 12 sentences",
    tasks=("emotion",),
    licence="ODbL-1.0",
    layout=LAYOUT,
    parallel_texts=True,
    config_model=CremadConfig,
    locate=locate,
    list_candidates=list_candidates,
    size="7,442 clips, 5.3 h, 91 speakers",
)
