"""Seasons: hours and weekdays that have callers of their own, so that night is held against nights.

A slot is an hour of the day, a weekday or an hour of the week, by the clock of where the callers live, with its summer
time. Slots are numbered from 0: midnight, Monday, Monday at midnight.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import numpy as np
import numpy.typing as npt
from pydantic import field_validator

from voxloop.config import StrictModel
from voxloop.monitoring.drift.columns import Integers

Moments = npt.NDArray[np.datetime64]
STEP = 900
"""Seconds in which no clock changes its hour: zones are whole quarters of an hour from UTC (tz database, 2025)."""
DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")


class Period(StrEnum):
    """What comes again."""

    NONE = "none"
    HOUR_OF_DAY = "hour_of_day"
    WEEKDAY = "weekday"
    HOUR_OF_WEEK = "hour_of_week"


class Season(StrictModel):
    """What a reference is kept by.

    Args:
        by: What comes again; `none` is one slot for all.
        zone: Of the callers' clock, by its name in the tz database.
    """

    by: Period
    zone: str

    @field_validator("zone")
    @classmethod
    def _known(cls, zone: str) -> str:
        try:
            ZoneInfo(zone)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            raise ValueError(
                f"{zone[:60]!r} is no zone that this machine knows, such as Europe/Warsaw, or Etc/GMT-1 for UTC+1"
            ) from None
        return zone

    @property
    def slots(self) -> int:
        """How many there are."""
        return {Period.NONE: 1, Period.HOUR_OF_DAY: 24, Period.WEEKDAY: 7, Period.HOUR_OF_WEEK: 168}[self.by]

    def find_slot(self, moment: datetime) -> int:
        """Return the slot of an aware moment."""
        there = moment.astimezone(ZoneInfo(self.zone))
        return {
            Period.NONE: 0,
            Period.HOUR_OF_DAY: there.hour,
            Period.WEEKDAY: there.weekday(),
            Period.HOUR_OF_WEEK: there.weekday() * 24 + there.hour,
        }[self.by]

    def find_slots(self, moments: Moments) -> Integers:
        """Return the slot of each moment, int64 [n].

        Args:
            moments: UTC, datetime64 [n].
        """
        seconds = moments.astype("datetime64[s]").astype(np.int64)
        steps, places = np.unique(seconds // STEP, return_inverse=True)
        slots = [self.find_slot(datetime.fromtimestamp(step * STEP, UTC)) for step in steps.tolist()]
        return np.array(slots, dtype=np.int64)[places]

    def list_covered(self, start: datetime, end: datetime) -> tuple[int, ...]:
        """Return the slots that [start, end) is in, sorted."""
        return tuple(sorted({self.find_slot(moment) for moment in _list_steps(start, end)}))

    def name_slots(self, slots: tuple[int, ...]) -> str:
        """Return what a reader calls some slots."""
        return ", ".join(self._name(slot) for slot in slots)

    def _name(self, slot: int) -> str:
        return {
            Period.NONE: "all hours",
            Period.HOUR_OF_DAY: f"{slot:02}:00",
            Period.WEEKDAY: DAYS[slot % 7],
            Period.HOUR_OF_WEEK: f"{DAYS[slot // 24 % 7]} {slot % 24:02}:00",
        }[self.by]


class ThinSlots(StrEnum):
    """What is done where a slot has fewer speakers than a reference needs."""

    CANNOT_TELL = "cannot_tell"
    """Nothing is told of its windows."""
    WHOLE_REFERENCE = "whole_reference"
    """They are held against all slots together: what is but the hour may look like drift."""


class SeasonPolicy(Season):
    """By which season windows are held against their reference; `configs/drift/<task>.yaml` says why so.

    Args:
        thin_slots: What is done where a slot has too few speakers.
    """

    thin_slots: ThinSlots

    @property
    def season(self) -> Season:
        """What a reference is kept by."""
        return Season(by=self.by, zone=self.zone)


NO_SEASON = Season(by=Period.NONE, zone="UTC")


def _list_steps(start: datetime, end: datetime) -> Iterator[datetime]:
    moment = start
    while moment < end:
        yield moment
        # On the quarter, whatever the window begins on.
        moment += timedelta(seconds=STEP - moment.timestamp() % STEP)
