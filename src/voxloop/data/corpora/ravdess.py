"""RAVDESS, acted emotional English speech (Livingstone and Russo, PLOS ONE 13(5), 2018): the audio of its speech part.

Layout: `Actor_NN/03-01-EE-II-SS-RR-NN.wav` (or .ogg): sound alone, speech, emotion, intensity, statement, repetition,
actor. Actors with an odd number are men.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError, model_validator

from voxloop.data.corpora.clips import SOUND, draft, list_names, need_folder, offer_clip
from voxloop.data.corpora.labels import look_up, match_name
from voxloop.data.corpora.reader import Candidate, CorpusConfig, CorpusReader, UnusableFileError, find_folder
from voxloop.data.schema import Utterance

LAYOUT = "RAVDESS is a folder with Actor_NN/03-01-EE-II-SS-RR-NN.wav or .ogg"
ACTORS = "Actor_[0-9][0-9]"
NAME = re.compile(
    r"03-01-(?P<emotion>[0-9]{2})-(?P<intensity>[0-9]{2})-(?P<statement>[0-9]{2})-(?P<repetition>[0-9]{2})"
    r"-(?P<actor>[0-9]{2})\." + SOUND
)

FOLDS = TypeAdapter(dict[int, tuple[int, ...]])
FOLD = TypeAdapter(int)


class RavdessConfig(CorpusConfig):
    """`configs/corpora/ravdess.yaml`."""

    emotions: dict[str, str]
    """The corpus' number of each emotion, and its name here."""
    statements: dict[str, str]
    """The corpus' number of each sentence, and its words."""
    folds: dict[int, tuple[int, ...]]
    """Actors to be tested on in each fold."""
    fold: int = 1
    """Its actors are the test, those of the next fold (after the last, the first) are dev, all others train."""

    @model_validator(mode="before")
    @classmethod
    def _deal_out(cls, values: dict[str, Any]) -> dict[str, Any]:
        split = values.get("split")
        if not isinstance(split, dict) or split.get("table"):
            return values
        try:
            folds, fold = FOLDS.validate_python(values.get("folds")), FOLD.validate_python(values.get("fold", 1))
        except ValidationError:
            return values  # the fields themselves say what is wrong
        return {**values, "split": {**split, "table": make_table(folds, fold)}}


def make_table(folds: Mapping[int, Sequence[int]], fold: int) -> dict[str, str]:
    """Return the split of every actor that a fold names.

    Raises:
        ValueError: There is no such fold.
    """
    if fold not in folds:
        raise ValueError(f"there is no fold {fold!r}; the folds are {', '.join(map(str, folds))}")
    order = list(folds)
    after = order[(order.index(fold) + 1) % len(order)]
    part = {fold: "test", after: "dev"}
    return {name_speaker(actor): part.get(key, "train") for key in order for actor in folds[key]}


def name_speaker(actor: int) -> str:
    """Return an actor's id, which is the corpus' own name of the folder."""
    return f"Actor_{actor:02d}"


def locate(path: Path) -> Path:
    """Return the folder that holds the folders of the actors.

    Raises:
        CorpusError: There is none at or below `path`.
    """
    return find_folder(path, (ACTORS,), LAYOUT)


def list_candidates(config: RavdessConfig, folder: Path | None) -> list[Candidate]:
    """Return a candidate for every file in the folder of an actor, by actor and name."""
    folder = need_folder(folder, "RAVDESS", LAYOUT)
    return [
        offer_clip(config, folder, f"{place.name}/{name}", place.name, partial(_describe, config, place.name, name))
        for place in sorted(folder.glob(ACTORS))
        for name in list_names(place)
    ]


def _describe(config: RavdessConfig, place: str, name: str) -> Utterance:
    path = f"{place}/{name}"
    match = match_name(NAME, name, path)
    actor = int(match["actor"])
    if name_speaker(actor) != place:
        raise UnusableFileError(path, "contradicts its name", f"actor {actor} lies in the folder {place}")
    return draft(
        config,
        f"ravdess-{Path(name).stem}",
        place,
        text=look_up(config.statements, match["statement"], path, "statement"),
        emotion=look_up(config.emotions, match["emotion"], path, "emotion"),
        gender="male" if actor % 2 else "female",
    )


READER = CorpusReader(
    name="ravdess",
    title="RAVDESS: acted emotional English speech, 24 actors, 8 emotions",
    tasks=("emotion",),
    licence="CC-BY-NC-SA-4.0",
    layout=LAYOUT,
    parallel_texts=True,
    config_model=RavdessConfig,
    locate=locate,
    list_candidates=list_candidates,
    size="1,440 clips, 1.5 h, 24 speakers",
)
