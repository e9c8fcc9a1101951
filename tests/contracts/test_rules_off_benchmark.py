"""The benchmark of rules switched off: when it holds, and how it says so."""

from __future__ import annotations

from dataclasses import replace

import pytest

from benchmarks.rules_off import Switched, conclude, holds
from voxloop.selftest.trial import Outcome
from voxloop.verdict import Verdict

CAUGHT = Outcome("NaN weights", "emotion", 1, Verdict.CANNOT_TELL, "not finite", good=True, is_control=False)
PASSED = Outcome("equal", "emotion", 1, Verdict.PASS, "no objection", good=True, is_control=True)
MISSED = replace(CAUGHT, verdict=Verdict.PASS, good=False)
RED = Switched("limit", MISSED)
UNNOTICED = Switched("gap", None)


@pytest.mark.parametrize(
    ("whole", "planted", "found", "expected"),
    [
        ([CAUGHT, PASSED], [CAUGHT], [RED], True),
        ([CAUGHT, PASSED], [CAUGHT], [RED, UNNOTICED], False),
        ([CAUGHT, PASSED], [MISSED], [RED], False),
        ([MISSED, PASSED], [CAUGHT], [RED], False),
        ([CAUGHT], [CAUGHT], [RED], False),
    ],
)
def test_it_holds_where_all_is_green_and_red_without_any_rule(
    whole: list[Outcome], planted: list[Outcome], found: list[Switched], *, expected: bool
) -> None:
    assert holds(whole, planted, found) is expected
    assert conclude("emotion", 1, whole, planted, found)["holds"] is expected


def test_the_last_line_names_what_went_through_and_what_nobody_noticed() -> None:
    refused = Switched("comparison", replace(MISSED, verdict=Verdict.FAIL))
    stuck = Switched("slices", replace(PASSED, good=False, verdict=Verdict.FAIL))
    told = conclude("emotion", 1, [CAUGHT, PASSED], [], [RED, refused, stuck, UNNOTICED])
    assert (told["rules"], told["red"], told["goes_through"]) == (4, 3, ["limit"])
    assert told["not_noticed"] == ["gap"]


@pytest.mark.parametrize(
    ("one", "words"),
    [(RED, "red NaN weights: PASS"), (UNNOTICED, "not noticed")],
)
def test_a_line_says_by_whom_it_was_noticed(one: Switched, words: str) -> None:
    assert " ".join(one.line().split()) == f"{one.rule} {words}"
