"""What was decided about drift, and what retrainings brought, as lines of `voxloop explain`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from voxloop.ledger.entry import Entry
    from voxloop.monitoring.retraining import Retraining

NEWEST = 3
"""Decisions of a family that are shown."""


def tell_decisions(entries: Sequence[Entry], retraining: Retraining | None) -> list[str]:
    """Return the decisions that a retraining came of, its own and those of reasons that joined it.

    Args:
        entries: All of the ledger.
        retraining: None for what was run by hand.
    """
    if retraining is None:
        return []
    reasons = {retraining.retrain_id, *(join.subject for join in retraining.joined)}
    return [line for page in _list(entries) if page.subject in reasons for line in _tell(page)]


def tell_episode(entries: Sequence[Entry], name: str) -> list[str]:
    """Return what was decided of an episode of drift, by the id its retraining would have; nothing for another name."""
    return [line for page in _list(entries) if page.subject == name for line in _tell(page)]


def tell_family(entries: Sequence[Entry], family: str) -> list[str]:
    """Return what was decided of a family's drift last, and what its retrainings brought; nothing for another name.

    One without decisions and retrainings has nothing to tell either.
    """
    from voxloop.monitoring.past_runs import list_past_runs, measure_yield
    from voxloop.monitoring.retraining import list_retrainings

    newest = [page for page in _list(entries) if page.task == family][-NEWEST:]
    retrainings = list_retrainings(entries, family)
    if not newest and not retrainings:
        return []
    brought = measure_yield(list_past_runs(retrainings), entries)
    return [f"{family}: {brought}", *(line for page in newest for line in _tell(page))]


def _list(entries: Sequence[Entry]) -> list[Entry]:
    from voxloop.ledger.entry import DECISION

    return [entry for entry in entries if entry.kind == DECISION]


def _tell(page: Entry) -> list[str]:
    content = page.content
    # Without drift it is the loss measured in production that somebody is told of.
    what = "drift" if content["facts"].get("is_told", True) else "loss"
    head = (
        f"  decided    {content['word']}, {page.at[:19]} UTC, {what} {content['episode']}, ledger entry {page.sequence}"
    )
    return [head, *(f"             {line}" for line in (*content["reasons"], *_tell_page(content.get("report"))))]


def _tell_page(report: Mapping[str, Any] | None) -> list[str]:
    """Return where the page of the drift is; nothing for a decision of before there were such."""
    if report is None:
        return []
    if "name" not in report:
        return [f"no page of Evidently: {report['problem']}"]
    place = f"in MLflow: {report['link']}" if report["link"] else f"not in MLflow then: {report['problem']}"
    return [f"page {report['name']}.html of Evidently, sha256 {report['digest'][:12]}, {place}"]
