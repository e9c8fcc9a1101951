"""Who trains which trial of a study: every trial is given once, and given again when its worker has died.

A worker holds a lock for as long as it trains a trial. A trial that is under way and whose lock nobody holds was lost:
it is put down as failed and its parameters wait for whoever comes next, linked by `retry_of`. Its place in the study
(`slot`, the number of the first of such a chain) names its checkpoints, so the new attempt goes on from them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple

from optuna import Study
from optuna.trial import FrozenTrial, Trial, TrialState

from voxloop.tuning.locks import Locks
from voxloop.tuning.sampling import make_distributions, make_sampler
from voxloop.tuning.space import SearchSpace

RETRY_OF, SLOT, FRUITLESS, ERROR = "retry_of", "slot", "fruitless", "error"
ATTEMPTS = 5
"""Lost attempts in a row that end no epoch, after which it is the trial that kills its workers."""


class Claim(NamedTuple):
    """A trial that is this worker's."""

    trial: Trial
    slot: int


class Ledger:
    """The trials of one study, as its workers share them.

    Args:
        study: Optuna's.
        locks: Of the study.
        space: What is searched.
    """

    def __init__(self, study: Study, locks: Locks, space: SearchSpace) -> None:
        self.study = study
        self._locks = locks
        self._space = space
        self._distributions = make_distributions(space)

    @contextmanager
    def claim(self) -> Iterator[Claim | None]:
        """Give a trial that nobody else has, None when there is none to give now; at the end it is let go."""
        with self._locks.alone("ledger"):
            self._put_back_lost()
            trials = self.trials()
            waiting = [trial.number for trial in trials if trial.state is TrialState.WAITING]
            if not waiting and not self._has_room(trials):
                held = None
            else:
                self.study.sampler = make_sampler(self._space, waiting[0] if waiting else len(trials))
                trial = self.study.ask(self._distributions)
                claim = Claim(trial, trial.user_attrs.get(SLOT, trial.number))
                held = self._locks.take(_lock_of(claim.slot))
                assert held is not None  # noqa: S101 - a trial that was running and is not lost is given to nobody
        if held is None:
            yield None
            return
        with held:
            yield claim

    @property
    def is_over(self) -> bool:
        """Whether nothing is under way, and nothing more is to be begun."""
        trials = self.trials()
        return all(trial.state.is_finished() for trial in trials) and not self._has_room(trials)

    def trials(self) -> list[FrozenTrial]:
        """Return all trials so far, in the order of their numbers."""
        return self.study.get_trials(deepcopy=False)

    def _has_room(self, trials: Sequence[FrozenTrial]) -> bool:
        budget = self._space.budget_seconds
        if budget is not None and sum(map(seconds_of, trials)) >= budget:
            return False
        return len(counted(trials)) < self._space.trials

    def _put_back_lost(self) -> None:
        for trial in self.trials():
            slot = trial.user_attrs.get(SLOT, trial.number)
            if trial.state is TrialState.RUNNING and (hold := self._locks.take(_lock_of(slot))) is not None:
                with hold:
                    self._put_back(trial.number, slot)

    def _put_back(self, number: int, slot: int) -> None:
        """Let the parameters wait, then put the trial down: whoever is killed between the two doubles nothing.

        The trial is read again: a worker tells how its trial ended before it lets go of the lock, so what is under way
        now, while we hold the lock, has lost its worker. What was under way when we looked may just have ended.
        """
        trials = self.trials()
        lost = trials[number]
        if lost.state is not TrialState.RUNNING:
            return
        fruitless = _fruitless_attempts(lost, trials)
        if (again := fruitless < ATTEMPTS) and lost.number not in retried(trials):
            self.study.enqueue_trial(lost.params, {RETRY_OF: lost.number, SLOT: slot, FRUITLESS: fruitless})
        self.study.tell(lost.number, state=TrialState.FAIL)
        what = "another goes on where it stopped" if again else f"the {ATTEMPTS}th time in a row: it is given up"
        print(f"trial {lost.number} was lost with its worker; {what}", flush=True)


def counted(trials: Sequence[FrozenTrial]) -> list[FrozenTrial]:
    """Return the trials of a study without those that were lost and tried again."""
    again = retried(trials)
    return [trial for trial in trials if trial.number not in again]


def retried(trials: Sequence[FrozenTrial]) -> set[int]:
    """Return the numbers of the trials that were lost and tried again."""
    return {trial.user_attrs[RETRY_OF] for trial in trials if RETRY_OF in trial.user_attrs}


def seconds_of(trial: FrozenTrial) -> float:
    """Return how long a trial took; 0 for one that was lost, whose end nobody saw, or is under way."""
    ended = trial.state in {TrialState.COMPLETE, TrialState.PRUNED} or ERROR in trial.user_attrs
    return trial.duration.total_seconds() if ended and trial.duration is not None else 0.0


def _fruitless_attempts(lost: FrozenTrial, trials: Sequence[FrozenTrial]) -> int:
    """Return how many attempts in a row, this the last, ended no epoch that the one before had not."""
    before = lost.user_attrs.get(RETRY_OF)
    known = 0 if before is None else len(trials[before].intermediate_values)
    return 0 if len(lost.intermediate_values) > known else int(lost.user_attrs.get(FRUITLESS, 0)) + 1


def _lock_of(slot: int) -> str:
    return f"trial-{slot}"
