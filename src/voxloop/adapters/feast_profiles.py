"""What Feast knows online of speakers whom callers send: each utterance is pushed, and what is known is read back."""

from __future__ import annotations

import math
from collections.abc import Collection
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from voxloop.adapters.feast import push_features
from voxloop.adapters.feast_erasure import erase_online
from voxloop.adapters.feast_history import find_service
from voxloop.adapters.feast_offline import SCHEMAS
from voxloop.adapters.feast_online import read_online
from voxloop.adapters.feast_store import check_online_store, open_feature_store
from voxloop.adapters.feast_training import SECONDS_SINCE, to_numbers
from voxloop.data.heard_journal import HeardJournal
from voxloop.data.heard_speakers import Heard, Known, follow_heard
from voxloop.data.revisions import publication_schema
from voxloop.settings import get_settings
from voxloop.store.lock import hold_lock

if TYPE_CHECKING:
    from feast import FeatureStore

SERVICE = "personality_v1"
AFTER_READING = "speaker_emotions"
"""A training sees the emotions before an utterance, never its own; so does who is asked about it."""
_SINCE = f"{AFTER_READING}__{SECONDS_SINCE}"


class SpeakerProfiles:
    """The online store, open.

    Args:
        journal: Of the utterances that the running features are made of.

    Raises:
        ConfigError: There is no feature repository.
        InputError: Its declarations were not applied yet.
        ServiceUnavailableError: The online store does not answer.
    """

    def __init__(self, journal: HeardJournal) -> None:
        check_online_store()
        self._journal = journal
        self._store: FeatureStore = open_feature_store()
        self._views = find_service(self._store, SERVICE)
        self._ask("nobody")  # a second of imports, which no utterance has to wait for

    def check(self) -> None:
        """Ask a Redis whether it is there; raises as when opened."""
        check_online_store()

    def take(self, speaker: str, heard: Heard) -> Known:
        """Push an utterance, and return what is known of its speaker; taken twice, it counts once.

        Args:
            speaker: Under which name the features are kept.
            heard: The utterance.

        Raises:
            ServiceUnavailableError: Journal or online store do not answer.
        """
        with hold_lock(_lock()):
            return self._take(speaker, heard)

    def _take(self, speaker: str, heard: Heard) -> Known:
        journal = self._journal.add(speaker, heard)
        rows = follow_heard(speaker, journal)
        emotions = rows.pop(AFTER_READING, None)
        for view, row in rows.items():
            push_features(view, [row], store=self._store)
        known = self._ask(speaker)
        if emotions is not None:
            push_features(AFTER_READING, [emotions], store=self._store)
        return Known(known["speaker_prosody__utterances"], self._read_numbers(known, heard))

    def _ask(self, speaker: str) -> dict[str, Any]:
        return read_online(self._store, SERVICE, [{"utterance_id": speaker, "speaker_id": speaker}])[0]

    def _read_numbers(self, known: dict[str, Any], heard: Heard) -> dict[str, float]:
        """Return the features as a model is given them in training; the question is of when the utterance began."""
        asked: dict[str, Any] = {"event_timestamp": pa.array([heard.at - timedelta(seconds=heard.duration_s)])}
        for view, names in self._views.items():
            schema = publication_schema(SCHEMAS[view])
            for name in names:
                asked[f"{view}__{name}"] = pa.array([known[f"{view}__{name}"]], schema.field(name).type)
        numbers = {name: column.to_pylist()[0] for name, column in to_numbers(pa.table(asked)).items()}
        found = {name: value for name, value in numbers.items() if value is not None and math.isfinite(value)}
        if _SINCE in found:  # sent faster than spoken, an utterance began before the one before it was heard
            found[_SINCE] = max(0.0, found[_SINCE])
        return found


def erase_profile(names: Collection[str], journal: HeardJournal) -> int:
    """Take a speaker out of journal and online store; done twice, or killed and done again, it is done.

    A process that keeps profiles is waited for, and makes nothing again of what it has read before.

    Args:
        names: Under which the features were ever kept.
        journal: Of their utterances.

    Returns:
        How many utterances and rows were removed.

    Raises:
        ServiceUnavailableError: Journal or online store do not answer: run it again.
    """
    with hold_lock(_lock()):
        return sum(_erase(name, journal) for name in names)


def forget_profile(name: str, journal: HeardJournal, before: datetime) -> bool:
    """Take a speaker out whom nobody has heard since a moment; killed and done again, it is done.

    Args:
        name: Under which the features are kept.
        journal: Of their utterances.
        before: Aware. Who was heard since then, be it while this waited, stays.

    Returns:
        Whether they are gone.

    Raises:
        ServiceUnavailableError: Journal or online store do not answer: they are gone from neither, or from the store.
    """
    with hold_lock(_lock()):
        last = journal.find_last(name)
        if last is not None and last >= before:
            return False
        _erase(name, journal)
        return True


def _erase(name: str, journal: HeardJournal) -> int:
    """Take out what the journal names last: killed in between, the journal still says who is to be taken out."""
    online = sum(erase_online(name, [name]).values())
    return online + journal.erase(name)


def _lock() -> Path:
    return get_settings().home / "feast" / "profiles.lock"
