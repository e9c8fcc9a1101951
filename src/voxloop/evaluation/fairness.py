"""Gaps between groups of speakers, with intervals studentised over all speakers of both.

A gap is a difference of one measure between two parts of a set, so it is a contrast (`summed_measures.contrast`) and
its interval that of every other measure: a speaker who is left out moves the part they are in. What may not be large is
the gap whichever group is ahead. That |d| lies below a bound is shown by both one-sided tests (D. J. Schuirmann, "A
comparison of the two one-sided tests procedure and the power approach", J. Pharmacokinet. Biopharm. 15, 1987); that it
lies above by either, each at half the chance of error.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from voxloop.evaluation.case import Part
from voxloop.evaluation.claims import claim_interval
from voxloop.evaluation.intervals import Interval
from voxloop.evaluation.joint_claims import chance_above, chance_below
from voxloop.evaluation.moments import stack_parts
from voxloop.evaluation.samples import Sample, sample_recall
from voxloop.evaluation.summed_measures import contrast

Bools = npt.NDArray[np.bool_]
Take = Callable[[Part], tuple[Sample, ...]]
"""From a group to what is compared of it: the challenger's sample, and the champion's if there is one."""


@dataclass(frozen=True)
class GroupGap:
    """How far apart two groups are.

    Args:
        challenger: Interval of the first group's value less the second's.
        champion: The same of the champion; None without one.
        difference: Of the challenger's gap less the champion's, each with its sign; None without a champion.
        total: Of both added.
    """

    challenger: Interval
    champion: Interval | None = None
    difference: Interval | None = None
    total: Interval | None = None

    @property
    def growth(self) -> float | None:
        """By how much the challenger's gap is larger than the champion's; None without one."""
        return None if self.champion is None else abs(self.challenger.estimate) - abs(self.champion.estimate)

    def chance_within(self, limit: float) -> float:
        """Return the p-value of "the gap is not smaller than the limit"; NaN where the data cannot tell."""
        below, above = chance_below(self.challenger, limit), chance_above(self.challenger, -limit)
        return float(np.maximum(below, above))

    def chance_beyond(self, limit: float) -> float:
        """Return the p-value of "the gap is not larger than the limit"."""
        return _either(chance_above(self.challenger, limit), chance_below(self.challenger, -limit))

    def chance_kept(self, margin: float) -> float:
        """Return the p-value of "it is larger than the champion's by the margin or more".

        Where d, the challenger's, is at least |e| + margin, e being the champion's, both d - e and d + e are at least
        the margin: either shown to be less refutes it, each at half the chance of error. So for -d. The difference
        settles it mostly, for both models hear the same speakers; the sum where a gap has turned round.
        """
        first = _either(chance_below(self.difference, margin), chance_below(self.total, margin))
        second = _either(chance_above(self.difference, -margin), chance_above(self.total, -margin))
        return float(np.maximum(first, second))

    def chance_grown(self, margin: float) -> float:
        """Return the p-value of "it is not larger than the champion's by more than the margin": against both signs."""
        ahead = np.maximum(chance_above(self.difference, margin), chance_above(self.total, margin))
        behind = np.maximum(chance_below(self.difference, -margin), chance_below(self.total, -margin))
        return _either(float(ahead), float(behind))


def measure_gap(part: Part, groups: Sequence[Bools], take: Take) -> GroupGap:
    """Return the gap between two groups.

    Args:
        part: The answers.
        groups: The rows of each, bool [n].
        take: What is compared.
    """
    blocks = [_take_block(part.cut(rows), take) for rows in groups]
    moments = stack_parts([np.concatenate([one.moments for one in samples], axis=1) for samples, _ in blocks])
    speakers = np.unique(np.concatenate([names for _, names in blocks]), return_inverse=True)[1].astype(np.int64)
    (ours, *theirs), _ = blocks[0]

    def interval(*weights: float) -> Interval:
        both = [*weights, *(-weight for weight in weights)]
        sample = Sample(contrast(ours.measure, both, f"{ours.measure.name} gap"), moments, speakers)
        return claim_interval(part.policy.claim, sample, level=part.policy.level)

    if not theirs:
        return GroupGap(interval(1.0))
    return GroupGap(interval(1.0, 0.0), interval(0.0, 1.0), interval(1.0, -1.0), interval(1.0, 1.0))


def take_measure(name: str) -> Take:
    """Return what takes the sample of a measure."""
    return lambda group: tuple(
        samples[name] for samples in (group.challenger_samples, *_of_champion(group, group.champion_samples))
    )


def take_recall(group: Part) -> tuple[Sample, ...]:
    """Take the recall of the rows of a group, which are all of one label."""
    return (sample_recall(group.challenger), *(sample_recall(one) for one in _of_champion(group, group.champion)))


def _of_champion(group: Part, found: Any) -> tuple[Any, ...]:
    return (found,) if len(group.champion) else ()


def _take_block(group: Part, take: Take) -> tuple[tuple[Sample, ...], npt.NDArray[np.str_]]:
    """Return the sample of each model, rows in the same order, and who speaks in each row."""
    samples = take(group)
    return samples, np.unique(group.challenger.speaker_ids)[samples[0].speakers]


def _either(one: float, other: float) -> float:
    """Return the p-value of two tests of which either may reject, each at half the level; NaN where one is."""
    return float(np.minimum(1.0, 2.0 * np.minimum(one, other)))
