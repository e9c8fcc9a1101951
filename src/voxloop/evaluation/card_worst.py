"""The utterances a model was most wrong about, in words a person reads, and their sound where it is at hand."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from voxloop.data.shards import iter_audio
from voxloop.errors import IntegrityError
from voxloop.evaluation.answers import Answers
from voxloop.evaluation.card import Card, WorstUtterance
from voxloop.evaluation.case import Part
from voxloop.evaluation.measures import label_of
from voxloop.evaluation.report import TEST_SPLIT
from voxloop.evaluation.samples import count_errors, trait_table
from voxloop.speech.waveform import SAMPLE_RATE, encode_flac
from voxloop.store.digests import digest_tree
from voxloop.tasks import Answer

MOST = 8
"""Utterances of one set."""
MOST_SECONDS = 10.0
"""Of the sound of one."""


def find_worst(part: Part) -> tuple[WorstUtterance, ...]:
    """Return the challenger's worst answers of a set, the worst first, ties by the utterance's id; no right ones."""
    weights, problems = _FAMILIES[part.task.NAME](part)
    wrong = [index for index, weight in enumerate(weights) if weight > 0]
    chosen = sorted(wrong, key=lambda index: (-weights[index], part.challenger.utterance_ids[index]))[:MOST]
    return tuple(_describe(part, index, problems[index]) for index in chosen)


def read_sounds(dataset: Path, wanted: Collection[str]) -> dict[str, bytes]:
    """Return the sound of these utterances of the test split as FLAC, each cut at `MOST_SECONDS`, by their id.

    Raises:
        InputError: It is no dataset.
        IntegrityError: A shard is missing or was changed.
    """
    return {
        row["utterance_id"]: encode_flac(waveform[: int(MOST_SECONDS * SAMPLE_RATE)])
        for row, waveform in iter_audio(dataset, "test")
        if row["utterance_id"] in wanted
    }


def read_worst(card: Card, dataset: Path, players: int) -> dict[str, bytes]:
    """Return the sound of the worst utterances of a card's test split, at most `players` of them, as `read_sounds`.

    Raises:
        IntegrityError: The card is of another dataset; or as `read_sounds`.
    """
    require_dataset(card, dataset)
    worst = [one for shown in card.sets if shown.name == TEST_SPLIT for one in shown.worst]
    return read_sounds(dataset, {one.utterance_id for one in worst[: max(players, 0)]})


def require_dataset(card: Card, dataset: Path) -> None:
    """Return when the card is of this dataset.

    Raises:
        IntegrityError: It is of another.
    """
    if (found := digest_tree(dataset)) != card.dataset_digest:
        raise IntegrityError(
            f"--dataset {dataset} has digest {found[:12]}",
            rule=f"the evaluation is of dataset {card.dataset_digest[:12]}",
            remedy="name that one, or leave --dataset out",
        )


def _describe(part: Part, index: int, problem: str) -> WorstUtterance:
    ours, theirs = part.challenger, part.champion
    return WorstUtterance(
        utterance_id=str(ours.utterance_ids[index]),
        speaker_id=str(ours.speaker_ids[index]),
        duration_s=ours.columns["duration_s"][index],
        reference=say_answer(ours.references[index]),
        challenger=say_answer(ours.answers[index]),
        champion=say_answer(theirs.answers[index]) if len(theirs) else None,
        problem=problem,
    )


def say_answer(answer: Answer | None) -> str:
    """Return an answer or a reference of any family in words: `anger (0.93)`, a transcript, `O 3.10, C 4.20`."""
    if answer is None:
        return "no answer"
    if "text" in answer:
        return str(answer["text"])
    if "traits" in answer:
        known = {name: value for name, value in answer["traits"].items() if value is not None}
        return ", ".join(f"{name[:1].upper()} {value:.2f}" for name, value in known.items())
    sure = answer.get("probabilities", {}).get(answer["emotion"])
    return str(answer["emotion"]) if sure is None else f"{answer['emotion']} ({sure:.2f})"


Ranked = tuple[Sequence[float], Sequence[str]]
"""How wrong each answer is, 0 for right, and the same in words."""


def _rank_emotion(part: Part) -> Ranked:
    sure = [_confidence(answer) for answer in part.challenger.answers]
    wrong = [
        label_of(answer) != label_of(reference)
        for answer, reference in zip(part.challenger.answers, part.challenger.references, strict=True)
    ]
    weights = [value if bad else 0.0 for value, bad in zip(sure, wrong, strict=True)]
    return weights, [f"wrong, and {value:.2f} sure of it" for value in sure]


def _confidence(answer: Answer | None) -> float:
    return max(answer["probabilities"].values()) if answer is not None else 0.0


def _rank_asr(part: Part) -> Ranked:
    wanted, found = _texts(part.challenger.references), _texts(part.challenger.answers)
    errors, words = (values.tolist() for values in count_errors(wanted, found, characters=False))
    return errors, [f"{bad:,} errors in {count:,} words" for bad, count in zip(errors, words, strict=True)]


def _texts(answers: Sequence[Answer | None]) -> list[str]:
    return ["" if answer is None else str(answer["text"]) for answer in answers]


def _rank_personality(part: Part) -> Ranked:
    traits = part.encoding.labels
    errors = np.abs(_traits(part.challenger, traits) - trait_table(part.challenger.references, traits))
    known = np.isfinite(errors)
    means = np.where(known, errors, 0.0).sum(axis=1) / np.maximum(known.sum(axis=1), 1)
    return means.tolist(), [f"off by {value:.2f} in the mean of its traits" for value in means.tolist()]


def _traits(answers: Answers, traits: Sequence[str]) -> Any:
    return trait_table([answer for answer in answers.answers if answer is not None], traits)


_FAMILIES: dict[str, Callable[[Part], Ranked]] = {
    "asr": _rank_asr,
    "emotion": _rank_emotion,
    "personality": _rank_personality,
}
