"""Find the recordings of an evaluation among training data, whatever was done to their bytes.

Equal halves of fingerprint words lead to candidates, and the share of differing bits at that alignment decides.

Scale: a fingerprint is 417 bytes a second of sound, 1.6 kB with its entries in the index. The index holds the
evaluation side alone, thousands of utterances, while training data go by one at a time and are not kept: a million of
them need the memory of one, 0.7 ms each to measure and 1 ms for every thousand evaluation utterances to look up. An
index of that million itself would take 4 GB at 2.5 s each.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from voxloop.config import StrictModel
from voxloop.speech.fingerprint import BITS, HOP, Fingerprint, Words
from voxloop.speech.waveform import SAMPLE_RATE

_HALF = 1 << 16
_SPAN = 1 << 20  # more than the words of three hours


class MatchConfig(StrictModel):
    """When two fingerprints are of one recording.

    Args:
        least_votes: Equal halves of words at one alignment that make a candidate.
        least_frames: Fewest loud words both must share; a shorter sound is not compared.
        least_coverage: Share of the shorter sound's loud words that must be common, in [0, 1].
        short_frames: Up to so many common words `short_error` is the bound.
        long_frames: From so many on `long_error` is; it grows linearly in between.
        short_error: Largest share of differing bits of a short match.
        long_error: The same of a long one.
    """

    least_votes: int = Field(ge=1)
    least_frames: int = Field(ge=1)
    least_coverage: float = Field(gt=0.0, le=1.0)
    short_frames: int = Field(ge=1)
    long_frames: int = Field(ge=2)
    short_error: float = Field(ge=0.0, lt=0.5)
    long_error: float = Field(ge=0.0, lt=0.5)

    def bound(self, frames: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return the largest share of differing bits that still is a match, by the number of common loud words."""
        known = [self.short_frames, self.long_frames]
        return np.asarray(np.interp(frames, known, [self.short_error, self.long_error]), dtype=np.float64)


@dataclass(frozen=True)
class Match:
    """A fingerprint of the index that is of the same recording.

    Args:
        position: Its place in the index.
        shift_s: How much later the recording stands in the sound that was asked about, in seconds.
        error: Share of differing bits.
        frames: Loud words both have in common.
    """

    position: int
    shift_s: float
    error: float
    frames: int


class FingerprintIndex:
    """Fingerprints, found again by the low or the high half of any of their loud words.

    A half is wrong less often than a whole word: after Opus at 8 kbit/s 16 % of the utterances of nEMO had no word left
    that was whole, all had such a half. The index is four sorted arrays; no word is kept as a Python object.
    """

    def __init__(self, fingerprints: Sequence[Fingerprint]) -> None:
        lengths = np.array([len(one.words) for one in fingerprints], dtype=np.int64)
        self._starts = np.concatenate([[0], np.cumsum(lengths)])
        words = np.concatenate([np.empty(0, np.uint32), *(one.words for one in fingerprints)])
        loud = np.concatenate([np.empty(0, np.bool_), *(one.loud for one in fingerprints)])
        self._owner = np.repeat(np.arange(len(fingerprints), dtype=np.int32), lengths)
        # One silent word before and one behind them all: an alignment that reaches over the edge ends there.
        self._loud_owner = np.pad(np.where(loud, self._owner, np.int32(-1)), 1, constant_values=-1)
        self._words = np.pad(words, 1)
        self._loud_frames = np.array([one.loud_frames for one in fingerprints], dtype=np.int64)
        places = np.flatnonzero(loud).astype(np.int32)
        self._tables = [_sort_halves(_half(words[places], side), places) for side in (0, 1)]

    def __len__(self) -> int:
        return len(self._loud_frames)

    def find(self, sound: Fingerprint, config: MatchConfig) -> list[Match]:
        """Return the fingerprints of the same recording, at their best alignment, by position."""
        owner, shift = self._vote(sound, config.least_votes)
        best: dict[int, Match] = {}
        for match in self._compare(sound, owner, shift, config):
            if match.position not in best or match.error < best[match.position].error:
                best[match.position] = match
        return [best[position] for position in sorted(best)]

    def _vote(self, sound: Fingerprint, least: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return candidates as fingerprint and shift: enough halves are equal there."""
        asked = np.flatnonzero(sound.loud)
        votes = [np.empty(0, np.int64)]
        for side, (starts, places) in enumerate(self._tables):
            half = _half(sound.words[asked], side)
            counts = starts[half + 1] - starts[half]
            place = places[_ranges(starts[half], counts)].astype(np.int64)
            owner = self._owner[place].astype(np.int64)
            shift = np.repeat(asked, counts) - (place - self._starts[owner])
            votes.append(owner * _SPAN + shift + _SPAN // 2)
        found, times = np.unique(np.concatenate(votes), return_counts=True)
        found = found[times >= least]
        return found // _SPAN, found % _SPAN - _SPAN // 2

    def _compare(
        self, sound: Fingerprint, owner: NDArray[np.int64], shift: NDArray[np.int64], config: MatchConfig
    ) -> list[Match]:
        """Count the differing bits of the loud words that both have, for every candidate at once."""
        ours = np.flatnonzero(sound.loud).astype(np.int32)
        theirs = (self._starts[owner] - shift + 1).astype(np.int32)[:, None] + ours
        both = self._loud_owner.take(theirs, mode="clip") == owner[:, None].astype(np.int32)
        differ = np.bitwise_count(self._words.take(theirs, mode="clip") ^ sound.words[ours])
        frames = np.count_nonzero(both, axis=1)
        error = np.sum(differ * both, axis=1, dtype=np.int32) / (BITS * np.maximum(frames, 1))
        shorter = np.minimum(sound.loud_frames, self._loud_frames[owner])
        enough = frames >= np.maximum(config.least_frames, config.least_coverage * shorter)
        same = np.flatnonzero(enough & (error <= config.bound(frames)))
        seconds = shift * (HOP / SAMPLE_RATE)
        return [Match(int(owner[i]), round(float(seconds[i]), 3), float(error[i]), int(frames[i])) for i in same]


def _half(words: Words, side: int) -> NDArray[np.int64]:
    return ((words >> np.uint32(16 * side)) & np.uint32(_HALF - 1)).astype(np.int64)


def _sort_halves(halves: NDArray[np.int64], places: NDArray[np.int32]) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
    """Return where each half's places begin, [65537], and the places in that order."""
    order = np.argsort(halves, kind="stable")
    starts = np.searchsorted(halves[order], np.arange(_HALF + 1))
    return np.asarray(starts, dtype=np.int64), places[order]


def _ranges(starts: NDArray[np.int64], counts: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return `starts[0], starts[0] + 1, …` for `counts[0]` steps, then those of the next start, and so on."""
    before = np.cumsum(counts) - counts
    return np.asarray(np.arange(int(counts.sum())) + np.repeat(starts - before, counts), dtype=np.int64)
