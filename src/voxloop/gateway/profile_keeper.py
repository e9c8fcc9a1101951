"""Speakers' profiles are kept by a process of their own: Feast takes seconds to import, and its stores block.

The gateway hands it utterances and is given back what is known of their speakers. It is started by the first who needs
it, or with the gateway where a key is for it, and again whenever it has died; while it is away nobody waits for it.
"""

from __future__ import annotations

import asyncio
import os
import queue
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path
from typing import TYPE_CHECKING

from voxloop.data.decoding_pool import Death, WorkerLimits
from voxloop.data.heard_journal import HeardJournal
from voxloop.data.heard_speakers import Heard, Known
from voxloop.errors import ServiceUnavailableError, VoxloopError
from voxloop.gateway.work_queue import Idle, WorkQueue
from voxloop.monitoring.pseudonyms import Pseudonyms

if TYPE_CHECKING:
    from voxloop.adapters.feast_profiles import SpeakerProfiles
    from voxloop.gateway.config import ProfilesConfig

LIMITS = WorkerLimits(seconds=60.0, mebibytes=4_096)
"""Of one utterance; the first has Feast imported, which takes ten seconds where there is little to compute with."""
LOOK_SECONDS = 1.0
"""Without an utterance, after which the process is looked at."""
AWAY_SECONDS = 2.0
"""Without a word from the process, after which nobody waits for it."""
LESS_CLAIM = 5
"""Nice value: who answers comes first."""
STOP_SECONDS = 1.0
RULE = "a profile is moved on by the keeper, a process beside the gateway"
AGAIN = "it is started again by itself; ask later"


@dataclass(frozen=True)
class Order:
    """An utterance of a speaker, under the name by which both are kept."""

    speaker: str
    heard: Heard


@dataclass(frozen=True)
class Failed:
    """Why the store could not be asked, as a VoxloopError says it."""

    problem: str
    rule: str
    remedy: str


Work = Callable[[Path, int, Order | None], Known | Failed | None]


def name_speaker(pseudonyms: Pseudonyms, tenant: str, speaker_id: str) -> str:
    """Return the name under which a tenant's speaker is kept: their pseudonym, behind the version of its key.

    Two tenants share no name, and nobody who lacks the key can tell who is meant.
    """
    pseudonym, version = pseudonyms.name(tenant, speaker_id)
    return f"{version}.{pseudonym}"


def list_names(pseudonyms: Pseudonyms, tenant: str, speaker_id: str) -> list[str]:
    """Return the names under which a tenant's speaker may be kept, one for each key there was."""
    names = pseudonyms.all_names(tenant, speaker_id)
    return [f"{version}.{pseudonym}" for version, pseudonym in names.items()]


def keep(journal: Path, most: int, order: Order | None) -> Known | Failed | None:
    """Move a profile on; what the process does. Without an order the store is opened and asked whether it is there."""
    try:
        profiles = _open(journal, most)
        if order is not None:
            return profiles.take(order.speaker, order.heard)
        profiles.check()
    except VoxloopError as failed:
        return Failed(failed.problem, failed.rule, failed.remedy)
    return None


@lru_cache(maxsize=1)
def _open(journal: Path, most: int) -> SpeakerProfiles:
    from voxloop.adapters.feast_profiles import SpeakerProfiles

    profiles = SpeakerProfiles(HeardJournal(journal, most))
    _give_way()  # not before: beside five busy processes it took four minutes to import what takes ten seconds
    return profiles


@lru_cache(maxsize=1)
def _give_way() -> None:
    os.nice(LESS_CLAIM)


class ProfileKeeper:
    """The process, as the gateway sees it.

    Args:
        config: How long to wait, and how many may.
        speaker_keys: File of the keys of pseudonyms.
        journal: File of the utterances.
        preload: Modules that other workers of this process need: the server they are forked from is made once.
        work: What the process does.
    """

    def __init__(
        self, config: ProfilesConfig, speaker_keys: Path, journal: Path, *, preload: Sequence[str], work: Work = keep
    ) -> None:
        self._config, self._speaker_keys = config, speaker_keys
        self._queue = WorkQueue[Order | None, Known | Failed | None](
            partial(work, journal, config.utterances),
            LIMITS,
            preload=preload,
            name="profiles",
            workers=1,
            waiting=config.waiting,
            idle=Idle(LOOK_SECONDS, self._look),
        )
        self._pseudonyms: Pseudonyms | None = None
        self._starting = threading.Lock()
        self._is_started = False
        self._heard_at = 0.0
        self._trouble = Failed("the keeper of profiles has not begun yet", RULE, "ask again in some seconds")
        self._is_well = False

    def start(self) -> None:
        """Begin, once; the process opens the store before there is anything to keep."""
        with self._starting:
            if not self._is_started:
                self._is_started = True
                self._queue.start()

    def stop(self) -> None:
        """End the process."""
        if self._is_started:
            self._queue.stop(STOP_SECONDS)

    def warnings(self) -> list[str]:
        """Return, in sentences, what a person should know; nothing where nobody has needed a profile."""
        away = self._find_trouble() if self._is_started else None
        return [f"profiles of speakers: {away.problem}"] if away else []

    async def take(self, tenant: str, speaker_id: str, heard: Heard) -> Known:
        """Move the profile of a tenant's speaker on, and return what is known of them.

        Raises:
            IntegrityError: The keys of pseudonyms cannot be used.
            ServiceUnavailableError: The process or the store is away, or does not answer in time.
        """
        self.start()
        if (away := self._find_trouble()) is not None:
            raise ServiceUnavailableError(away.problem, rule=away.rule, remedy=away.remedy)
        if self._pseudonyms is None:
            self._pseudonyms = Pseudonyms(self._speaker_keys)
        outcome = await self._wait(Order(name_speaker(self._pseudonyms, tenant, speaker_id), heard))
        if isinstance(outcome, Death):
            raise ServiceUnavailableError(_explain(outcome), rule=RULE, remedy=AGAIN)
        if outcome is None or isinstance(outcome, Failed):
            told = outcome or self._trouble
            raise ServiceUnavailableError(told.problem, rule=told.rule, remedy=told.remedy)
        return outcome

    async def _wait(self, order: Order) -> Known | Failed | Death | None:
        try:
            answer = self._queue.submit(order)
        except queue.Full:
            raise ServiceUnavailableError(
                f"{self._config.waiting} utterances wait for their profiles",
                rule="no more than these",
                remedy="ask more slowly; this one is in no profile",
            ) from None
        answer.add_done_callback(self._hear)
        try:
            return await asyncio.wait_for(asyncio.wrap_future(answer), self._config.seconds)
        except TimeoutError:
            raise ServiceUnavailableError(
                f"no profile within {self._config.seconds:g} s",
                rule=RULE,
                remedy="the utterance may count all the same",
            ) from None

    def _look(self) -> tuple[None, Future[Known | Failed | Death | None]]:
        looked: Future[Known | Failed | Death | None] = Future()
        looked.add_done_callback(self._hear)
        return None, looked

    def _hear(self, answer: Future[Known | Failed | Death | None]) -> None:
        """Note how the process is; called by its thread."""
        if answer.cancelled():
            return
        failed = answer.exception()
        outcome = None if failed else answer.result()
        if isinstance(failed, VoxloopError):
            outcome = Failed(failed.problem, failed.rule, failed.remedy)
        if isinstance(outcome, Death):
            outcome = Failed(_explain(outcome), RULE, AGAIN)
        self._is_well = not isinstance(outcome, Failed)
        if isinstance(outcome, Failed):
            self._trouble = outcome
        self._heard_at = time.monotonic()

    def _find_trouble(self) -> Failed | None:
        if not self._is_well:
            return self._trouble
        silent = time.monotonic() - self._heard_at
        if silent > AWAY_SECONDS + LOOK_SECONDS:
            return Failed(f"no word from the keeper of profiles for {silent:.0f} s", RULE, AGAIN)
        return None


def _explain(death: Death) -> str:
    return f"the keeper of profiles is gone: {death.detail}"
