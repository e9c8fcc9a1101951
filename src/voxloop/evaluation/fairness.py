"""Gaps between groups of speakers, with intervals studentised over the speakers of each.

A gap is a difference of one measure between two parts of a set, so it is a contrast (`summed_measures.contrast`): a
speaker who is left out moves the part they are in, and the speakers of each group are a sample of their own
(`intervals.stratified_jackknife`). What may not be large is
the gap whichever group is ahead. That |d| lies below a bound is shown by both one-sided tests (D. J. Schuirmann, "A
comparison of the two one-sided tests procedure and the power approach", J. Pharmacokinet. Biopharm. 15, 1987); that it
lies above by either, each at half the chance of error.

A champion that serves everybody badly, as one that drift has broken, has no gap, and any model that helps has one. So a
gap may grow where all are raised: where whoever the challenger serves worst is served better than the champion served
anybody (docs/adr/0020).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from voxloop.evaluation.case import Part
from voxloop.evaluation.claims import claim_gap
from voxloop.evaluation.intervals import Interval
from voxloop.evaluation.joint_claims import chance_above, chance_below
from voxloop.evaluation.moments import stack_parts
from voxloop.evaluation.samples import Sample, sample_recall
from voxloop.evaluation.summed_measures import contrast

Bools = npt.NDArray[np.bool_]
Take = Callable[[Part], tuple[Sample, ...]]
"""From a group to what is compared of it: the challenger's sample, and the champion's if there is one."""
LEADS = ((1.0, -1.0, 0.0, 0.0), (1.0, 0.0, 0.0, -1.0), (0.0, -1.0, 1.0, 0.0), (0.0, 0.0, 1.0, -1.0))
"""Weights of challenger and champion on one group, then on the other: who is served now over who was before."""
RAISED_SHARE = 0.1
"""Part of the chance of error for "all are raised"; the rest is for "no larger", by which most gaps are settled."""


@dataclass(frozen=True)
class GroupGap:
    """How far apart two groups are.

    Args:
        challenger: Interval of the first group's value less the second's.
        champion: The same of the champion; None without one.
        difference: Of the challenger's gap less the champion's, each with its sign; None without a champion.
        total: Of both added.
        leads: Of each group with the challenger over each with the champion, four; above 0 is better. None without one.
    """

    challenger: Interval
    champion: Interval | None = None
    difference: Interval | None = None
    total: Interval | None = None
    leads: tuple[Interval, ...] = ()

    @property
    def least_lead(self) -> Interval | None:
        """Of whoever the challenger serves worst over whoever the champion serves best; None without a champion."""
        return min(self.leads, key=lambda lead: lead.estimate, default=None)

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

    def chance_fair(self, margin: float) -> float:
        """Return the p-value of "it has grown by the margin or more, and not all are raised"; NaN where none can tell.

        Either refutes it, each at its share of the chance of error. Where the gap itself cannot be known, nothing is.
        """
        kept, raised = self.chance_kept(margin) / (1 - RAISED_SHARE), self.chance_raised() / RAISED_SHARE
        return kept if math.isnan(kept) else float(min(1.0, np.fmin(kept, raised)))

    def is_settled_by_raise(self, margin: float, alpha: float) -> bool:
        """Return whether that all are raised is shown for this gap alone, and that it is kept is not."""
        kept, raised = self.chance_kept(margin) / (1 - RAISED_SHARE), self.chance_raised() / RAISED_SHARE
        return raised <= alpha < kept

    def chance_unfair(self, margin: float) -> float:
        """Return the p-value of "it has not grown by more than the margin, or all are raised": against both."""
        return float(np.maximum(self.chance_grown(margin), self.chance_lowered()))

    def chance_raised(self) -> float:
        """Return the p-value of "some group is served no better than another was before"."""
        return float(np.max([chance_above(lead, 0.0) for lead in self.leads])) if self.leads else math.nan

    def chance_lowered(self) -> float:
        """Return the p-value of "every group is served no worse than any was before": each of four may refute it."""
        if not self.leads:
            return math.nan
        return float(np.minimum(1.0, len(self.leads) * np.min([chance_below(lead, 0.0) for lead in self.leads])))


def measure_gap(part: Part, groups: Sequence[Bools], take: Take) -> GroupGap:
    """Return the gap between two groups.

    Args:
        part: The answers.
        groups: The rows of each, bool [n].
        take: What is compared.
    """
    blocks = [_take_block(part.cut(rows), take) for rows in groups]
    strata = np.repeat(np.arange(len(blocks)), [len(names) for _, names in blocks])
    moments = stack_parts([np.concatenate([one.moments for one in samples], axis=1) for samples, _ in blocks])
    speakers = np.unique(np.concatenate([names for _, names in blocks]), return_inverse=True)[1].astype(np.int64)
    (ours, *theirs), _ = blocks[0]

    def weigh(weights: Sequence[float]) -> Interval:
        sample = Sample(contrast(ours.measure, weights, f"{ours.measure.name} gap"), moments, speakers)
        return claim_gap(part.policy.claim, sample, strata, level=part.policy.level)

    def interval(*weights: float) -> Interval:
        return weigh([*weights, *(-weight for weight in weights)])

    def lead(weights: Sequence[float]) -> Interval:
        return weigh([weight if ours.measure.larger_is_better else -weight for weight in weights])

    if not theirs:
        return GroupGap(interval(1.0))
    return GroupGap(
        interval(1.0, 0.0), interval(0.0, 1.0), interval(1.0, -1.0), interval(1.0, 1.0), tuple(map(lead, LEADS))
    )


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
