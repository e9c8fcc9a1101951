"""What a window is held against: all of the reference, or the slots of the season that the window is in."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from voxloop.errors import InputError
from voxloop.monitoring.drift.policy import DriftPolicy
from voxloop.monitoring.drift.profile import Profile
from voxloop.monitoring.drift.profile_file import REMEDY, ReferenceFile
from voxloop.monitoring.drift.season import Period, ThinSlots

WHOLE = "the whole reference"


@dataclass(frozen=True)
class Held:
    """What a window is held against.

    Args:
        profile: Of the reference.
        name: Which part of it.
        slots: Of the season; None for all of the reference.
        problems: Why nothing can be told of the window.
        notes: What is to be said of what is told.
    """

    profile: Profile
    name: str = WHOLE
    slots: tuple[int, ...] | None = None
    problems: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def hold_against(reference: ReferenceFile, policy: DriftPolicy, start: datetime, end: datetime) -> Held:
    """Return what [start, end) is held against.

    Without a season in the policy that is the whole reference, whatever it is kept by, for its slots add up. A window
    that is in several slots is held against their sum: all of them must have speakers enough.

    Args:
        reference: Of the family.
        policy: By which.
        start: Of the window, aware.
        end: Of the window.

    Raises:
        InputError: The policy has a season, and the reference is kept by none or another.
    """
    season = policy.season.season
    if season.by is Period.NONE:
        return Held(reference.as_profile())
    if reference.season != season:
        raise InputError(
            f"the reference of {reference.family} is kept by {reference.season.by} ({reference.season.zone})",
            rule=f"its policy compares by {season.by} ({season.zone})",
            remedy=REMEDY,
        )
    slots = season.list_covered(start, end)
    thin = list_thin_slots(reference, slots, policy.check.least_reference_speakers)
    if not thin:
        return Held(reference.as_profile(slots), season.name_slots(slots), slots)
    said = tuple(
        f"{speakers} speakers in the reference of {season.name_slots((slot,))}, of "
        f"{policy.check.least_reference_speakers} at least"
        for slot, speakers in thin.items()
    )
    if policy.season.thin_slots is ThinSlots.CANNOT_TELL:
        return Held(reference.as_profile(slots), season.name_slots(slots), slots, problems=said)
    return Held(reference.as_profile(), notes=tuple(f"{one}: held against {WHOLE}" for one in said))


def list_thin_slots(reference: ReferenceFile, slots: tuple[int, ...], least: int) -> dict[int, int]:
    """Return the speakers of each slot that has fewer than a reference needs, by slot.

    Args:
        reference: Of the family.
        slots: Of its season.
        least: Speakers that it needs.
    """
    there = {one.slot: len({*one.speakers}) for one in reference.slots}
    return {slot: there.get(slot, 0) for slot in slots if there.get(slot, 0) < least}
