"""What became of each family in one week, as the ledger tells it."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from voxloop.errors import InputError
from voxloop.ledger.entry import (
    APPROVAL,
    DECISION,
    FREEZE,
    JUDGEMENT,
    PROMOTION,
    ROLLBACK,
    UNFREEZE,
    VOID,
    Entry,
)
from voxloop.monitoring.past_runs import Yield, list_past_runs, measure_yield
from voxloop.monitoring.retraining import Retraining, list_retrainings
from voxloop.release.champion import read_champion
from voxloop.release.claims import DONE

SHORT = 12
"""Characters of a digest."""
_WEEK = re.compile(r"(\d{4})-W(\d{2})")
_COUNTED = {
    APPROVAL: "approvals",
    ROLLBACK: "rollbacks",
    FREEZE: "freezes",
    UNFREEZE: "freezes ended",
    VOID: "approvals or promotions void",
}


@dataclass(frozen=True)
class Week:
    """A week of ISO 8601, from Monday 00:00 UTC on."""

    monday: date

    @classmethod
    def read(cls, text: str) -> Week:
        """Return the week that a text such as `2026-W48` names.

        Raises:
            InputError: It names none.
        """
        found = _WEEK.fullmatch(text)
        try:
            return cls(date.fromisocalendar(int(found[1]), int(found[2]), 1))  # type: ignore[index]
        except (TypeError, ValueError):
            raise InputError(
                f"{text[:40]!r} is no week", rule="a year and a week of ISO 8601", remedy="2026-W48"
            ) from None

    @classmethod
    def before(cls, at: datetime) -> Week:
        """Return the last week that is over at a moment."""
        day = at.astimezone(UTC).date()
        return cls(day - timedelta(days=day.weekday() + 7))

    @property
    def begin(self) -> datetime:
        """Its first moment."""
        return datetime(self.monday.year, self.monday.month, self.monday.day, tzinfo=UTC)

    @property
    def end(self) -> datetime:
        """The first moment after it."""
        return self.begin + timedelta(days=7)

    def __contains__(self, entry: Entry) -> bool:
        return self.begin <= datetime.fromisoformat(entry.at) < self.end

    def __str__(self) -> str:
        year, week, _ = self.monday.isocalendar()
        return f"{year}-W{week:02d}"


@dataclass(frozen=True)
class FamilyWeek:
    """What became of a family in a week.

    Args:
        task: The family.
        champion: Digest of the model in service at the end of the week; None without one.
        champion_before: At its begin.
        counts: How often what happened: verdicts, approvals, promotions, rollbacks, decisions about drift.
        retrainings: Claimed in the week, or under way or ended in it; as they stood at its end.
        brought: By those that were judged in the week.
    """

    task: str
    champion: str | None
    champion_before: str | None
    counts: Mapping[str, int]
    retrainings: tuple[Retraining, ...]
    brought: Yield

    @property
    def is_quiet(self) -> bool:
        """Whether nothing happened."""
        return not self.counts and not self.retrainings

    @property
    def service(self) -> str:
        """What served at the begin and at the end of the week, in words."""
        before, after = (digest[:SHORT] if digest else "nothing" for digest in (self.champion_before, self.champion))
        return f"{after} serves" if before == after else f"{after} serves, {before} before"


def tell_week(entries: Sequence[Entry], week: Week) -> list[FamilyWeek]:
    """Return what became of each family the ledger had heard of by the end of a week.

    What was written after the week changes nothing of it: told again later, it is told alike.

    Args:
        entries: All of the ledger.
        week: Which one.
    """
    known = [entry for entry in entries if datetime.fromisoformat(entry.at) < week.end]
    return [_tell_family(known, task, week) for task in sorted({entry.task for entry in known} - {""})]


def _tell_family(known: Sequence[Entry], task: str, week: Week) -> FamilyWeek:
    before = [entry for entry in known if datetime.fromisoformat(entry.at) < week.begin]
    retrainings = tuple(one for one in list_retrainings(known, task) if any(entry in week for entry in _pages(one)))
    judged = [run for run in list_past_runs(retrainings) if week.begin <= run.ended_at < week.end]
    return FamilyWeek(
        task=task,
        champion=read_champion(known, task),
        champion_before=read_champion(before, task),
        counts=_count([entry for entry in known if entry.task == task and entry in week]),
        retrainings=retrainings,
        brought=measure_yield(judged, known),
    )


def _pages(retraining: Retraining) -> Iterator[Entry]:
    yield retraining.claim
    yield from retraining.joined
    for attempt in retraining.attempts:
        yield attempt.began
        if attempt.ended is not None:
            yield attempt.ended


def _count(entries: Sequence[Entry]) -> dict[str, int]:
    """Return how often what happened, by its name; nothing of what did not."""
    named = Counter(name for entry in entries if (name := _name(entry)))
    return dict(sorted(named.items()))


def _name(entry: Entry) -> str | None:
    content = entry.content
    if entry.kind == JUDGEMENT:
        return f"judged {content['verdict']}"
    if entry.kind == DECISION:
        return f"drift, decided {content['word']}"
    if entry.kind == PROMOTION:
        return "promotions" if content.get("step") == DONE else None
    return _COUNTED.get(entry.kind)
