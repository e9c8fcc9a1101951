"""One worker of a study: it claims trials and trains them until the study is over."""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

import optuna
from optuna.exceptions import UpdateFinishedTrialError
from optuna.trial import TrialState

from voxloop.errors import TrainingInterruptedError
from voxloop.store.unfinished import hold_unfinished
from voxloop.training.endings import AGAIN, PrunedTrainingError
from voxloop.training.interruption import Interruption
from voxloop.training.launch import train_task
from voxloop.tuning.ledger import ERROR, RETRY_OF, Claim, Ledger
from voxloop.tuning.plan import Plan
from voxloop.tuning.report import StudyReport, describe_trial
from voxloop.tuning.storage import STORAGE_ERRORS, Kept
from voxloop.tuning.trial import TrialWatcher

LOOK_SECONDS = 0.5
"""Between two looks whether another worker's trial has ended, or was lost."""
ERROR_LENGTH = 300


class Follower(Protocol):
    """Who is told of a study's trials as they end; it may be told the same twice, by several workers."""

    def follow(self, report: StudyReport) -> None:
        """Take note of the trials that have ended."""


class Worker:
    """A worker of a study.

    Args:
        plan: What is searched.
        study: From `open_study`.
        kept: Its storage and locks.
        store: Folder of the job store, for checkpoints.
        interruption: Asked whether to stop.
        follower: Told of the trials that have ended.
    """

    def __init__(
        self,
        plan: Plan,
        study: optuna.Study,
        kept: Kept,
        *,
        store: Path,
        interruption: Interruption,
        follower: Follower,
    ) -> None:
        self._plan, self._study, self._store = plan, study, store
        self._interruption, self._follower = interruption, follower
        self._ledger = Ledger(study, kept.locks, plan.space)

    def run(self, tombstones: str) -> None:
        """Train trials until the study has all it asks for, those of other workers included.

        Args:
            tombstones: Digest of who was erased; checkpoints made under another are not gone on with.

        Raises:
            TrainingInterruptedError: It was told to stop; a trial under way is gone on with by another worker.
        """
        waits = False
        while not self._ledger.is_over:
            self._refuse_interrupted()
            with self._ledger.claim() as claim:
                if claim is not None:
                    self._run(claim, tombstones)
            if claim is None:
                if not waits:
                    print("all trials are given out: waiting for those of other workers", flush=True)
                time.sleep(LOOK_SECONDS)
            waits = claim is None

    def _run(self, claim: Claim, tombstones: str) -> None:
        number = claim.trial.number
        overrides = self._plan.space.overrides(claim.trial.params)
        print(f"trial {number}: {' '.join(overrides)}", flush=True)
        try:
            self._train(claim, overrides, tombstones)
        except UpdateFinishedTrialError:
            print(f"trial {number} was taken for lost and given to another worker", flush=True)
            return
        self._tell(number)

    def _train(self, claim: Claim, overrides: tuple[str, ...], tombstones: str) -> None:
        trial, watcher = claim.trial, TrialWatcher(claim.trial, self._plan.task.OBJECTIVE)
        try:
            with self._checkpoints(claim, tombstones) as checkpoints:
                self._fit(overrides, checkpoints, watcher)
        except PrunedTrainingError:
            self._study.tell(trial, state=TrialState.PRUNED, skip_if_finished=True)
        except (TrainingInterruptedError, UpdateFinishedTrialError, *STORAGE_ERRORS):
            raise
        except Exception as crashed:  # noqa: BLE001 - whatever ends a trial is its result; the others go on
            trial.set_user_attr(ERROR, _describe(crashed))
            self._study.tell(trial, state=TrialState.FAIL, skip_if_finished=True)
        else:
            self._study.tell(trial, watcher.value, skip_if_finished=True)

    def _fit(self, overrides: tuple[str, ...], checkpoints: Path, watcher: TrialWatcher) -> None:
        plan = self._plan
        with tempfile.TemporaryDirectory(prefix="voxloop-trial-") as folder:
            train_task(
                plan.dataset,
                Path(folder),
                task=plan.task,
                recipe=plan.configure(overrides),
                features=plan.features,
                checkpoints=checkpoints,
                interruption=self._interruption,
                watcher=watcher,
            )

    @contextmanager
    def _checkpoints(self, claim: Claim, tombstones: str) -> Iterator[Path]:
        """Give the folder in which a trial is kept while it is under way, and by which another goes on with it."""
        key = f"{self._plan.name}-{self._plan.digest[:12]}-{claim.slot}"
        with hold_unfinished(self._store, "tune", key) as unfinished:
            folder = unfinished.open(tombstones)
            if RETRY_OF not in claim.trial.user_attrs:  # left by a study of this name that was deleted
                shutil.rmtree(folder)
                folder.mkdir()
            try:
                yield folder / "checkpoints"
            except (TrainingInterruptedError, UpdateFinishedTrialError, *STORAGE_ERRORS):
                raise  # whoever goes on needs them
            except Exception:
                unfinished.discard()
                raise
            unfinished.discard()

    def _tell(self, number: int) -> None:
        report = self._plan.read(self._study)
        trial = report.trials[number]
        workers = 1 + report.count("running")
        print(describe_trial(trial, report, trials=self._plan.space.trials, workers=workers), flush=True)
        self._follower.follow(report)

    def _refuse_interrupted(self) -> None:
        if (reason := self._interruption.reason) is not None:
            raise TrainingInterruptedError(f"the search was stopped by {reason} between two trials", remedy=AGAIN)


def _describe(crashed: Exception) -> str:
    words = " ".join(str(crashed).split())
    return f"{type(crashed).__name__}: {words}"[:ERROR_LENGTH]
