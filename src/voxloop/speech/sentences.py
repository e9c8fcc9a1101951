"""Sentences that say nothing about how the speaker feels, made by a small grammar."""

from __future__ import annotations

from dataclasses import astuple, dataclass, replace
from math import prod

from numpy.random import Generator

_SUBJECTS = (
    "The driver", "My neighbour", "The teacher", "A friend of ours", "The woman next door", "The man at the desk",
    "Her brother", "His aunt", "The new student", "The baker", "Our guide", "The old farmer",
)  # fmt: skip
_ACTIONS = (
    "put the box", "left the keys", "saw the papers", "found a letter", "kept the blue cup", "placed two chairs",
    "read the map", "moved the lamp", "set the basket", "brought the tools", "opened the book", "hung the coat",
)  # fmt: skip
_PLACES = (
    "on the table", "by the window", "near the door", "in the hall", "behind the house", "under the stairs",
    "at the station", "beside the bridge", "in the garden", "on the second floor",
)  # fmt: skip
_TIMES = (
    "this morning", "on Monday", "after lunch", "at seven", "last week", "before the meeting", "around noon",
    "yesterday", "in the evening", "an hour ago",
)  # fmt: skip
_PARTS = (_SUBJECTS, _ACTIONS, _PLACES, _TIMES)

OWN_SPEAKERS, OWN_UTTERANCES = 240, 30
"""How many of each of two cohorts can have sentences of their own: together all there are."""

NEW_WORDS = (
    "antenna", "battery", "bicycle", "camera", "charger", "drone", "earphone", "espresso", "helmet", "invoice",
    "keyboard", "laptop", "microphone", "passport", "podcast", "projector", "receipt", "router", "scooter", "suitcase",
    "tablet", "ticket", "vaccine", "voucher",
)  # fmt: skip
"""Things the grammar does not know: what a world begins to speak of later."""


@dataclass(frozen=True)
class Sentence:
    """Who did what, where and when; `action` is a verb of one word and its object."""

    subject: str
    action: str
    place: str
    time: str

    def __str__(self) -> str:
        """Write it out; it ends with a full stop, whatever the emotion."""
        return " ".join(astuple(self)) + "."


def count_sentences() -> int:
    """Return how many distinct sentences the grammar makes."""
    return prod(len(part) for part in _PARTS)


def list_words() -> frozenset[str]:
    """Return every word the grammar knows, in lower case."""
    return frozenset(word.lower() for part in _PARTS for phrase in part for word in phrase.split())


def draw_sentence(generator: Generator) -> Sentence:
    """Draw one sentence, each of them equally likely."""
    return Sentence(*(part[int(generator.integers(len(part)))] for part in _PARTS))


def pick_sentence(number: int) -> Sentence:
    """Return one sentence for each number below `count_sentences()`."""
    rest, chosen = number, []
    for part in _PARTS:
        rest, place = divmod(rest, len(part))
        chosen.append(part[place])
    return Sentence(*chosen)


def use_new_word(sentence: Sentence, word: str) -> Sentence:
    """Return the sentence about something else: "put the box" becomes "put the drone"."""
    verb, _, _ = sentence.action.partition(" ")
    return replace(sentence, action=f"{verb} the {word}")
