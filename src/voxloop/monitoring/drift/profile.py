"""A profile of predictions: how often each bin of each column was met, speaker by speaker.

Counts of whole speakers are what thresholds are drawn from (`voxloop.monitoring.drift.draws`), and they add up: the
profile of two days is the sum of the days'. Bins are the reference's, so a window is profiled in one pass.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from voxloop.errors import InputError
from voxloop.monitoring.drift.columns import ANSWERS, Coded, Column, Integers, Values, place_values, slice_columns
from voxloop.monitoring.drift.embeddings import EmbeddingMoments, Embeddings, measure_moments, merge_moments

SCHEMA_VERSION = 3
"""3: with moments of embeddings. 2: a reference is kept by the slots of a season. One of version 1 is read as a
reference without seasons, one of 1 or 2 as one without embeddings."""


@dataclass(frozen=True)
class PredictionColumns:
    """Predictions as arrays.

    Args:
        speakers: Whose rows.
        models: Digest of who answered.
        values: By column.
        skipped: bool [n] by column: rows of which it is not known whether they have a value; without an entry none.
        embeddings: Of the sounds, float32 [n, 48], NaN where there is none; None where there is none at all.
    """

    speakers: Coded
    models: Coded
    values: Mapping[str, Values]
    skipped: Mapping[str, npt.NDArray[np.bool_]]
    embeddings: Embeddings | None = None

    @property
    def row_count(self) -> int:
        """How many there are."""
        return len(self.speakers.codes)

    def known_values(self) -> dict[str, Values]:
        """Return the values by column, without skipped rows."""
        return {name: _leave_out(values, self.skipped.get(name)) for name, values in self.values.items()}

    def take(self, rows: Integers) -> PredictionColumns:
        """Return some of the rows.

        Args:
            rows: Which, int64 [k].
        """
        return PredictionColumns(
            Coded(self.speakers.names, self.speakers.codes[rows]),
            Coded(self.models.names, self.models.codes[rows]),
            {name: _take(values, rows) for name, values in self.values.items()},
            {name: skipped[rows] for name, skipped in self.skipped.items()},
            None if self.embeddings is None else self.embeddings[rows],
        )


@dataclass(frozen=True)
class Profile:
    """How often each bin was met.

    Args:
        family: Whose predictions.
        columns: With their bins.
        speakers: Pseudonyms, sorted; a key where no speaker is named.
        rows: Of each speaker, int64 [speakers].
        counts: int64 [speakers, bins of all columns].
        embeddings: Moments of the sounds' embeddings.
        models: Rows of each model, by digest.
        schema_version: Of this form.
    """

    family: str
    columns: tuple[Column, ...]
    speakers: tuple[str, ...]
    rows: Integers
    counts: Integers
    embeddings: EmbeddingMoments
    models: Mapping[str, int]
    schema_version: int = SCHEMA_VERSION

    @property
    def row_count(self) -> int:
        """Rows of all speakers."""
        return int(self.rows.sum())


def make_profile(family: str, columns: tuple[Column, ...], predictions: PredictionColumns) -> Profile:
    """Profile predictions in one pass.

    Args:
        family: Whose.
        columns: With the reference's bins.
        predictions: Their values.

    Raises:
        InputError: A column has no values.
    """
    if missing := [column.name for column in columns if column.name not in predictions.values]:
        raise InputError(
            f"no values of the column {missing[0]!r}",
            rule="a profile is of all columns of the reference",
            remedy="give them, or make another reference",
        )
    speakers, models = predictions.speakers.sort(), predictions.models.sort()
    parts = [np.zeros((len(speakers.names), 0), dtype=np.int64)]
    for column in columns:
        cells = place_values(column, predictions.values[column.name])
        cells += speakers.codes * column.bins
        skipped = predictions.skipped.get(column.name)
        cells = cells if skipped is None else cells[~skipped]
        counts = np.bincount(cells, minlength=len(speakers.names) * column.bins)
        parts.append(counts.reshape(len(speakers.names), column.bins))
    times = np.bincount(models.codes, minlength=len(models.names))
    return Profile(
        family=family,
        columns=columns,
        speakers=tuple(speakers.names.tolist()),
        rows=np.bincount(speakers.codes, minlength=len(speakers.names)).astype(np.int64),
        counts=np.concatenate(parts, axis=1).astype(np.int64),
        embeddings=measure_moments(speakers.codes, len(speakers.names), predictions.embeddings),
        models=dict(zip(models.names.tolist(), times.tolist(), strict=True)),
    )


def _leave_out(values: Values, skipped: npt.NDArray[np.bool_] | None) -> Values:
    return values if skipped is None else _take(values, np.flatnonzero(~skipped))


def _take(values: Values, rows: Integers) -> Values:
    return Coded(values.names, values.codes[rows]) if isinstance(values, Coded) else values[rows]


def merge_profiles(one: Profile, *others: Profile) -> Profile:
    """Return the profile of all together; in which order makes no difference but to the rounding of embeddings.

    Raises:
        InputError: They are of other families, bins or versions.
    """
    parts = (one, *others)
    for name in ("schema_version", "family", "columns"):
        if any(getattr(part, name) != getattr(one, name) for part in others):
            raise InputError(
                f"two profiles of another {name}",
                rule="profiles add up where family, bins and version are the same",
                remedy="profile both with the bins of one reference",
            )
    speakers = sorted({name for part in parts for name in part.speakers})
    number = {name: place for place, name in enumerate(speakers)}
    rows = np.zeros(len(speakers), dtype=np.int64)
    counts = np.zeros((len(speakers), one.counts.shape[1]), dtype=np.int64)
    models: dict[str, int] = {}
    places = [np.array([number[name] for name in part.speakers], dtype=np.int64) for part in parts]
    for part, place in zip(parts, places, strict=True):
        rows[place] += part.rows
        counts[place] += part.counts
        for model, times in part.models.items():
            models[model] = models.get(model, 0) + times
    models = {name: models[name] for name in sorted(models)}
    embeddings = merge_moments([part.embeddings for part in parts], places, len(speakers))
    return Profile(one.family, one.columns, tuple(speakers), rows, counts, embeddings, models, one.schema_version)


def profile_slots(
    family: str, columns: tuple[Column, ...], predictions: PredictionColumns, slots: Integers
) -> dict[int, Profile]:
    """Return a profile of each slot that is met, by slot; together they are that of all.

    Args:
        family: Whose.
        columns: With the reference's bins.
        predictions: Their values.
        slots: Of each row, int64 [n].

    Raises:
        InputError: A column has no values.
    """
    order = np.argsort(slots, kind="stable")
    met, starts = np.unique(slots[order], return_index=True)
    parts = np.split(order, starts[1:])
    return {
        int(slot): make_profile(family, columns, predictions.take(rows))
        for slot, rows in zip(met, parts if len(met) else [], strict=True)
    }


def is_same(one: Profile, other: Profile) -> bool:
    """Return whether two profiles count the same: of the same speakers, bins and models."""
    if (one.family, one.columns, one.speakers, dict(one.models)) != (
        other.family,
        other.columns,
        other.speakers,
        dict(other.models),
    ):
        return False
    same = np.array_equal(one.rows, other.rows) and np.array_equal(one.counts, other.counts)
    return same and one.embeddings.is_close(other.embeddings)


def keep_columns(profile: Profile, names: set[str]) -> Profile:
    """Return the profile with these of its columns alone, and its embeddings."""
    parts = zip(profile.columns, slice_columns(profile.columns), strict=True)
    kept = [(column, place) for column, place in parts if column.name in names]
    counts = [profile.counts[:, place] for _, place in kept]
    return Profile(
        profile.family,
        tuple(column for column, _ in kept),
        profile.speakers,
        profile.rows,
        np.concatenate(counts, axis=1) if counts else profile.counts[:, :0],
        profile.embeddings,
        profile.models,
        profile.schema_version,
    )


def known_rows(profile: Profile) -> Integers:
    """Return of how many rows of each speaker a column is known, or known to be missing: int64 [speakers, columns]."""
    parts = [profile.counts[:, place].sum(axis=1) for place in slice_columns(profile.columns)]
    return np.stack(parts, axis=1) if parts else profile.counts[:, :0]


def is_of_one_model(reference: Profile, window: Profile) -> bool:
    """Return whether all rows of both are of the same model: a mixture moves by its shares alone."""
    return len(reference.models) == 1 and window.models.keys() == reference.models.keys()


def comparable_columns(reference: Profile, window: Profile) -> set[str]:
    """Return the columns that can be compared: between two models those of the sound alone."""
    names = {column.name for column in reference.columns}
    return names if is_of_one_model(reference, window) else names - {*ANSWERS}
