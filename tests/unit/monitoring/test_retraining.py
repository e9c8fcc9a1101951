"""One id a reason, one open retraining a family, attempts numbered: whatever is asked in whatever order."""

from __future__ import annotations

import tempfile
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.unit.ledger.books import open_book
from voxloop.errors import InputError, RefusedError
from voxloop.ledger.book import Ledger
from voxloop.monitoring.retraining import (
    ASKED,
    CLAIMED,
    DRIFT,
    FAILED,
    JUDGED,
    NIGHT,
    UNDER_WAY,
    Reason,
    find_open,
    find_retraining,
    list_retrainings,
    require_retrain_id,
)
from voxloop.monitoring.retraining_acts import Claimed, begin_attempt, begin_retry, claim, end_attempt

AT = datetime(2026, 1, 2, 2, tzinfo=UTC)
BOUND = {"arguments": {"task": "emotion"}, "data": "d" * 64}
PASSED = {"data_verdict": "PASS", "verdict": "PASS", "model": "m" * 64, "run": "r1", "version": 3}
FIRST, SECOND = Reason("emotion", NIGHT, "2026-01-02"), Reason("emotion", DRIFT, "w-17")
THIRD = Reason("asr", ASKED, "new microphones")


def claim_for(ledger: Ledger, reason: Reason, data: str = "d") -> Claimed:
    return claim(ledger, reason, bound={**BOUND, "data": data * 64}, because=str(reason), at=AT)


def test_the_id_is_a_function_of_the_reason_alone() -> None:
    assert FIRST.retrain_id == Reason("emotion", NIGHT, "2026-01-02").retrain_id
    others = [SECOND, Reason("asr", NIGHT, "2026-01-02"), Reason("emotion", ASKED, "2026-01-02"), FIRST]
    assert len({reason.retrain_id for reason in others}) == 4
    with pytest.raises(InputError, match="'whim'"):
        Reason("emotion", "whim", "x")
    with pytest.raises(InputError, match="without an episode"):
        Reason("emotion", ASKED, " ")


def test_the_name_of_a_retraining_is_known_by_its_form() -> None:
    assert require_retrain_id(FIRST.retrain_id) == FIRST.retrain_id
    assert require_retrain_id("") == ""
    for other in ("retrain-1", FIRST.retrain_id + "0", FIRST.retrain_id.upper(), "retrain-x", FIRST.retrain_id + "\n"):
        with pytest.raises(InputError, match="retrain_id = "):
            require_retrain_id(other)


def test_a_reason_given_twice_is_one_and_keeps_what_was_bound_first(tmp_path: Path) -> None:
    ledger = open_book(tmp_path)
    first, again = claim_for(ledger, FIRST), claim_for(ledger, FIRST, data="e")
    assert first == again
    assert again.retraining.bound["data"] == "d" * 64
    assert (again.retraining.state, again.retraining.reason) == (CLAIMED, FIRST)
    assert len(ledger.read()) == 1


def test_who_asked_for_it_joined_it_or_had_it_tried_again_is_told(tmp_path: Path) -> None:
    ledger = open_book(tmp_path)
    nobody = claim_for(ledger, FIRST).retraining
    assert (nobody.asked_by, "asked_by" in nobody.claim.content) == ((), False), "as a page of before"
    began = begin_attempt(ledger, FIRST.retrain_id, code="c", at=AT)
    claim(ledger, SECOND, bound=BOUND, because="noise", at=AT, asked_by=["Ann", "ann", "tim@example.org"])
    end_attempt(ledger, began, {"error": "no space left"}, at=AT)
    begin_retry(ledger, FIRST.retrain_id, code="c", because="disk", at=AT, asked_by=["Bob"])
    found = find_retraining(ledger.read(), FIRST.retrain_id)
    assert found is not None
    assert found.asked_by == ("ann", "bob", "tim@example.org")
    asked = claim(ledger, THIRD, bound=BOUND, because="x", at=AT, asked_by=["Eve"]).retraining
    assert asked.asked_by == ("eve",)
    again = claim(ledger, THIRD, bound=BOUND, because="x", at=AT, asked_by=["ann"]).retraining
    assert again == asked, "who only gives a reason again has claimed nothing"


def test_a_second_reason_joins_what_is_open_and_is_served_by_it(tmp_path: Path) -> None:
    ledger = open_book(tmp_path)
    claim_for(ledger, FIRST)
    joined = claim_for(ledger, SECOND)
    assert joined.has_joined
    assert joined.retraining.retrain_id == FIRST.retrain_id
    attempt = begin_attempt(ledger, SECOND.retrain_id, code="c", at=AT)
    end_attempt(ledger, attempt, PASSED, at=AT)
    served = claim_for(ledger, SECOND).retraining
    assert (served.retrain_id, served.state) == (FIRST.retrain_id, JUDGED)
    assert [row.subject for row in served.joined] == [SECOND.retrain_id]
    third = Reason("emotion", DRIFT, "w-18")
    assert not claim_for(ledger, third).has_joined, "the family is free again"
    assert not claim_for(ledger, Reason("asr", NIGHT, "2026-01-02")).has_joined, "another family never was in the way"


def test_what_failed_for_good_is_tried_again_by_a_person_alone(tmp_path: Path) -> None:
    ledger = open_book(tmp_path)
    claim_for(ledger, FIRST)
    with pytest.raises(RefusedError, match="was not tried yet"):
        begin_retry(ledger, FIRST.retrain_id, code="c", because="x", at=AT)
    attempt = begin_attempt(ledger, FIRST.retrain_id, code="c", at=AT)
    assert begin_attempt(ledger, FIRST.retrain_id, code="c", at=AT) == attempt, "gone on with"
    with pytest.raises(RefusedError, match="begun by code c, this is e"):
        begin_attempt(ledger, FIRST.retrain_id, code="e", at=AT)
    for error in ("no space", "again"):
        end_attempt(ledger, attempt, {"error": error}, at=AT)
    with pytest.raises(RefusedError, match="attempt 1 of retrain-.* failed: no space; .* voxloop retry"):
        begin_attempt(ledger, FIRST.retrain_id, code="c", at=AT)
    with pytest.raises(InputError, match="--because"):
        begin_retry(ledger, FIRST.retrain_id, code="c", because=" ", at=AT)
    second = begin_retry(ledger, FIRST.retrain_id, code="e", because="disk", at=AT)
    assert second.number == 2
    assert begin_retry(ledger, FIRST.retrain_id, code="e", because="disk", at=AT) == second
    end_attempt(ledger, second, PASSED, at=AT)
    found = find_retraining(ledger.read(), FIRST.retrain_id)
    assert found is not None
    assert [str(attempt) for attempt in found.attempts] == ["failed: no space", "data PASS, gate PASS, version 3"]
    with pytest.raises(RefusedError, match="is judged; only what failed"):
        begin_retry(ledger, FIRST.retrain_id, code="e", because="more", at=AT)
    with pytest.raises(RefusedError, match="was judged; a reason is served once"):
        begin_attempt(ledger, FIRST.retrain_id, code="e", at=AT)


def test_a_retry_waits_while_the_family_has_another_open(tmp_path: Path) -> None:
    ledger = open_book(tmp_path)
    claim_for(ledger, FIRST)
    end_attempt(ledger, begin_attempt(ledger, FIRST.retrain_id, code="c", at=AT), {"error": "no"}, at=AT)
    claim_for(ledger, SECOND)
    with pytest.raises(RefusedError, match=f"emotion has {SECOND.retrain_id} open"):
        begin_retry(ledger, FIRST.retrain_id, code="c", because="x", at=AT)


def test_an_unknown_id_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no retraining 'retrain-0'"):
        begin_attempt(open_book(tmp_path), "retrain-0", code="c", at=AT)


ACTS = st.lists(
    st.tuples(
        st.sampled_from(["claim", "begin", "fail", "judge", "retry"]),
        st.sampled_from(["emotion", "asr"]),
        st.integers(0, 2),
    ),
    max_size=14,
)


def act_on(ledger: Ledger, act: str, reason: Reason) -> None:
    retrain_id = reason.retrain_id
    if act == "claim":
        claim_for(ledger, reason)
    elif act == "begin":
        begin_attempt(ledger, retrain_id, code="c", at=AT)
    elif act == "retry":
        begin_retry(ledger, retrain_id, code="c", because="x", at=AT)
    else:
        found = find_retraining(ledger.read(), retrain_id)
        if found is not None and found.attempts:
            end_attempt(ledger, found.attempts[-1], {"error": "no"} if act == "fail" else PASSED, at=AT)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(acts=ACTS)
def test_whatever_is_asked_in_whatever_order(acts: list[tuple[str, str, int]]) -> None:
    with tempfile.TemporaryDirectory() as name:
        ledger, given_reasons = open_book(Path(name)), set()
        for act, task, number in acts:
            reason = Reason(task, DRIFT, str(number))
            before = {found.retrain_id: found.state for found in list_retrainings(ledger.read())}
            try:
                act_on(ledger, act, reason)
            except (RefusedError, InputError):
                assert {found.retrain_id: found.state for found in list_retrainings(ledger.read())} == before
            if act == "claim":
                given_reasons.add(reason)
            entries = ledger.read()
            for family in ("emotion", "asr"):
                is_open = [one for one in list_retrainings(entries, family) if one.is_open]
                assert len(is_open) <= 1
                assert find_open(entries, family) == (is_open[0] if is_open else None)
            for found in list_retrainings(entries):
                numbers = [attempt.number for attempt in found.attempts]
                assert numbers == list(range(1, len(numbers) + 1))
                assert all(attempt.is_failed for attempt in found.attempts[:-1]), "only what failed is tried again"
                assert found.state in (CLAIMED, UNDER_WAY, JUDGED, FAILED)
                assert before.get(found.retrain_id) != JUDGED or found.state == JUDGED, "a verdict stands"
            assert all(find_retraining(entries, one.retrain_id) is not None for one in given_reasons), "none is lost"


def test_of_many_at_once_one_claims(tmp_path: Path) -> None:
    reasons = [Reason("emotion", DRIFT, str(number % 3)) for number in range(24)]
    with ThreadPoolExecutor(8) as pool:
        claimed = list(pool.map(lambda reason: claim_for(open_book(tmp_path), reason), reasons))
    assert len({one.retraining.retrain_id for one in claimed}) == 1
    entries = open_book(tmp_path).read()
    assert sorted(entry.kind for entry in entries) == ["retraining", "retraining_joined", "retraining_joined"]
