"""One thing to tell people, and who wants to hear of it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Audience(StrEnum):
    """Who is told: the tags of the destinations."""

    APPROVERS = "approvers"
    """A version waits for their word."""
    ON_CALL = "on-call"
    """A run has failed for good."""


@dataclass(frozen=True)
class Notice:
    """One thing to tell.

    Args:
        audience: Who is told.
        about: What it is about. Of the same thing people are told once in a while, whatever becomes of it meanwhile.
        title: One line.
        text: What to know and where to look, without secrets and without names of speakers.
        counts: Whether it is another event each time it is given, as a failure is, or a state that lasts. Events that
            were not told by themselves are counted in the next notice about the same.
    """

    audience: Audience
    about: str
    title: str
    text: str
    counts: bool = False
