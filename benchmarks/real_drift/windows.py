"""References of some speakers of a corpus, and windows of others: what the quick check and Evidently say of them."""

from __future__ import annotations

import itertools
import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.random import Generator
from scipy.stats import binomtest

from benchmarks.real_drift.log_rows import CLEAN, CONDITIONS, Corpus, count_window_speakers
from voxloop.monitoring.drift.check import CheckConfig, Outcome, check_window
from voxloop.monitoring.drift.columns import Coded, fix_columns
from voxloop.monitoring.drift.profile import PredictionColumns, Profile, make_profile

UNCHANGED = "other speakers"
SITTING = 5
"""Clips of one speaker, one after the other in the corpus' order, that are drawn together where sittings are drawn."""


@dataclass(frozen=True)
class Split:
    """Speakers of a reference, and those of its windows."""

    reference: tuple[str, ...]
    window: tuple[str, ...]


@dataclass
class Cell:
    """What was said of the windows of one kind.

    Args:
        windows: How many.
        outcomes: Of the quick check.
        beyond: In how many windows a distance of a column was beyond its threshold, by column.
        theirs: In how many windows Evidently finds one column drifted at least, and half of them.
        asked: Windows that Evidently was given.
    """

    windows: int = 0
    outcomes: Counter[Outcome] = field(default_factory=Counter)
    beyond: Counter[str] = field(default_factory=Counter)
    theirs: Counter[str] = field(default_factory=Counter)
    asked: int = 0

    @property
    def drifted(self) -> int:
        """Windows that are said to have drifted."""
        return self.outcomes[Outcome.DRIFT]


def list_splits(speakers: Sequence[str], most: int, generator: Generator) -> list[Split]:
    """Return different ways to part speakers into a reference and a window: all there are, or `most` that are drawn."""
    size = count_window_speakers(len(speakers))
    if math.comb(len(speakers), size) <= most:
        chosen = [*itertools.combinations(sorted(speakers), size)]
    else:
        drawn: dict[tuple[str, ...], None] = {}
        while len(drawn) < most:
            drawn[tuple(sorted(generator.choice(speakers, size, replace=False).tolist()))] = None
        chosen = [*drawn]
    return [Split(tuple(sorted({*speakers} - {*window})), window) for window in chosen]


def take_speakers(rows: PredictionColumns, speakers: Sequence[str]) -> PredictionColumns:
    """Return the rows of some speakers."""
    wanted = np.isin(rows.speakers.names, speakers)
    return rows.take(np.flatnonzero(wanted[rows.speakers.codes]))


def name_sittings(rows: PredictionColumns) -> PredictionColumns:
    """Return the same rows, each sitting a speaker of its own: what is drawn is then not who speaks."""
    codes = rows.speakers.codes
    order = np.zeros(len(codes), dtype=np.int64)
    for code in np.unique(codes):
        mine = np.flatnonzero(codes == code)
        order[mine] = np.arange(len(mine)) // SITTING
    names, places = np.unique(
        [f"{rows.speakers.names[code]} {place:05d}" for code, place in zip(codes, order, strict=True)],
        return_inverse=True,
    )
    return replace(rows, speakers=Coded(names, places.astype(np.int64)))


def list_windows(
    corpus: Corpus, others: Sequence[Corpus], split: Split, generator: Generator
) -> Iterator[tuple[str, PredictionColumns]]:
    """Yield the windows that a reference is held against, by kind."""
    for condition in CONDITIONS:
        kind = UNCHANGED if condition == CLEAN else condition
        yield kind, take_speakers(corpus.sounds[condition], split.window)
    for other in others:
        # As many as in the window, where there are; of a corpus with little of each speaker enough for as many rows.
        size = max(min(len(split.window), len(other.speakers)), count_window_speakers(len(other.speakers)))
        chosen = generator.choice(other.speakers, size, replace=False).tolist()
        yield f"speakers of {other.name}", take_speakers(other.sounds[CLEAN], chosen)


def profile_reference(rows: PredictionColumns, config: CheckConfig) -> Profile:
    """Return the profile of a reference, with the bins that it fixes."""
    return make_profile("emotion", fix_columns(rows.known_values(), config.bins), rows)


def judge(reference: Profile, window: PredictionColumns, config: CheckConfig, cell: Cell) -> None:
    """Count what the quick check says of a window."""
    judged = check_window(reference, make_profile("emotion", reference.columns, window), config)
    cell.windows += 1
    cell.outcomes[judged.outcome] += 1
    cell.beyond.update({finding.column for finding in judged.findings if finding.is_beyond})


def interval(count: int, of: int) -> tuple[float, float]:
    """Return the 95 % interval of a share (E. B. Wilson, J. Am. Stat. Assoc. 22, 1927)."""
    found = binomtest(count, of).proportion_ci(method="wilson")
    return float(found.low), float(found.high)
