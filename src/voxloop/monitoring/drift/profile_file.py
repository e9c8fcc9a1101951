"""A reference profile as a file: JSON, its owner's alone, for it names speakers by their pseudonyms."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from pydantic import AwareDatetime, ValidationError

from voxloop.config import StrictModel
from voxloop.errors import InputError
from voxloop.monitoring.drift.columns import Column
from voxloop.monitoring.drift.profile import SCHEMA_VERSION, Profile
from voxloop.monitoring.prediction_files import OWNER_ALONE
from voxloop.store.atomic import write_file
from voxloop.store.digests import canonical_json

REMEDY = "make one: voxloop drift TASK --make-reference --since DAY --until DAY"


class ReferenceFile(StrictModel):
    """What the file holds.

    Args:
        schema_version: Of this form.
        family: Whose predictions.
        since: Begin of what was profiled.
        until: Its end.
        columns: With their bins.
        speakers: Pseudonyms.
        rows: Of each speaker.
        counts: Of each speaker and bin, the bins of all columns in one row.
        models: Rows of each model, by digest.
    """

    schema_version: int
    family: str
    since: AwareDatetime
    until: AwareDatetime
    columns: tuple[Column, ...]
    speakers: tuple[str, ...]
    rows: tuple[int, ...]
    counts: tuple[tuple[int, ...], ...]
    models: dict[str, int]

    def as_profile(self) -> Profile:
        """Return the profile.

        Raises:
            ValueError: The counts are not of these speakers and bins, or the bins are none.
        """
        if wrong := [column.name for column in self.columns if not column.is_sound]:
            raise ValueError(f"the bins of {wrong[0]} do not fit together")
        bins = sum(column.bins for column in self.columns)
        counts = np.array(self.counts, dtype=np.int64).reshape(len(self.speakers), bins)
        rows = np.array(self.rows, dtype=np.int64)
        if rows.shape != (len(self.speakers),) or (counts < 0).any() or (rows < 0).any():
            raise ValueError("its counts are not of its speakers")
        return Profile(self.family, self.columns, self.speakers, rows, counts, self.models, self.schema_version)


def describe_reference(profile: Profile, since: AwareDatetime, until: AwareDatetime) -> ReferenceFile:
    """Return what is written of a reference.

    Args:
        profile: Of the reference.
        since: Begin of what was profiled.
        until: Its end.
    """
    return ReferenceFile(
        schema_version=profile.schema_version,
        family=profile.family,
        since=since,
        until=until,
        columns=profile.columns,
        speakers=profile.speakers,
        rows=tuple(profile.rows.tolist()),
        counts=tuple(map(tuple, profile.counts.tolist())),
        models=dict(profile.models),
    )


def write_reference(path: Path, reference: ReferenceFile) -> None:
    """Write a reference whole or not at all.

    Raises:
        OSError: It cannot be written.
    """
    write_file(path, canonical_json(reference.model_dump(mode="json")) + "\n", mode=OWNER_ALONE)


def read_reference(path: Path, family: str) -> ReferenceFile:
    """Read the reference of a family.

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
    if version != SCHEMA_VERSION:
        raise InputError(
            f"{path} has schema version {version!r:.40}", rule=f"this one reads {SCHEMA_VERSION}", remedy=REMEDY
        )
    try:
        reference = ReferenceFile.model_validate(content)
        reference.as_profile()
    except (ValidationError, ValueError) as malformed:
        raise InputError(f"{path} is no reference: {str(malformed)[:200]!r}", remedy=REMEDY) from None
    if reference.family != family:
        raise InputError(
            f"{path} is of {reference.family}", rule=f"{family} is held against its own reference", remedy=REMEDY
        )
    return reference
