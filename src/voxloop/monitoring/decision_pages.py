"""Decisions about drift in the ledger: what was decided of which episode, on what facts, by which policy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Any

from voxloop.ledger.book import Ledger
from voxloop.ledger.entry import DECISION, Draft, Entry
from voxloop.monitoring.decision import Choice, DecisionPolicy, Facts, Word
from voxloop.monitoring.retraining import DRIFT, Reason


def name_episode(task: str, begin: str) -> Reason:
    """Return the reason that an episode of drift is, as the DAG `nightly_retraining` reads it from its run's name.

    Args:
        task: Family.
        begin: Start of its first window, ISO 8601.
    """
    return Reason(task, DRIFT, f"{task}__{begin}")


def record_decision(
    ledger: Ledger,
    episode: Reason,
    choice: Choice,
    facts: Facts,
    policy: DecisionPolicy,
    *,
    report: Mapping[str, Any],
    stands: timedelta,
    at: datetime,
) -> Entry:
    """Write a decision, unless the same word was said just now: while drift lasts, episodes begin every hour.

    `RETRAIN` is written for each episode, for each may become a retraining.

    Args:
        ledger: The book.
        episode: Of drift.
        choice: What was decided.
        facts: On which it was.
        policy: By which.
        report: The page that a person reads, or why there is none.
        stands: How long a word that asks for no retraining stands without being said again.
        at: Aware.

    Returns:
        The page, or the one that stands.

    Raises:
        IntegrityError: The ledger is not whole.
        ServiceUnavailableError: It does not answer.
    """
    said = asdict(facts.known()) | {"told": list(facts.told)}
    payload = {
        "episode": episode.episode,
        "word": str(choice.word),
        "reasons": list(choice.reasons),
        "facts": said,
        "policy": policy.model_dump(mode="json"),
        "report": dict(report),
    }

    def decide(entries: list[Entry]) -> Draft | Entry:
        if (said := find_said(entries, episode, choice.word, since=at - stands)) is not None:
            return said
        number = len(_list_of_episode(entries, episode)) + 1
        act = f"{DECISION}/{episode.retrain_id}/{number}"
        return Draft(kind=DECISION, task=episode.task, subject=episode.retrain_id, act=act, payload=payload, at=at)

    return ledger.append_decided(decide)


def find_said(entries: Sequence[Entry], episode: Reason, word: Word, *, since: datetime) -> Entry | None:
    """Return the page by which a word needs not be written again; None where it does.

    Args:
        entries: All of the ledger.
        episode: Of drift.
        word: What is decided.
        since: Since when a word that asks for no retraining stands.
    """
    of_episode = _list_of_episode(entries, episode)
    if of_episode and of_episode[-1].content["word"] == word:
        return of_episode[-1]
    return None if word is Word.RETRAIN else find_standing(entries, episode.task, word, since=since)


def _list_of_episode(entries: Sequence[Entry], episode: Reason) -> list[Entry]:
    return [page for page in list_decisions(entries, episode.task) if page.subject == episode.retrain_id]


def read_begin(episode: str) -> datetime:
    """Return when an episode began, by what `name_episode` calls it; aware."""
    return datetime.fromisoformat(episode.rpartition("__")[2])


def list_decisions(entries: Sequence[Entry], task: str) -> list[Entry]:
    """Return the decisions of a family, oldest first."""
    return [entry for entry in entries if entry.kind == DECISION and entry.task == task]


def find_standing(entries: Sequence[Entry], task: str, word: Word, *, since: datetime) -> Entry | None:
    """Return the family's newest decision if it is that word and was said since then."""
    newest = next(reversed(list_decisions(entries, task)), None)
    if newest is None or newest.content["word"] != word or datetime.fromisoformat(newest.at) < since:
        return None
    return newest
