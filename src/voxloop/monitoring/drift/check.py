"""The quick check: has a window drifted from the reference? What cannot be told is no drift, and no absence of it.

All distances of all columns are judged together: each is standardised by its draws, and the greatest of them is held
against the greatest of every draw (P. H. Westfall and S. S. Young, "Resampling-Based Multiple Testing", 1993). The
chance that a window which has not drifted is said to have is then the nominal one for all of them at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from pydantic import Field

from voxloop.config import StrictModel
from voxloop.monitoring.drift.columns import Floats, slice_columns
from voxloop.monitoring.drift.domain_classifier import CLASSIFIER, fit_classifier
from voxloop.monitoring.drift.draws import draw_distances
from voxloop.monitoring.drift.embeddings import EMBEDDING
from voxloop.monitoring.drift.measures import Measure, list_measures, measure_distances
from voxloop.monitoring.drift.profile import Profile, comparable_columns, keep_columns, known_rows


class Outcome(StrEnum):
    """What a check may say of a window. Only `DRIFT` counts for a retraining."""

    DRIFT = "DRIFT"
    NO_DRIFT = "NO_DRIFT"
    CANNOT_TELL = "CANNOT_TELL"


class CheckConfig(StrictModel):
    """How a window is judged; configs/drift says why so.

    Args:
        false_alarms: Nominal share of windows without drift that are said to have drifted.
        draws: Windows drawn from the reference.
        seed: Of the draws.
        bins: Of a number, in the reference.
        least_rows: Of a window, and of a column in it.
        least_speakers: Of a window, keys counted where no speaker is named.
        least_reference_speakers: Of the reference.
    """

    false_alarms: float = Field(gt=0, lt=0.5)
    draws: int = Field(ge=100)
    seed: int = Field(ge=0)
    bins: int = Field(ge=2, le=100)
    least_rows: int = Field(ge=1)
    least_speakers: int = Field(ge=2)
    least_reference_speakers: int = Field(ge=2)


@dataclass(frozen=True)
class Finding:
    """A distance.

    Args:
        measure: `PSI`, `Jensen-Shannon` or `Wasserstein`; of embeddings `domain classifier`.
        column: Of the prediction log.
        value: Of the window.
        threshold: What is exceeded for drift.
    """

    measure: str
    column: str
    value: float
    threshold: float

    @property
    def is_beyond(self) -> bool:
        """Whether it says drift."""
        return self.value > self.threshold


@dataclass(frozen=True)
class Judgement:
    """What is said of a window.

    Args:
        outcome: The word.
        reasons: Distances beyond their thresholds, or why nothing can be told; what was left out too.
        rows: Of the window.
        speakers: Of the window.
        findings: Every distance.
    """

    outcome: Outcome
    reasons: tuple[str, ...]
    rows: int
    speakers: int
    findings: tuple[Finding, ...] = ()


def check_window(
    reference: Profile,
    window: Profile,
    config: CheckConfig,
    *,
    problems: Sequence[str] = (),
    notes: Sequence[str] = (),
) -> Judgement:
    """Judge a window.

    Args:
        reference: What it is held against.
        window: Profiled with the reference's bins.
        config: How.
        problems: What is wrong with how the window was read: any of them, and nothing can be told.
        notes: What is to be said of what is told.
    """
    found = [*problems, *_find_unfit(reference, window, config)]
    if found:
        return _cannot_tell(found, window)
    names, left_out = _choose_columns(reference, window, config)
    left_out += notes
    if not names:
        return _cannot_tell([*left_out, "no column is left to compare"], window)
    sound, why = _compare_embeddings(reference, window, config)
    left_out += why
    findings = measure_window(
        keep_columns(reference, names), keep_columns(window, names), config, with_embeddings=sound
    )
    beyond = [finding for finding in findings if finding.is_beyond]
    told = [
        f"{one.measure} of {one.column} is {one.value:.4g}, beyond {one.threshold:.4g}, by {window.row_count} rows of "
        f"{len(window.speakers)} speakers"
        for one in beyond
    ]
    outcome = Outcome.DRIFT if beyond else Outcome.NO_DRIFT
    return Judgement(outcome, (*told, *left_out), window.row_count, len(window.speakers), tuple(findings))


def measure_window(
    reference: Profile, window: Profile, config: CheckConfig, *, with_embeddings: bool = False
) -> list[Finding]:
    """Return every distance of the window, with the threshold that draws from the reference set for all of them.

    Args:
        reference: With one column at least.
        window: Of the same columns.
        config: How.
        with_embeddings: Whether both have some, which are compared too.
    """
    measures = list_measures(window.columns)
    values = measure_distances(window.columns, _total(window), _total(reference))[0].tolist()
    classifier = fit_classifier(reference.embeddings) if with_embeddings else None
    if classifier is not None:
        measures.append(Measure(CLASSIFIER, EMBEDDING))
        values.append(classifier.separate(window.embeddings))
    drawn = draw_distances(
        reference,
        known_rows(window),
        draws=config.draws,
        generator=np.random.default_rng(config.seed),
        classifier=classifier,
        sounds=window.embeddings.counts,
    )
    thresholds = set_thresholds(drawn, config.false_alarms)
    return [
        Finding(measure.name, measure.column, float(value), float(threshold))
        for measure, value, threshold in zip(measures, values, thresholds, strict=True)
    ]


def set_thresholds(drawn: Floats, false_alarms: float) -> Floats:
    """Return the threshold of each distance such that any is exceeded in that share of the draws, float64 [measures].

    Args:
        drawn: Distances without drift, float64 [draws, measures].
        false_alarms: In (0, 1).
    """
    centres = np.median(drawn, axis=0)
    # By the tail and not by the standard deviation: PSI is skewed, and would have the greatest score nearly always.
    spreads = np.maximum(np.quantile(drawn, 0.95, axis=0) - centres, 1e-12)
    greatest = np.sort(((drawn - centres) / spreads).max(axis=1))
    rank = min(len(greatest), int(np.ceil((len(greatest) + 1) * (1 - false_alarms))))
    return np.asarray(centres + spreads * greatest[rank - 1])


def _find_unfit(reference: Profile, window: Profile, config: CheckConfig) -> list[str]:
    """Return why nothing can be told of the window."""
    if window.schema_version != reference.schema_version:
        return [f"a profile of schema version {window.schema_version}, the reference has {reference.schema_version}"]
    if (window.family, window.columns) != (reference.family, reference.columns):
        return [f"a profile of {window.family} with other bins than the reference of {reference.family}"]
    few = (
        (window.row_count, config.least_rows, "rows"),
        (len(window.speakers), config.least_speakers, "speakers"),
        (len(reference.speakers), config.least_reference_speakers, "speakers in the reference"),
    )
    return [f"{count} {what}, of {least} at least" for count, least, what in few if count < least]


def _choose_columns(reference: Profile, window: Profile, config: CheckConfig) -> tuple[set[str], list[str]]:
    """Return the columns to compare, and why others are not."""
    names = comparable_columns(reference, window)
    left_out = [
        f"{column.name} is not compared: it is not of one model, the reference's"
        for column in reference.columns
        if column.name not in names
    ]
    for column, place in zip(window.columns, slice_columns(window.columns), strict=True):
        rows = int(window.counts[:, place].sum())
        if column.name in names and rows < config.least_rows:
            names.discard(column.name)
            left_out.append(f"{column.name} is not compared: known of {rows} rows, of {config.least_rows} at least")
    return names, left_out


def _compare_embeddings(reference: Profile, window: Profile, config: CheckConfig) -> tuple[bool, list[str]]:
    """Return whether embeddings are compared, and why not where the reference has some."""
    there, rows = reference.embeddings.count, window.embeddings.count
    if there and min(there, rows) >= config.least_rows:
        return True, []
    known = f"known of {rows} rows, in the reference of {there}, of {config.least_rows} at least"
    return False, [f"{EMBEDDING} is not compared: {known}"] if there else []


def _total(profile: Profile) -> Floats:
    return np.asarray(profile.counts.sum(axis=0, dtype=np.float64)[None, :])


def _cannot_tell(reasons: Sequence[str], window: Profile) -> Judgement:
    return Judgement(Outcome.CANNOT_TELL, tuple(reasons), window.row_count, len(window.speakers))
