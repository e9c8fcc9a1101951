"""Night held against nights: which slot a moment is in, what a window is held against, and what that is worth."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from tests.unit.monitoring.drift.test_policy import POLICY
from tests.unit.monitoring.drift.test_rates import WINDOWS, count_drift, count_windows
from tests.unit.monitoring.drift.worlds import CONFIG, NUMBERS, SHIFTED, make_predictions
from voxloop.errors import InputError
from voxloop.monitoring.drift.check import Judgement, Outcome, check_window
from voxloop.monitoring.drift.columns import Coded, fix_columns
from voxloop.monitoring.drift.holding import WHOLE, hold_against
from voxloop.monitoring.drift.policy import DriftPolicy
from voxloop.monitoring.drift.profile import PredictionColumns, is_same, make_profile
from voxloop.monitoring.drift.profile_file import ReferenceFile, describe_reference
from voxloop.monitoring.drift.season import Period, Season, SeasonPolicy, ThinSlots
from voxloop.settings import Settings

HOUR = timedelta(hours=1)
ZONES = ("UTC", "Europe/Warsaw", "Asia/Kathmandu", "Australia/Lord_Howe", "America/St_Johns", "Etc/GMT-1")
MONDAY = datetime(2026, 11, 30, tzinfo=UTC)
NIGHT, NOON = MONDAY + 3 * HOUR, MONDAY + 12 * HOUR
NIGHT_CALLERS = 1.0
"""Deviations by which night callers differ in one number."""
LIKE_ALL = 0.25
"""About the mean of that number over all hours."""
seasons = st.builds(Season, by=st.sampled_from([*Period]), zone=st.sampled_from(ZONES))
moments = st.integers(0, 36 * 365 * 86_400).map(lambda second: datetime(2000, 1, 1, tzinfo=UTC) + second * HOUR / 3_600)


@pytest.mark.parametrize(
    ("by", "zone", "moment", "slot", "name"),
    [
        (Period.NONE, "UTC", NIGHT, 0, "all hours"),
        (Period.HOUR_OF_DAY, "UTC", NIGHT, 3, "03:00"),
        (Period.HOUR_OF_DAY, "Europe/Warsaw", NIGHT, 4, "04:00"),
        (Period.HOUR_OF_DAY, "Europe/Warsaw", datetime(2026, 7, 1, 3, 59, tzinfo=UTC), 5, "05:00"),
        (Period.WEEKDAY, "UTC", NIGHT, 0, "Monday"),
        (Period.WEEKDAY, "America/St_Johns", NIGHT, 6, "Sunday"),
        (Period.HOUR_OF_WEEK, "UTC", NIGHT - 24 * HOUR, 147, "Sunday 03:00"),
        (Period.HOUR_OF_WEEK, "Asia/Kathmandu", MONDAY + 15 * HOUR / 60, 6, "Monday 06:00"),
    ],
)
def test_a_slot_is_by_the_callers_clock(by: Period, zone: str, moment: datetime, slot: int, name: str) -> None:
    season = Season(by=by, zone=zone)
    assert season.find_slot(moment) == slot
    assert season.name_slots((slot,)) == name


@hypothesis_settings(deadline=None)
@given(seasons, st.lists(moments, max_size=20))
def test_many_moments_are_in_the_slots_that_each_is_in(season: Season, told: list[datetime]) -> None:
    as_array = np.array([moment.replace(tzinfo=None) for moment in told], dtype="datetime64[us]")
    slots = season.find_slots(as_array).tolist()
    assert slots == [season.find_slot(moment) for moment in told]
    assert all(0 <= slot < season.slots for slot in slots)


@hypothesis_settings(deadline=None)
@given(seasons, moments, st.integers(1, 1_440), st.floats(0, 1, exclude_max=True))
def test_a_window_covers_the_slots_of_all_its_moments(
    season: Season, start: datetime, minutes: int, share: float
) -> None:
    length = timedelta(minutes=minutes)
    covered = season.list_covered(start, start + length)
    last = start + length - timedelta(microseconds=1)
    # A share next to one rounds to the end, which is the next window's.
    assert season.find_slot(min(start + share * length, last)) in covered
    assert season.find_slot(last) in covered
    assert list(covered) == sorted({*covered})
    if minutes <= 60 and season.by is Period.HOUR_OF_DAY:
        assert len(covered) <= 3, "two hours; at the end of summer time by half an hour one more"


def test_an_hour_that_comes_twice_is_one_slot_and_one_that_is_left_out_none() -> None:
    warsaw = Season(by=Period.HOUR_OF_DAY, zone="Europe/Warsaw")
    october = datetime(2026, 10, 25, tzinfo=ZoneInfo("UTC"))
    assert [warsaw.find_slot(october + hour * HOUR) for hour in range(3)] == [2, 2, 3]
    march = datetime(2026, 3, 29, tzinfo=UTC)
    assert [warsaw.find_slot(march + hour * HOUR) for hour in range(3)] == [1, 3, 4]


def policy_by(by: Period, thin: ThinSlots = ThinSlots.CANNOT_TELL, zone: str = "UTC") -> DriftPolicy:
    return POLICY.model_copy(update={"season": SeasonPolicy(by=by, zone=zone, thin_slots=thin)})


@lru_cache(maxsize=1)
def world() -> ReferenceFile:
    """Return a reference of 400 callers at noon, 150 others at night, and 20 in one hour of the evening."""
    generator = np.random.default_rng(3)
    heard = {
        slot: make_predictions(generator, np.full(speakers, 50), correlation=0.3, shift=shift)
        for slot, speakers, shift in ((3, 150, NIGHT_CALLERS), (12, 400, 0.0), (20, 20, 0.0))
    }
    numbers = {name: np.concatenate([as_numbers(part, name) for part in heard.values()]) for name in NUMBERS}
    columns = fix_columns({**numbers, "label": heard[12].values["label"]}, CONFIG.bins)
    slots = {slot: make_profile("emotion", columns, rename(part, slot)) for slot, part in heard.items()}
    season = Season(by=Period.HOUR_OF_DAY, zone="UTC")
    return describe_reference(slots, season, MONDAY - 14 * 24 * HOUR, MONDAY - HOUR)


def as_numbers(part: PredictionColumns, name: str) -> np.ndarray:
    values = part.values[name]
    assert isinstance(values, np.ndarray)
    return values


def rename(part: PredictionColumns, slot: int) -> PredictionColumns:
    """Return the same of other speakers: who calls at night does not at noon."""
    names = np.array([f"{slot} {name}" for name in part.speakers.names])
    return replace(part, speakers=Coded(names, part.speakers.codes))


def judge(
    by: Period, count: int, at: datetime, shift: float, thin: ThinSlots = ThinSlots.CANNOT_TELL
) -> list[Judgement]:
    """Judge windows of 40 callers who are not of the reference, at an hour."""
    reference, policy, generator = world(), policy_by(by, thin), np.random.default_rng(7)
    config = CONFIG if count >= WINDOWS else CONFIG.model_copy(update={"draws": 250})
    judged = []
    for _ in range(count):
        heard = make_predictions(generator, np.full(40, 50), correlation=0.3, shift=shift)
        window = make_profile("emotion", reference.columns, heard)
        held = hold_against(reference, policy, at, at + HOUR)
        judged.append(check_window(held.profile, window, config, problems=held.problems, notes=held.notes))
    return judged


@pytest.mark.parametrize(("at", "callers"), [(NIGHT, NIGHT_CALLERS), (NOON, 0.0)])
def test_an_ordinary_hour_is_no_drift_by_the_hour(settings: Settings, at: datetime, callers: float) -> None:
    count = count_windows(settings)
    wrong = count_drift(judge(Period.HOUR_OF_DAY, count, at, callers))
    print(f"\n{at:%H:%M}, nothing has drifted: {wrong} of {count} by the hour")
    assert wrong <= max(3, 0.05 * count)


def test_an_ordinary_night_is_drift_without_a_season(settings: Settings) -> None:
    count = count_windows(settings)
    wrong = count_drift(judge(Period.NONE, count, NIGHT, NIGHT_CALLERS))
    print(f"\n03:00, nothing has drifted: {wrong} of {count} without a season")
    assert wrong >= 0.9 * count


@pytest.mark.parametrize("shift", [NIGHT_CALLERS + 1.0, LIKE_ALL])
def test_what_has_moved_in_one_slot_is_seen_by_the_hour(settings: Settings, shift: float) -> None:
    count = count_windows(settings)
    judged = judge(Period.HOUR_OF_DAY, count, NIGHT, shift)
    print(f"\n03:00, callers at {shift}: {count_drift(judged)} of {count} by the hour")
    by = [{one.column for one in window.findings if one.is_beyond} for window in judged]
    assert sum(SHIFTED in columns for columns in by) >= 0.9 * count


def test_night_callers_who_become_like_all_others_are_not_seen_without_a_season(settings: Settings) -> None:
    count = count_windows(settings)
    seen = count_drift(judge(Period.NONE, count, NIGHT, LIKE_ALL))
    print(f"\n03:00, callers at {LIKE_ALL}: {seen} of {count} without a season")
    assert seen <= 0.2 * count


def test_of_a_slot_with_few_speakers_nothing_is_told_unless_the_policy_says_so() -> None:
    at = MONDAY + 20 * HOUR
    (judged,) = judge(Period.HOUR_OF_DAY, 1, at, 3.0)
    assert judged.outcome is Outcome.CANNOT_TELL
    assert judged.reasons[0] == "20 speakers in the reference of 20:00, of 100 at least"
    (judged,) = judge(Period.HOUR_OF_DAY, 1, at, 3.0, ThinSlots.WHOLE_REFERENCE)
    assert judged.outcome is Outcome.DRIFT
    assert judged.reasons[-1].endswith(f"of 100 at least: held against {WHOLE}")


def test_a_window_in_several_slots_is_held_against_their_sum_and_each_must_have_speakers() -> None:
    reference, policy = world(), policy_by(Period.HOUR_OF_DAY)
    held = hold_against(reference, policy, NIGHT, NIGHT + HOUR)
    assert (held.name, held.slots, held.problems) == ("03:00", (3,), ())
    long = hold_against(reference, policy, NIGHT, NIGHT + 2 * HOUR)
    assert long.slots == (3, 4)
    assert long.problems == ("0 speakers in the reference of 04:00, of 100 at least",)
    assert is_same(long.profile, held.profile)
    day = hold_against(reference, policy, MONDAY, MONDAY + 24 * HOUR)
    assert is_same(day.profile, hold_against(reference, policy_by(Period.NONE), MONDAY, MONDAY + HOUR).profile)
    assert len(day.problems) == 22


@pytest.mark.parametrize(("by", "zone"), [(Period.WEEKDAY, "UTC"), (Period.HOUR_OF_DAY, "Europe/Warsaw")])
def test_a_reference_that_is_kept_by_another_season_is_refused(by: Period, zone: str) -> None:
    with pytest.raises(InputError, match=r"is kept by hour_of_day \(UTC\)") as refused:
        hold_against(world(), policy_by(by, zone=zone), NIGHT, NIGHT + HOUR)
    assert "--make-reference" in refused.value.remedy
