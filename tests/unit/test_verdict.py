from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from voxloop.verdict import Verdict

VERDICTS = st.lists(st.sampled_from(list(Verdict)))


@given(VERDICTS)
def test_only_rules_that_all_pass_make_a_pass(verdicts: list[Verdict]) -> None:
    all_pass = bool(verdicts) and all(verdict is Verdict.PASS for verdict in verdicts)
    assert (Verdict.combine(verdicts) is Verdict.PASS) == all_pass


@given(VERDICTS)
def test_one_failure_fails_and_otherwise_doubt_stays_doubt(verdicts: list[Verdict]) -> None:
    if Verdict.FAIL in verdicts:
        assert Verdict.combine(verdicts) is Verdict.FAIL
    elif Verdict.CANNOT_TELL in verdicts:
        assert Verdict.combine(verdicts) is Verdict.CANNOT_TELL


def test_no_rule_at_all_cannot_tell() -> None:
    assert Verdict.combine([]) is Verdict.CANNOT_TELL
