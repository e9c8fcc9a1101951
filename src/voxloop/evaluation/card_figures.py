"""The figures of a model card that every family has: leads, measures, slices, single speakers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from voxloop.evaluation.answers import Answers
from voxloop.evaluation.card import (
    BySpeaker,
    Lead,
    Measured,
    Resampled,
    SliceFigures,
    SpeakerFigures,
)
from voxloop.evaluation.case import Part
from voxloop.evaluation.judgement import IntervalRecord
from voxloop.evaluation.moments import absolute_error_moments, average_speakers, sum_groups
from voxloop.evaluation.policy_sections import SliceColumn, SliceRule
from voxloop.evaluation.resampling import draw_speakers, resample_values
from voxloop.evaluation.samples import Sample, trait_table
from voxloop.evaluation.slice_rules import is_thin
from voxloop.evaluation.slices import cut_slices
from voxloop.evaluation.summed_measures import MAE, paired

RESAMPLES = 2000
BINS = 32
SEED = 7
"""Of the speakers drawn again: the same card every time."""
COLUMNS: tuple[SliceColumn, ...] = ("gender", "age_band", "language", "source", "duration", "snr", "device")

Floats = npt.NDArray[np.float64]


def order_measures(part: Part) -> list[str]:
    """Return the names of what the family measures, the policy's first."""
    asked = [name for name in part.policy.measures if name in part.challenger_samples]
    return [*asked, *(name for name in part.challenger_samples if name not in asked)]


def figure_leads(part: Part, reason_set: str | None) -> Iterator[Lead]:
    """Yield the lead in each measure, with the bound it is held against; nothing without a champion."""
    for name in order_measures(part) if len(part.champion) else ():
        rule = part.policy.measures.get(name)
        asked = None if rule is None else rule.comparison_on(part.name, reason_set)
        yield Lead(
            measure=name,
            interval=IntervalRecord.of(f"{name} lead", part.lead(name)),
            kind=None if asked is None else asked.kind,
            bound=None if asked is None else asked.bound,
        )


def figure_measures(part: Part) -> Iterator[Measured]:
    """Yield each measure of both models, with the limit the policy sets it."""
    for name in order_measures(part):
        rule = part.policy.measures.get(name)
        yield Measured(
            measure=name,
            larger_is_better=part.challenger_samples[name].measure.larger_is_better,
            challenger=IntervalRecord.of(name, part.challenger_interval(name)),
            champion=IntervalRecord.of(name, part.champion_interval(name)) if len(part.champion) else None,
            limit=None if rule is None else rule.limit_on(part.name),
        )


def slice_rule(part: Part) -> SliceRule:
    """Return which measure slices show and what is thin: the policy's word, else the defaults of such a rule."""
    if part.policy.slices is not None and part.policy.slices.measure in part.challenger_samples:
        return part.policy.slices
    return SliceRule(by=("gender",), measure=order_measures(part)[0], margin=1.0)


def figure_slices(part: Part, by: Sequence[SliceColumn], rule: SliceRule) -> Iterator[SliceFigures]:
    """Yield every slice by these columns, thin ones without intervals."""
    for name, rows in cut_slices(part.challenger.columns, by):
        yield _figure_slice(part.cut(rows), name, rule)


def _figure_slice(part: Part, name: str, rule: SliceRule) -> SliceFigures:
    thin, measure, asked = is_thin(part.challenger, rule), rule.measure, part.policy.slices
    shown, both = not thin, not thin and bool(len(part.champion))
    is_asked = asked is not None and asked.measure == measure and name.partition("=")[0] in asked.by
    return SliceFigures(
        name=name,
        utterances=len(part.challenger),
        speakers=part.challenger.speaker_count(),
        thin=f"asked for are {rule.minimum_utterances} utterances of {rule.minimum_speakers} speakers" if thin else "",
        bound=-asked.margin if asked is not None and is_asked else None,
        challenger=IntervalRecord.of(measure, part.challenger_interval(measure)) if shown else None,
        champion=IntervalRecord.of(measure, part.champion_interval(measure)) if both else None,
        lead=IntervalRecord.of(f"{measure} lead", part.lead(measure)) if both else None,
    )


@dataclass(frozen=True)
class SpeakerSums:
    """What each speaker adds to one measure, float64 [speakers, k], in the order of their ids."""

    ours: Sample
    theirs: Sample | None

    def values(self, sample: Sample) -> Floats:
        """Return the measure of each speaker alone, float64 [speakers]."""
        return np.asarray(sample.measure.value(sum_groups(sample.moments, sample.speakers)), dtype=np.float64)


def figure_speakers(part: Part) -> BySpeaker:
    """Return every speaker alone, the smallest lead first, or without a champion the worst value first."""
    sums = _speaker_sums(part)
    measure = sums.ours.measure
    ours = sums.values(sums.ours)
    theirs = None if sums.theirs is None else sums.values(sums.theirs)
    leads = None if theirs is None else measure.lead(ours, theirs)
    names, counts = np.unique(part.challenger.speaker_ids, return_counts=True)
    rank = leads if leads is not None else ours if measure.larger_is_better else -ours
    order = np.lexsort((names, np.where(np.isnan(rank), np.inf, rank)))
    speakers = tuple(
        SpeakerFigures(
            speaker_id=str(names[index]),
            utterances=int(counts[index]),
            challenger=_number(ours[index]),
            champion=None if theirs is None else _number(theirs[index]),
            lead=None if leads is None else _number(leads[index]),
        )
        for index in order.tolist()
    )
    return BySpeaker(measure=measure.name, larger_is_better=measure.larger_is_better, speakers=speakers)


def figure_resamples(part: Part) -> Resampled | None:
    """Return how the lead in the first measure varies when speakers are drawn again; None where it cannot be told."""
    if not len(part.champion):
        return None
    name = order_measures(part)[0]
    ours, theirs = part.challenger_samples[name], part.champion_samples[name]
    sums = sum_groups(np.concatenate([ours.moments, theirs.moments], axis=1), ours.speakers)
    values = resample_values(sums, paired(ours.measure), draw_speakers(len(sums), RESAMPLES, SEED))
    values = values[np.isfinite(values)]
    if not len(values):
        return None
    low, high = float(values.min()), float(values.max())
    counts = np.histogram(values, bins=BINS if high > low else 1, range=(low, high) if high > low else None)[0]
    return Resampled(measure=f"{name} lead", resamples=len(values), counts=tuple(counts.tolist()), low=low, high=high)


def _speaker_sums(part: Part) -> SpeakerSums:
    """Return samples whose measure one speaker has: a correlation over speakers has none, the mean error has."""
    if part.task.NAME == "personality":
        theirs = _error_sample(part, part.champion) if len(part.champion) else None
        return SpeakerSums(_error_sample(part, part.challenger), theirs)
    name = order_measures(part)[0]
    return SpeakerSums(part.challenger_samples[name], part.champion_samples[name] if len(part.champion) else None)


def _error_sample(part: Part, answers: Answers) -> Sample:
    wanted, found = speaker_traits(answers, part.encoding.labels)
    return Sample(MAE, absolute_error_moments(wanted, found), np.arange(len(wanted)))


def speaker_traits(answers: Answers, traits: Sequence[str]) -> tuple[Floats, Floats]:
    """Return each speaker's mean reference and mean answer, float64 [speakers, traits], in the order of their ids."""
    given = [answer for answer in answers.answers if answer is not None]
    return average_speakers(trait_table(answers.references, traits), trait_table(given, traits), answers.speakers)


def _number(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
