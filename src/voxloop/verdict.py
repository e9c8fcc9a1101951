"""The only three things a check may say."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum


class Verdict(StrEnum):
    """The answer of a validation or a gate. Only `PASS` lets anything go on."""

    PASS = "PASS"  # noqa: S105 - a verdict, not a password
    FAIL = "FAIL"
    CANNOT_TELL = "CANNOT_TELL"

    @classmethod
    def combine(cls, verdicts: Iterable[Verdict]) -> Verdict:
        """Return the verdict of several rules taken together.

        One `FAIL` fails; otherwise one `CANNOT_TELL` leaves it open; and no rule at all cannot tell.
        """
        said = set(verdicts)
        if cls.FAIL in said:
            return cls.FAIL
        return cls.PASS if said == {cls.PASS} else cls.CANNOT_TELL
