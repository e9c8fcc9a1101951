"""What past retrainings learned from, what they took and what came of them: as the ledger tells it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from datetime import datetime
from typing import Any, Self

from voxloop.ledger.entry import PROMOTION, Entry
from voxloop.monitoring.decision import POINTS
from voxloop.monitoring.retraining import JUDGED, Retraining
from voxloop.release.claims import DONE


@dataclass(frozen=True)
class Learned:
    """What one training learned from and came to; None for what is not known.

    Args:
        measure: The family's objective.
        error: What is left of it on dev, which wears no evaluation set: 1 less the measure where more is better.
        hours: Of the training split.
        labelled_hours: Of all labelled speech of its dataset.
        gpu_hours: Of the step that trained, on all of its devices; not known of one that was kept or was interrupted.
        lead: Over the champion, by the gate's comparison; positive is better.
    """

    measure: str
    error: float | None
    hours: float
    labelled_hours: float | None
    gpu_hours: float | None
    lead: float | None

    def as_page(self) -> dict[str, object]:
        """Return it as the ledger keeps it, under `learned` of an attempt's end."""
        return asdict(self)

    @classmethod
    def of_page(cls, page: Mapping[str, Any]) -> Self:
        """Return what a page says; what later versions add is passed over."""
        said: dict[str, Any] = {field.name: page.get(field.name) for field in fields(cls)}
        return cls(**said)


@dataclass(frozen=True)
class PastRun:
    """A retraining that was judged, and what it learned; None where its page does not say."""

    retraining: Retraining
    learned: Learned | None

    @property
    def model(self) -> str | None:
        """Digest of the model that was judged."""
        model: str | None = self.retraining.attempts[-1].outcome.get("model")
        return model

    @property
    def ended_at(self) -> datetime:
        """When it was judged."""
        last = self.retraining.attempts[-1]
        return datetime.fromisoformat((last.ended or last.began).at)


@dataclass(frozen=True)
class Yield:
    """What retrainings brought.

    Args:
        judged: That came to a judgement, be it of their data.
        promoted: Whose model took over.
        gpu_hours: Of all whose hours are known.
        unknown_hours: Whose hours are not.
        points: Hundredths of the measure by which promoted models led their champions, where there was one.
    """

    judged: int
    promoted: int
    gpu_hours: float
    unknown_hours: int
    points: float

    @property
    def hours_per_point(self) -> float | None:
        """GPU-hours for each accepted point; None without one, or while hours are unknown."""
        return self.gpu_hours / self.points if self.points > 0 and not self.unknown_hours else None

    def __str__(self) -> str:
        if not self.judged:
            return "no retraining was judged"
        price = "not known" if self.hours_per_point is None else f"{self.hours_per_point:.3g}"
        return f"{self.promoted} of {self.judged} retrainings promoted, GPU-hours an accepted point: {price}"


def list_past_runs(retrainings: Iterable[Retraining]) -> list[PastRun]:
    """Return those that were judged, in the order of their claims."""
    return [
        PastRun(one, Learned.of_page(page) if (page := one.attempts[-1].outcome.get("learned")) else None)
        for one in retrainings
        if one.state == JUDGED
    ]


def find_newest_trained(runs: Sequence[PastRun]) -> PastRun | None:
    """Return the newest run that got to a training: not one whose data were refused."""
    trained = [run for run in runs if run.retraining.attempts[-1].outcome.get("data_verdict") in (None, "PASS")]
    return max(trained, key=lambda run: run.ended_at, default=None)


def measure_yield(runs: Iterable[PastRun], entries: Sequence[Entry]) -> Yield:
    """Return what runs brought.

    Args:
        runs: Of one family.
        entries: All of the ledger.
    """
    runs = list(runs)
    promoted = {entry.subject for entry in entries if entry.kind == PROMOTION and entry.content.get("step") == DONE}
    hours = [run.learned.gpu_hours if run.learned else None for run in runs]
    # Two retrainings that made the same model were promoted once.
    won = {run.model: run for run in reversed(runs) if run.model in promoted}.values()
    leads = [run.learned.lead for run in won if run.learned and run.learned.lead is not None]
    known = [one for one in hours if one is not None]
    return Yield(len(runs), len(won), sum(known), len(hours) - len(known), sum(leads) * POINTS)
