"""What one destination is told: each thing once in a while, nothing in a flood, and nothing lost without a count."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voxloop.notices.config import NoticesConfig
from voxloop.notices.history import HOUR, History, Message, hold_back, weigh
from voxloop.notices.notice import Audience, Notice

CONFIG = NoticesConfig(quiet_hours={Audience.APPROVERS: 48.0, Audience.ON_CALL: 1.0}, most_an_hour=3, seconds=5.0)
NOW = 1_800_000_000.0


def test_every_audience_has_its_hours() -> None:
    with pytest.raises(ValueError, match="no hours for on-call"):
        NoticesConfig(quiet_hours={Audience.APPROVERS: 48.0}, most_an_hour=3, seconds=5.0)


def failure(about: str = "failure/nightly/train") -> Notice:
    return Notice(Audience.ON_CALL, about, f"{about} failed", "look", counts=True)


def waiting(version: int = 3) -> Notice:
    return Notice(Audience.APPROVERS, f"approval/emotion/{version}", "waits", "look")


def test_what_lasts_is_told_once_and_again_after_its_quiet_time() -> None:
    told, history = [], History()
    for hours in range(0, 100, 4):
        message, history = weigh(history, waiting(), CONFIG, NOW + hours * HOUR)
        told += [hours] if message else []
    assert told == [0, 48, 96]
    assert history.missed == 0, "that it goes on waiting is no event"


def test_what_fails_again_is_counted_and_told_with_the_next() -> None:
    first, history = weigh(History(), failure(), CONFIG, NOW)
    assert first == Message("failure/nightly/train failed", "look")
    for minute in (1, 5, 30):
        again, history = weigh(history, failure(), CONFIG, NOW + 60 * minute)
        assert again is None
    last, history = weigh(history, failure(), CONFIG, NOW + HOUR)
    assert last is not None
    assert last.text == "look\n\nIt happened 3 more times since you were last told."
    assert history.missed == 0


def test_a_flood_is_held_back_and_told_of_as_a_number() -> None:
    history, told = History(), 0
    for number in range(8):
        message, history = weigh(history, failure(f"failure/{number}"), CONFIG, NOW + number)
        told += message is not None
    assert (told, history.missed) == (3, 5)
    message, history = weigh(history, failure("failure/new"), CONFIG, NOW + HOUR + 1)
    assert message is not None
    assert message.text == "look\n\nBeside it 5 events were not told by themselves: look around."
    assert history.missed == 0
    message, history = weigh(history, failure("failure/newer"), CONFIG, NOW + HOUR + 2)
    assert message is not None
    assert message.text == "look", "what was told as a number is told once"


def test_what_a_destination_did_not_take_is_tried_again_and_counted() -> None:
    history = hold_back(History(), failure())
    message, _ = weigh(history, failure(), CONFIG, NOW + 1)
    assert message is not None
    assert "It happened 1 more time " in message.text
    state, _ = weigh(hold_back(History(), waiting()), waiting(), CONFIG, NOW + 1)
    assert state == Message("waits", "look")


@pytest.mark.parametrize("jump", [-7 * 24 * HOUR, -1.0])
def test_a_clock_put_back_keeps_nobody_in_the_dark(jump: float) -> None:
    _, history = weigh(History(), failure(), CONFIG, NOW)
    message, _ = weigh(history, failure(), CONFIG, NOW + jump)
    assert message is not None


@given(
    moments=st.lists(st.tuples(st.floats(0, 3 * HOUR), st.integers(0, 5)), max_size=60),
    takes=st.lists(st.booleans(), min_size=60, max_size=60),
)
def test_every_event_is_told_or_counted(moments: list[tuple[float, int]], takes: list[bool]) -> None:
    """By what a destination reads alone: messages, and the numbers in them, and what is still held back."""
    sent: list[float] = []
    history, read = History(), 0
    for (moment, number), taken in zip(sorted(moments), takes, strict=False):
        notice = failure(f"failure/{number}")
        message, after = weigh(history, notice, CONFIG, NOW + moment)
        if message is not None and taken:
            history, sent = after, [*sent, moment]
            read += 1 + sum(int(found) for found in re.findall(r"\b(\d+) (?:more|event)", message.text))
        else:
            history = hold_back(history, notice) if message is not None else after
    assert read + history.missed == len(moments[:60])
    assert all(len([one for one in sent if moment - HOUR < one <= moment]) <= CONFIG.most_an_hour for moment in sent)
