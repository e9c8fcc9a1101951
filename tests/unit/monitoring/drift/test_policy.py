from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.monitoring.drift.worlds import CONFIG
from tests.unit.monitoring.labelled import POLICY as LABELS_ENOUGH
from voxloop.config import find_config, load_config
from voxloop.errors import ConfigError
from voxloop.monitoring.decision import DecisionPolicy
from voxloop.monitoring.drift.check import Outcome
from voxloop.monitoring.drift.policy import Decision, DriftPolicy, JudgedWindow, ReportConfig, decide
from voxloop.monitoring.drift.season import Period, SeasonPolicy, ThinSlots
from voxloop.tasks import task_names

POLICY = DriftPolicy(
    window_minutes=60,
    windows=6,
    drifted=3,
    cool_down_hours=24.0,
    most_lost=0.01,
    clock_seconds=300.0,
    settle_seconds=60.0,
    season=SeasonPolicy(by=Period.NONE, zone="UTC", thin_slots=ThinSlots.CANNOT_TELL),
    check=CONFIG,
    report=ReportConfig(rows=20_000, seed=1),
    decision=DecisionPolicy(
        arguments="local",
        smallest_labelled_hours=0.1,
        price_per_gpu_hour=2.0,
        most_cost_per_point=50.0,
        alarming_loss=0.05,
    ),
    labels=LABELS_ENOUGH,
)
NOON = datetime(2026, 11, 29, 12, tzinfo=UTC)
NOW = NOON + timedelta(minutes=1)
HOUR = timedelta(hours=1)
D, N, C = Outcome.DRIFT, Outcome.NO_DRIFT, Outcome.CANNOT_TELL
outcomes = st.lists(st.sampled_from([D, N, C]), max_size=12)
retrainings = st.none() | st.integers(-30, 3).map(lambda hours: NOW + timedelta(hours=hours))
policies = st.tuples(st.integers(1, 8), st.integers(1, 8)).map(
    lambda pair: POLICY.model_copy(update={"windows": max(pair), "drifted": min(pair)})
)


def hours(said: list[Outcome], *, end: datetime = NOON) -> list[JudgedWindow]:
    """Return windows one after another, the last of which ends at `end`."""
    begins = [end - (len(said) - place) * HOUR for place in range(len(said))]
    return [JudgedWindow(begin, begin + HOUR, one) for begin, one in zip(begins, said, strict=True)]


@pytest.mark.parametrize(
    ("said", "is_triggered"),
    [
        ([N, N, N, D, D, D], True),
        ([D, N, D, N, N, D], True),
        ([D, D, D, D, D, N], False),
        ([D, D, D, D, D, C], False),
        ([N, N, N, N, D, D], False),
        ([C, C, C, C, D, D], False),
        ([D, D, N, N, N, N, N, D], False),  # the first two are too long ago
        ([D, D, D], True),
        ([D], False),
        ([], False),
    ],
)
def test_k_of_the_last_n_and_the_latest(said: list[Outcome], is_triggered: bool) -> None:
    decision = decide(POLICY, hours(said), None, NOW)
    assert decision.is_triggered is is_triggered
    assert decision.reasons


def test_what_was_before_the_last_retraining_has_had_its_answer() -> None:
    windows = hours([D, D, D, D, D, D])
    quick = POLICY.model_copy(update={"cool_down_hours": 0.0})
    assert decide(quick, windows, NOW - 10 * HOUR, NOW).is_triggered
    assert not decide(quick, windows, NOW - 2 * HOUR, NOW).is_triggered
    assert not decide(POLICY, windows, NOW - 10 * HOUR, NOW).is_triggered
    assert "is in the future" in decide(POLICY, windows, NOW + HOUR, NOW).reasons[0]


def test_a_log_that_ended_yesterday_asks_for_nothing() -> None:
    decision = decide(POLICY, hours([D] * 6, end=NOW - 30 * HOUR), None, NOW)
    assert not decision.is_triggered
    assert "nothing is known of what came after" in decision.reasons[0]


def test_windows_of_another_length_and_such_as_are_not_over_do_not_count() -> None:
    long = [JudgedWindow(NOW - number * HOUR, NOW - (number - 2) * HOUR, D) for number in range(2, 9)]
    assert decide(POLICY, long, None, NOW).windows == ()
    to_come = hours([D] * 6, end=NOW + 6 * HOUR)
    assert not decide(POLICY, to_come, None, NOW).is_triggered


def test_a_window_of_which_two_things_are_said_cannot_be_told() -> None:
    twice = [*hours([N, N, N, D, D, D]), *hours([N])]
    assert not decide(POLICY, twice, None, NOW).is_triggered
    assert not decide(POLICY, reversed(twice), None, NOW).is_triggered
    same = hours([N, N, N, D, D, D]) * 2
    assert decide(POLICY, same, None, NOW) == decide(POLICY, hours([N, N, N, D, D, D]), None, NOW)


@given(policies, outcomes, retrainings)
def test_it_never_triggers_without_the_latest_k_of_n_and_the_cool_down(
    policy: DriftPolicy, said: list[Outcome], last: datetime | None
) -> None:
    decision = decide(policy, hours(said), last, NOW)
    assert decision.reasons
    if decision.is_triggered:
        assert said[-1] is D
        assert said[-policy.windows :].count(D) >= policy.drifted
        assert last is None or last + timedelta(hours=policy.cool_down_hours) <= NOW


@given(policies, outcomes, retrainings, st.randoms())
def test_the_order_in_which_windows_are_given_makes_no_difference(
    policy: DriftPolicy, said: list[Outcome], last: datetime | None, chance: object
) -> None:
    windows = hours(said)
    shuffled = list(windows)
    chance.shuffle(shuffled)  # type: ignore[attr-defined]
    assert decide(policy, windows, last, NOW) == decide(policy, shuffled, last, NOW)


@given(policies, outcomes, retrainings)
def test_what_cannot_be_told_counts_as_no_drift(
    policy: DriftPolicy, said: list[Outcome], last: datetime | None
) -> None:
    def word(outcomes: list[Outcome]) -> bool:
        return decide(policy, hours(outcomes), last, NOW).is_triggered

    assert word(said) == word([N if one is C else one for one in said])


@given(policies, outcomes, st.integers(0, 11))
def test_one_drifted_window_less_never_makes_a_trigger(policy: DriftPolicy, said: list[Outcome], place: int) -> None:
    def decided(outcomes: list[Outcome]) -> Decision:
        return decide(policy, hours(outcomes), None, NOW)

    fewer = [N if number == place else one for number, one in enumerate(said)]
    assert decided(said).is_triggered or not decided(fewer).is_triggered


@pytest.mark.parametrize("task", task_names())
def test_every_family_has_its_policy(task: str) -> None:
    policy = load_config(DriftPolicy, find_config("drift", task))
    assert policy.check.false_alarms == 0.02


@pytest.mark.parametrize(
    "change",
    [
        "drifted=7",
        "window_minutes=7",
        "windows=0",
        "check.bins=1",
        "k=3",
        "season.by=month",
        "season.zone=Warsaw",
        "season.zone=../etc",
        "season.thin_slots=guess",
    ],
)
def test_a_policy_that_cannot_be_is_refused(change: str) -> None:
    with pytest.raises(ConfigError):
        load_config(DriftPolicy, find_config("drift", "emotion"), (change,))
