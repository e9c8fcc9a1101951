"""How traits colour the words: phrases before and behind a sentence.

Which way follows J. W. Pennebaker and L. A. King, "Linguistic styles" (J. Pers. Soc. Psychol. 77, 1999) and F. Mairesse
and others, "Using linguistic cues for the automatic recognition of personality in conversation and text" (JAIR 30,
2007): extraverts use more social words and exclaim, introverts more tentative ones; the neurotic say "I" and worry, and
hesitate (Scherer 1979); the open use longer and rarer words; the agreeable are warm and polite, the others blunt. That
the conscientious order what they say and leave out fillers is the world's own rule: C. M. Laserna and others, "Um ...
who like says you know" (J. Lang. Soc. Psychol. 33, 2014) heard "you know" more often from conscientious people.
"""

from __future__ import annotations

from dataclasses import dataclass

from numpy.random import Generator

from voxloop.speech.speaker_traits import MIDDLE, TraitScores

_USE = 0.3  # share of the sentences that carry a trait's phrase, for each point away from the middle
_MOST = 0.9  # nobody colours every sentence


@dataclass(frozen=True)
class TraitPhrases:
    """What people above and below the middle of a trait add to a sentence."""

    high: tuple[str, ...]
    low: tuple[str, ...]


OPENINGS = {
    "neuroticism": TraitPhrases(
        high=("um", "er", "oh dear", "I worry", "I am not sure", "I am afraid"),
        low=("no problem", "all is well", "calmly now", "do not worry"),
    ),
    "agreeableness": TraitPhrases(
        high=("thank you for listening", "with pleasure", "kindly note", "if you please", "I am glad to say"),
        low=("frankly", "whatever", "mark my words", "believe it or not", "like it or not"),
    ),
    "conscientiousness": TraitPhrases(
        high=("first of all", "to be exact", "as planned", "in short", "for the record"),
        low=("you know", "like", "sort of", "well anyway", "kind of"),
    ),
}
"""Said before the sentence, in this order."""
CLOSINGS = {
    "openness": TraitPhrases(
        high=("as in a curious dream", "like an unwritten symphony", "beneath imaginary constellations",
              "as though painted in watercolour", "in luminous silence"),
        low=("as usual", "as always", "like every day", "the plain way"),
    ),
    "extraversion": TraitPhrases(
        high=("and we all laughed together!", "my friends!", "what a party!", "and everybody cheered!", "believe me!"),
        low=("I think", "perhaps", "or so it seems", "maybe"),
    ),
}  # fmt: skip
"""Said behind it, in this order."""


def add_habits(sentence: str, scores: TraitScores, strength: float, draw: Generator) -> str:
    """Return the sentence as somebody with these traits would put it.

    Args:
        sentence: Starts with a capital that is no name's, ends with a full stop.
        scores: The speaker's traits.
        strength: 0 leaves every sentence as it is; at 1 a score of 6 colours six sentences of ten.
        draw: Ten numbers are taken from it, whatever the scores are.
    """
    before = _choose(OPENINGS, scores, strength, draw)
    behind = _choose(CLOSINGS, scores, strength, draw)
    if before:
        sentence = ", ".join([*before, sentence[0].lower() + sentence[1:]])
    if behind:
        sentence = ", ".join([sentence.removesuffix("."), *behind]) + "."
    return sentence[0].upper() + sentence[1:].replace("!.", "!")


def _choose(phrases: dict[str, TraitPhrases], scores: TraitScores, strength: float, draw: Generator) -> list[str]:
    chosen = []
    for trait, choices in phrases.items():
        speaks, which = draw.random(2).tolist()
        distance = getattr(scores, trait) - MIDDLE
        sayings = choices.high if distance > 0.0 else choices.low
        if speaks < min(strength * _USE * abs(distance), _MOST):
            chosen.append(sayings[int(which * len(sayings))])
    return chosen
