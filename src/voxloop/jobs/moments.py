"""Moments as a person writes them on the command line."""

from __future__ import annotations

from datetime import UTC, datetime

from voxloop.errors import InputError


def read_moment(option: str, text: str) -> datetime:
    """Return the moment that an option names: a day, or a moment in ISO 8601, UTC unless it says otherwise.

    Raises:
        InputError: It is none.
    """
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise InputError(f"{option} {text[:40]!r} is no moment", rule="ISO 8601", remedy="2026-11-29") from None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def read_past_interval(since: str, until: str) -> tuple[datetime, datetime]:
    """Return the interval that `--since` and `--until` name.

    Raises:
        InputError: One is no moment, it is empty, or not over yet: what is still being answered is not all there.
    """
    from voxloop.settings import now

    begin, end = read_moment("--since", since), read_moment("--until", until)
    if begin >= end:
        raise InputError(
            f"--since {since} is not before --until {until}", rule="an interval has a length", remedy="give others"
        )
    if end > now():
        raise InputError(f"--until {until}", rule="that is not over yet", remedy="give an earlier moment")
    return begin, end
