"""Which profiles of callers' speakers are old: those that no utterance has moved on for long go, whole."""

from __future__ import annotations

from datetime import datetime, timedelta

from voxloop.data.heard_journal import HeardJournal
from voxloop.store.retention import Item, RetentionConfig

KIND = "profiles of callers' speakers"


def profiles_end(config: RetentionConfig, at: datetime) -> datetime:
    """Return the moment since which a speaker must have been heard for their profile to stay."""
    return at - timedelta(days=config.profile_days)


def plan_profiles(journal: HeardJournal, config: RetentionConfig, at: datetime) -> tuple[list[Item], list[Item]]:
    """Return the profiles that may go at the moment `at`, and those that stay; the place of each is its name.

    Raises:
        IntegrityError: The journal is none.
        ServiceUnavailableError: It does not answer.
    """
    free: list[Item] = []
    keep: list[Item] = []
    for kept in journal.list_speakers():
        if kept.last < profiles_end(config, at):
            free.append(Item(KIND, kept.speaker, kept.size, f"not heard for {config.profile_days} days"))
        else:
            keep.append(Item(KIND, kept.speaker, kept.size, f"heard within {config.profile_days} days"))
    return free, keep
