"""Conditions under which the models are asked again about some of the test rows; `configs/evaluation/<task>.yaml`.

A condition changes the sound of a row, or its words and features where that is what the family takes. What becomes of
a row is a function of the seed, the condition's name and the utterance's id: both models are asked the same changed
bytes, and so is whoever evaluates again.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from typing import Annotated, Any, Literal, get_args

import numpy as np
from numpy.random import Generator
from pydantic import Field

from voxloop.config import StrictModel
from voxloop.errors import ConfigError
from voxloop.speech.conditions import SoundCondition, change_sound
from voxloop.speech.waveform import Waveform
from voxloop.tasks import Row, Task


class LostWords(StrictModel):
    """Each word of the text is left out with this chance, as a recogniser or a hasty transcriber would."""

    kind: Literal["lost words"]
    share: float = Field(gt=0.0, lt=1.0)


class AddedWords(StrictModel):
    """Words are said behind the text."""

    kind: Literal["added words"]
    words: str = Field(min_length=1)


class LostFeatures(StrictModel):
    """Each number known of the voice is missing with this chance."""

    kind: Literal["lost features"]
    share: float = Field(gt=0.0, lt=1.0)


class Order(StrictModel):
    """Nothing is changed but who is asked beside whom: the rows of one request to the graph are others."""

    kind: Literal["order"]


Condition = Annotated[
    SoundCondition | LostWords | AddedWords | LostFeatures | Order,
    Field(discriminator="kind"),
]


Change = Callable[[Row, Waveform | None, str, Condition, int], tuple[Row, Waveform | None]]
"""What `change_row` is: for who keeps what it made."""


class ChangesConfig(StrictModel):
    """The rows that are asked again, and under which conditions.

    Args:
        seed: Of the choice of rows and of all chance in the conditions.
        utterances: Most rows that are asked again; as many of each speaker as can be.
        level: Confidence of the intervals in the report; a gate holds those of its policy.
        conditions: By the name that policies and tests of behaviour call them by.
    """

    seed: int
    utterances: int = Field(ge=1)
    level: float = Field(default=0.95, gt=0.5, lt=1)
    conditions: Mapping[str, Condition] = Field(min_length=1)


def check_conditions(conditions: Mapping[str, Condition], task: Task) -> None:
    """Raise `ConfigError` where a condition changes what the family does not take."""
    for name, condition in conditions.items():
        changes_sound = isinstance(condition, get_args(SoundCondition))
        if not isinstance(condition, Order) and changes_sound != task.AUDIO:
            raise ConfigError(
                f"condition {name!r} changes the {'sound' if changes_sound else 'words or features'}",
                rule=f"models of {task.NAME} are asked about {'sound' if task.AUDIO else 'words and features'}",
                remedy="take it out of configs/evaluation",
            )


def change_row(
    row: Row, waveform: Waveform | None, name: str, condition: Condition, seed: int
) -> tuple[Row, Waveform | None]:
    """Return a row and its sound, float32 [n] or None, as they are under a condition.

    Args:
        row: Of the manifest, with what is known beside it.
        waveform: float32 [n] in [-1, 1]; None for families that take no sound.
        name: Of the condition.
        condition: What it does.
        seed: Of all conditions.
    """
    draw = make_draw(seed, name, str(row["utterance_id"]))
    match condition:
        case Order():
            return row, waveform
        case LostWords():
            return {**row, "text": _lose_words(row["text"], condition.share, draw)}, waveform
        case AddedWords():
            return {**row, "text": f"{row['text'] or ''} {condition.words}".strip()}, waveform
        case LostFeatures():
            return {**row, "features": _lose_features(row.get("features") or {}, condition.share, draw)}, waveform
    return row, None if waveform is None or not len(waveform) else change_sound(waveform, condition, draw)


def make_draw(seed: int, name: str, utterance_id: str) -> Generator:
    """Return the stream of chance of one utterance under one condition."""
    return np.random.default_rng(int.from_bytes(hashlib.sha256(f"{seed}/{name}/{utterance_id}".encode()).digest()[:16]))


def _lose_words(text: str | None, share: float, draw: Generator) -> str | None:
    if text is None:
        return None
    words = text.split()
    return " ".join(word for word, chance in zip(words, draw.random(len(words)), strict=True) if chance >= share)


def _lose_features(known: Mapping[str, Any], share: float, draw: Generator) -> dict[str, Any]:
    names = sorted(known)
    chances = dict(zip(names, draw.random(len(names)).tolist(), strict=True))
    return {name: None if chances[name] < share else value for name, value in known.items()}
