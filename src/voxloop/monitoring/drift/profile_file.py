"""A reference profile as a file: JSON, its owner's alone, for it names speakers by their pseudonyms.

Counts are kept by the slots of a season and add up to those of all (`voxloop.monitoring.drift.season`).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import AwareDatetime, ValidationError

from voxloop.config import StrictModel
from voxloop.errors import InputError
from voxloop.monitoring.drift.columns import Column, Integers
from voxloop.monitoring.drift.embeddings import EmbeddingMoments, no_moments
from voxloop.monitoring.drift.profile import SCHEMA_VERSION, Profile, merge_profiles
from voxloop.monitoring.drift.season import NO_SEASON, Season
from voxloop.monitoring.prediction_files import OWNER_ALONE
from voxloop.speech.sound_embedding import EMBEDDED
from voxloop.store.atomic import write_file
from voxloop.store.digests import canonical_json

REMEDY = "make one: voxloop drift TASK --make-reference --since DAY --until DAY"


WITHOUT_SEASONS, WITHOUT_EMBEDDINGS = 1, 2
"""Versions of the form: before there were seasons counts are of all hours, before there were embeddings it has none."""
_COUNTED = ("speakers", "rows", "counts", "models")


class SlotEmbeddings(StrictModel):
    """Moments of embeddings in a slot of the season (`voxloop.monitoring.drift.embeddings`), rounded.

    Args:
        counts: Rows of each speaker that have one.
        means: Of each speaker, dB.
        scatter: Within speakers, a row of the matrix each.
    """

    counts: tuple[int, ...]
    means: tuple[tuple[float, ...], ...]
    scatter: tuple[tuple[float, ...], ...]

    def as_moments(self, rows: Integers) -> EmbeddingMoments:
        """Return the moments.

        Args:
            rows: Of each speaker, int64 [speakers].

        Raises:
            ValueError: They are of no such speakers.
        """
        counts = np.array(self.counts, dtype=np.int64)
        means = np.array(self.means, dtype=np.float64).reshape(len(rows), EMBEDDED)
        scatter = np.array(self.scatter, dtype=np.float64).reshape(EMBEDDED, EMBEDDED)
        finite = np.isfinite(means).all() and np.isfinite(scatter).all() and np.array_equal(scatter, scatter.T)
        if counts.shape != rows.shape or (counts < 0).any() or (counts > rows).any() or not finite:
            raise ValueError("its embeddings are not of its speakers")
        return EmbeddingMoments(counts, means, scatter)


class SlotCounts(StrictModel):
    """What was counted in a slot of the season.

    Args:
        slot: Which one; 0 without seasons.
        speakers: Pseudonyms.
        rows: Of each speaker.
        counts: Of each speaker and bin, the bins of all columns in one row.
        models: Rows of each model, by digest.
        embeddings: None where no sound has one.
    """

    slot: int
    speakers: tuple[str, ...]
    rows: tuple[int, ...]
    counts: tuple[tuple[int, ...], ...]
    models: dict[str, int]
    embeddings: SlotEmbeddings | None


class ReferenceFile(StrictModel):
    """What the file holds.

    Args:
        schema_version: Of this form.
        family: Whose predictions.
        since: Begin of what was profiled.
        until: Its end.
        season: By which it is kept.
        columns: With their bins, those of all slots.
        slots: What was counted in each slot in which anybody called, by slot.
    """

    schema_version: int
    family: str
    since: AwareDatetime
    until: AwareDatetime
    season: Season
    columns: tuple[Column, ...]
    slots: tuple[SlotCounts, ...]

    def as_profile(self, slots: Iterable[int] | None = None) -> Profile:
        """Return the profile of some slots together; of all without any named.

        Args:
            slots: Which; one in which nobody called has nobody.

        Raises:
            ValueError: The counts are not of these speakers and bins, or the bins are none.
        """
        wanted = None if slots is None else {*slots}
        parts = [self._profile_slot(one) for one in self.slots if wanted is None or one.slot in wanted]
        empty = SlotCounts(slot=0, speakers=(), rows=(), counts=(), models={}, embeddings=None)
        return merge_profiles(*parts) if parts else self._profile_slot(empty)

    def require_sound(self) -> None:
        """Raise `ValueError` unless bins, counts and slots fit together."""
        if wrong := [column.name for column in self.columns if not column.is_sound]:
            raise ValueError(f"the bins of {wrong[0]} do not fit together")
        numbers = [one.slot for one in self.slots]
        if numbers != sorted({*numbers}) or not {*numbers} <= {*range(self.season.slots)}:
            raise ValueError("its slots are not those of its season")
        for one in self.slots:
            self._profile_slot(one)

    def _profile_slot(self, one: SlotCounts) -> Profile:
        bins = sum(column.bins for column in self.columns)
        counts = np.array(one.counts, dtype=np.int64).reshape(len(one.speakers), bins)
        rows = np.array(one.rows, dtype=np.int64)
        if (
            len({*one.speakers}) != len(one.speakers)
            or rows.shape != (len(one.speakers),)
            or (counts < 0).any()
            or (rows < 0).any()
        ):
            raise ValueError("its counts are not of its speakers")
        moments = no_moments(len(rows)) if one.embeddings is None else one.embeddings.as_moments(rows)
        return Profile(self.family, self.columns, one.speakers, rows, counts, moments, one.models, self.schema_version)


def describe_reference(
    slots: Mapping[int, Profile], season: Season, since: AwareDatetime, until: AwareDatetime
) -> ReferenceFile:
    """Return what is written of a reference.

    Args:
        slots: Profiles of the reference by slot, one at least.
        season: Whose slots they are.
        since: Begin of what was profiled.
        until: Its end.
    """
    one = next(iter(slots.values()))
    return ReferenceFile(
        schema_version=one.schema_version,
        family=one.family,
        since=since,
        until=until,
        season=season,
        columns=one.columns,
        slots=tuple(_describe_slot(slot, slots[slot]) for slot in sorted(slots)),
    )


def _describe_slot(slot: int, profile: Profile) -> SlotCounts:
    return SlotCounts(
        slot=slot,
        speakers=profile.speakers,
        rows=tuple(profile.rows.tolist()),
        counts=tuple(map(tuple, profile.counts.tolist())),
        models=dict(profile.models),
        embeddings=_describe_embeddings(profile.embeddings) if profile.embeddings.count else None,
    )


def _describe_embeddings(moments: EmbeddingMoments) -> SlotEmbeddings:
    return SlotEmbeddings(
        counts=tuple(moments.counts.tolist()),
        means=tuple(map(tuple, moments.means.round(4).tolist())),
        scatter=tuple(map(tuple, ((moments.scatter + moments.scatter.T) / 2).round(2).tolist())),
    )


def write_reference(path: Path, reference: ReferenceFile) -> None:
    """Write a reference whole or not at all.

    Raises:
        OSError: It cannot be written.
    """
    write_file(path, canonical_json(reference.model_dump(mode="json")) + "\n", mode=OWNER_ALONE)


def read_reference(path: Path, family: str) -> ReferenceFile:
    """Read the reference of a family; one of an earlier form is a reference without what came later.

    Raises:
        InputError: There is none, it is of another version or family, or not what was written.
    """
    try:
        content = json.loads(path.read_bytes())
        version = content["schema_version"]
    except FileNotFoundError:
        raise InputError(f"{path} does not exist", rule="a window is held against a reference", remedy=REMEDY) from None
    except (OSError, ValueError, TypeError, KeyError) as unreadable:
        raise InputError(f"{path} is no reference: {str(unreadable)[:200]!r}", remedy=REMEDY) from None
    if version not in (WITHOUT_SEASONS, WITHOUT_EMBEDDINGS, SCHEMA_VERSION):
        raise InputError(
            f"{path} has schema version {version!r:.40}",
            rule=f"this one reads {WITHOUT_SEASONS} to {SCHEMA_VERSION}",
            remedy=REMEDY,
        )
    try:
        reference = ReferenceFile.model_validate(_renew(content, version))
        reference.require_sound()
    except (ValidationError, ValueError, TypeError, KeyError) as malformed:
        raise InputError(f"{path} is no reference: {str(malformed)[:200]!r}", remedy=REMEDY) from None
    if reference.family != family:
        raise InputError(
            f"{path} is of {reference.family}", rule=f"{family} is held against its own reference", remedy=REMEDY
        )
    return reference


def _renew(content: Mapping[str, Any], version: int) -> dict[str, Any]:
    """Return the content of a file of any version as one of this version."""
    if version == SCHEMA_VERSION:
        return dict(content)
    with_season = _give_season(content) if version == WITHOUT_SEASONS else content
    slots = [{**slot, "embeddings": None} for slot in with_season["slots"]]
    return {**with_season, "schema_version": SCHEMA_VERSION, "slots": slots}


def _give_season(content: Mapping[str, Any]) -> dict[str, Any]:
    """Return the content of a file of version 1 with all of it in one slot."""
    rest = {name: value for name, value in content.items() if name not in _COUNTED}
    counted = {name: content[name] for name in _COUNTED if name in content}
    return {
        **rest,
        "season": NO_SEASON.model_dump(mode="json"),
        "slots": [{"slot": 0, **counted}],
    }
