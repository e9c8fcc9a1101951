"""What one destination was told, and whether it is told of a notice now.

Pure: a history and a notice give a message or nothing, and another history. It is written only after the destination
took the message, so that who is killed in between tells it twice, never not at all.
"""

from __future__ import annotations

from dataclasses import dataclass

from pydantic import Field

from voxloop.config import StrictModel
from voxloop.notices.config import NoticesConfig
from voxloop.notices.notice import Notice

HOUR = 3600.0


class Told(StrictModel):
    """What a destination was told about one thing.

    Args:
        at: When last, seconds since 1970; None when it was held back from the first.
        missed: How many events it was not told of since.
    """

    at: float | None = None
    missed: int = 0


class History(StrictModel):
    """What one destination was told.

    Args:
        told: By what it was about.
        sent: When messages were sent within the last hour, seconds since 1970.
    """

    told: dict[str, Told] = Field(default_factory=dict)
    sent: tuple[float, ...] = ()

    @property
    def missed(self) -> int:
        """How many events it was not told of."""
        return sum(told.missed for told in self.told.values())


@dataclass(frozen=True)
class Message:
    """What is sent.

    Args:
        title: One line.
        text: Several.
    """

    title: str
    text: str


def weigh(history: History, notice: Notice, config: NoticesConfig, at: float) -> tuple[Message | None, History]:
    """Return what the destination is told of a notice now, if anything, and its history after that.

    Args:
        history: Of this destination.
        notice: What happened, or lasts.
        config: How often it is told.
        at: Now, seconds since 1970.
    """
    recent = tuple(moment for moment in history.sent if at - HOUR < moment <= at)
    before = history.told.get(notice.about, Told())
    is_quiet = before.at is not None and 0 <= at - before.at < config.quiet_seconds(notice.audience)
    if is_quiet or len(recent) >= config.most_an_hour:
        return None, hold_back(history, notice)
    message = Message(notice.title, _write(notice, before.missed, history.missed - before.missed))
    longest = max(config.quiet_hours.values()) * HOUR
    kept = {
        about: Told(at=told.at)
        for about, told in history.told.items()
        if told.at is not None and at - told.at < longest
    }
    return message, History(told=kept | {notice.about: Told(at=at)}, sent=(*recent, at))


def hold_back(history: History, notice: Notice) -> History:
    """Return the history of a destination that was not told of a notice: it was not its turn, or it did not take it."""
    before = history.told.get(notice.about, Told())
    told = history.told | {notice.about: Told(at=before.at, missed=before.missed + int(notice.counts))}
    return History(told=told, sent=history.sent)


def _write(notice: Notice, missed: int, elsewhere: int) -> str:
    parts = [notice.text]
    if missed:
        parts.append(f"It happened {missed} more {'time' if missed == 1 else 'times'} since you were last told.")
    if elsewhere:
        events, themselves = ("event was", "itself") if elsewhere == 1 else ("events were", "themselves")
        parts.append(f"Beside it {elsewhere} {events} not told by {themselves}: look around.")
    return "\n\n".join(parts)
