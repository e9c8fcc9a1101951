"""The evaluation side of the leakage gate, by everything an utterance can be recognised by."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from voxloop.data.leak_rows import LeakRow
from voxloop.data.leak_sounds import FingerprintIndex, MatchConfig
from voxloop.data.leakage_report import Kind, LeakPair
from voxloop.speech.fingerprint import Fingerprint

Places = dict[str, list[int]]
"""Rows of the index by side."""


class Hit(NamedTuple):
    """A training utterance gives something away.

    `value` is what both sides share, `reason` the same for a person, `places` the evaluation rows that have it.
    """

    kind: Kind
    value: str
    reason: str
    places: Places


@dataclass
class Tally:
    """The leaks of one kind into one side."""

    listed: int
    train: int = 0
    last: str = ""
    evaluation: set[int] = field(default_factory=set)
    values: set[str] = field(default_factory=set)
    pairs: list[LeakPair] = field(default_factory=list)

    def add(self, train_id: str, hit: Hit, rows: Sequence[int], names: Sequence[str]) -> None:
        """Count one training utterance; `names` are the utterance ids of the index."""
        self.train += train_id != self.last
        self.last = train_id
        if hit.value not in self.values:
            self.values.add(hit.value)
            self.evaluation.update(rows)
        if len(self.pairs) < self.listed:
            self.pairs.append(LeakPair(train=train_id, evaluation=names[rows[0]], reason=hit.reason))


class EvaluationIndex:
    """Every evaluation utterance, of all sides.

    Args:
        rows: Each with the name of its side.
        config: When two fingerprints match.
    """

    def __init__(self, rows: Sequence[tuple[str, LeakRow]], config: MatchConfig) -> None:
        self.names = [row.utterance_id for _, row in rows]
        self._speakers = [row.speaker_id for _, row in rows]
        self._sides = [side for side, _ in rows]
        self._config = config
        self._by: dict[tuple[Kind, str], Places] = defaultdict(lambda: defaultdict(list))
        sounds: dict[str, Fingerprint] = {}
        for number, (side, row) in enumerate(rows):
            for kind, value in _known_by(row):
                self._by[kind, value][side].append(number)
            if row.sound is not None:
                sounds[row.sound.samples] = row.sound.fingerprint
        self._samples = list(sounds)
        self._index = FingerprintIndex(list(sounds.values()))

    def __len__(self) -> int:
        return len(self.names)

    def find(self, row: LeakRow) -> Iterator[Hit]:
        """Yield everything a training utterance gives away, each kind and value once."""
        for kind, value in dict.fromkeys(_known_by(row)):
            if (places := self._by.get((kind, value))) is not None:
                yield Hit(kind, value, _reason(kind, row), places)
                if kind == "exact":
                    yield from self._follow(row, places)
        yield from self._find_near(row)

    def _find_near(self, row: LeakRow) -> Iterator[Hit]:
        if row.sound is None:
            return
        for match in self._index.find(row.sound.fingerprint, self._config):
            samples = self._samples[match.position]
            if samples == row.sound.samples:
                continue  # exact, and said so
            places = self._by["exact", samples]
            reason = f"{match.error:.1%} of bits differ over {match.frames * 0.012:.2f} s, shifted by {match.shift_s} s"
            yield Hit("near", samples, reason, places)
            yield from self._follow(row, places)

    def _follow(self, row: LeakRow, places: Places) -> Iterator[Hit]:
        """Yield what follows from one recording on both sides: another name of its speaker."""
        for speaker in sorted({self._speakers[number] for rows in places.values() for number in rows}):
            theirs = {side: [n for n in rows if self._speakers[n] == speaker] for side, rows in places.items()}
            theirs = {side: rows for side, rows in theirs.items() if rows}
            if speaker != row.speaker_id:
                reason = f"{row.speaker_id!r} in training is {speaker!r} here"
                yield Hit("hidden speaker", f"{row.speaker_id}\n{speaker}", reason, theirs)


def _known_by(row: LeakRow) -> Iterator[tuple[Kind, str]]:
    yield "speaker", row.speaker_id
    if row.session_id is not None:
        yield "session", row.session_id
    yield "utterance", row.utterance_id
    # One value for the bytes and one for the samples would count a copy twice.
    yield "exact", row.sha256 if row.sound is None else row.sound.samples
    if row.sentence:
        yield "sentence", row.sentence


def _reason(kind: Kind, row: LeakRow) -> str:
    if kind == "exact":
        return "the same samples" if row.sound is not None else "the same text"
    told = {"speaker": row.speaker_id, "session": str(row.session_id), "sentence": row.sentence}
    return f"{kind} {told.get(kind, row.utterance_id)!r}"
