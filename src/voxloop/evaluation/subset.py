"""The part of an evaluation set that is asked again under changed conditions: bounded, even over speakers, by hash.

Which rows are chosen is a function of their ids, their speakers, the size and the seed: whatever order they come in,
and whoever asks. So a gate can tell whether the rows it is shown are those that had to be there.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

import numpy as np
import numpy.typing as npt

Item = TypeVar("Item")


def choose_rows(
    utterance_ids: Sequence[str] | npt.NDArray[np.str_],
    speaker_ids: Sequence[str] | npt.NDArray[np.str_],
    size: int,
    seed: int,
) -> npt.NDArray[np.bool_]:
    """Return which rows are chosen, bool [n]: of each speaker the first by hash, then the second, until `size` are.

    Args:
        utterance_ids: Of each row, [n].
        speaker_ids: Who said it, [n].
        size: Most rows; all of them where there are no more.
        seed: Another seed chooses others.
    """
    ids, speakers = np.asarray(utterance_ids, dtype=np.str_), np.asarray(speaker_ids, dtype=np.str_)
    hashes = np.array([hash_id(seed, name) for name in ids.tolist()], dtype=np.uint64)
    turns = _count_turns(speakers, np.lexsort((ids, hashes, speakers)))
    chosen = np.zeros(len(ids), dtype=np.bool_)
    chosen[np.lexsort((ids, hashes, turns))[:size]] = True
    return chosen


def hash_id(seed: int, name: str) -> int:
    """Return a number from 0 to 2^64 - 1 that is the same everywhere."""
    return int.from_bytes(hashlib.sha256(f"{seed}/{name}".encode()).digest()[:8])


def _count_turns(speakers: npt.NDArray[np.str_], order: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Return the place of each row among those of its speaker, in an order in which speakers stand together."""
    ordered = speakers[order]
    is_first = np.ones(len(order), dtype=np.bool_)
    is_first[1:] = ordered[1:] != ordered[:-1]
    starts = np.flatnonzero(is_first)
    turns = np.empty(len(order), dtype=np.int64)
    turns[order] = np.arange(len(order)) - np.repeat(starts, np.diff([*starts, len(order)]))
    return turns


@dataclass
class Subset(Generic[Item]):
    """The chosen rows of a stream that passes once; at most twice `size` are held at a time.

    A row that is not among the chosen of what has passed so far, never will be: rows that come later can only move it
    back in its speaker's order and in that of all.
    """

    size: int
    seed: int
    _held: list[tuple[str, str, Item]] = field(default_factory=list)

    def offer(self, utterance_id: str, speaker_id: str, item: Item) -> None:
        """Take a row in, perhaps only for a while."""
        self._held.append((utterance_id, speaker_id, item))
        if len(self._held) >= 2 * self.size:
            self._cut()

    def items(self) -> list[Item]:
        """Return what is chosen, in the order of utterance ids."""
        self._cut()
        return [item for _, _, item in sorted(self._held, key=lambda held: held[0])]

    def _cut(self) -> None:
        names, speakers = [name for name, _, _ in self._held], [speaker for _, speaker, _ in self._held]
        chosen = choose_rows(names, speakers, self.size, self.seed)
        self._held = [held for held, is_chosen in zip(self._held, chosen, strict=True) if is_chosen]
