"""Which rows of a dataset are train, dev and test in each fold; read from `configs/quality/<corpus>.yaml`.

Folds are functions of ids alone, so that they stay what they are when a corpus grows.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import Field

from voxloop.config import StrictModel
from voxloop.data.splits import Split
from voxloop.errors import InputError

Row = Mapping[str, Any]


class DevConfig(StrictModel):
    """How dev, which chooses the epoch, is cut out of what is not test."""

    by: Literal["speaker", "utterance"]
    """Whole speakers, or utterances of speakers that also train: where speakers are too few to give one away."""
    share: float = Field(gt=0.0, lt=1.0)
    """Of the speakers (at least one) or of the utterances."""
    salt: str = "dev"


class Folds(StrictModel):
    """What all kinds of folds have."""

    overrides: tuple[str, ...] = ()
    """Of the task's configuration, on these folds, for ours and for baselines of the same family alike."""
    ours: tuple[str, ...] = ()
    """Further ones, for our own network alone."""


class NamedSpeakers(Folds):
    """Folds whose test speakers stand in a table."""

    kind: Literal["speakers"]
    test: dict[str, tuple[str, ...]]
    dev: DevConfig


class EachSpeaker(Folds):
    """One fold a speaker, who is the test."""

    kind: Literal["each-speaker"]
    dev: DevConfig


class Hashed(Folds):
    """Folds of speakers by the SHA-256 of their id: its first eight bytes modulo `count`."""

    kind: Literal["hash"]
    count: int = Field(ge=2)
    dev: DevConfig


class Pattern(Folds):
    """One fold, whose test utterances have an id that matches."""

    kind: Literal["pattern"]
    test: str
    """A regular expression, found anywhere in an utterance's id."""
    dev: DevConfig


class AsIngested(Folds):
    """One fold: the splits of the dataset."""

    kind: Literal["dataset"]


FoldsConfig = Annotated[NamedSpeakers | EachSpeaker | Hashed | Pattern | AsIngested, Field(discriminator="kind")]


@dataclass(frozen=True)
class Fold:
    """One fold: a name, and the split of every utterance by id."""

    name: str
    splits: Mapping[str, Split]


def plan_folds(rows: Sequence[Row], config: FoldsConfig) -> list[Fold]:
    """Return the folds of a dataset.

    Args:
        rows: With `utterance_id`, `speaker_id` and `split`.
        config: How they are made.

    Raises:
        InputError: A fold has no test, dev or train.
    """
    if isinstance(config, AsIngested):
        folds = [Fold("dataset", {row["utterance_id"]: row["split"] for row in rows})]
    else:
        folds = [Fold(name, _deal_out(rows, test, config.dev, name)) for name, test in _tests(rows, config).items()]
    for fold in folds:
        if missing := sorted({"train", "dev", "test"} - set(fold.splits.values())):
            raise InputError(
                f"fold {fold.name} has nothing in {' and '.join(missing)}",
                rule="a fold has rows to learn from, to choose by and to be tested on",
                remedy="choose other folds with --folds, or other data",
            )
    return folds


def position(text: str) -> float:
    """Return where the SHA-256 of a text lies in [0, 1)."""
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8]) / 2**64


def _tests(rows: Sequence[Row], config: NamedSpeakers | EachSpeaker | Hashed | Pattern) -> dict[str, set[str]]:
    """Return the test utterances of each fold, by its name."""
    speakers = sorted({row["speaker_id"] for row in rows})
    match config:
        case Pattern():
            wanted = re.compile(config.test)
            return {"official": {row["utterance_id"] for row in rows if wanted.search(row["utterance_id"])}}
        case NamedSpeakers():
            of_fold = {name: set(names) for name, names in config.test.items()}
        case EachSpeaker():
            of_fold = {speaker: {speaker} for speaker in speakers}
        case Hashed():
            of_fold = {
                str(number): {speaker for speaker in speakers if fold_of(speaker, config.count) == number}
                for number in range(config.count)
            }
    return {
        name: {row["utterance_id"] for row in rows if row["speaker_id"] in chosen} for name, chosen in of_fold.items()
    }


def fold_of(speaker: str, count: int) -> int:
    """Return the fold of a speaker by the frozen rule of `Hashed`."""
    return int.from_bytes(hashlib.sha256(speaker.encode()).digest()[:8]) % count


def _deal_out(rows: Sequence[Row], test: set[str], dev: DevConfig, name: str) -> dict[str, Split]:
    rest = [row for row in rows if row["utterance_id"] not in test]
    if dev.by == "speaker":
        ranked = sorted({row["speaker_id"] for row in rest}, key=lambda one: position(f"{dev.salt}/{name}/{one}"))
        chosen = set(ranked[: max(1, round(dev.share * len(ranked)))])
        held = {row["utterance_id"] for row in rest if row["speaker_id"] in chosen}
    else:
        held = {row["utterance_id"] for row in rest if position(f"{dev.salt}/{row['utterance_id']}") < dev.share}
    splits: dict[str, Split] = dict.fromkeys(test, "test")
    for row in rest:
        splits[row["utterance_id"]] = "dev" if row["utterance_id"] in held else "train"
    return splits
