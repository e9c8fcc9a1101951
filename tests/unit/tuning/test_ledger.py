"""Who has which trial: given once, and given again when its worker has died. Nothing trains here."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

import optuna
import pytest
from optuna.trial import TrialState

from tests.unit.tuning.studies import make_space
from voxloop.tuning.ledger import ATTEMPTS, ERROR, Claim, Ledger, counted
from voxloop.tuning.locks import FileLocks
from voxloop.tuning.storage import open_storage


def open_ledger(folder: Path, **changes: object) -> Ledger:
    """Return a ledger as another process would open it: with handles of its own."""
    kept = open_storage(folder, "study", None)
    study = optuna.create_study(study_name="study", storage=kept.storage, load_if_exists=True)
    return Ledger(study, kept.locks, make_space(**changes))


def take(ledger: Ledger, held: ExitStack) -> Claim | None:
    return held.enter_context(ledger.claim())


def finish(ledger: Ledger, value: float = 0.0) -> int:
    with ledger.claim() as claim:
        assert claim is not None
        ledger.study.tell(claim.trial, value)
        return claim.trial.number


def test_two_workers_share_the_trials_and_their_number(tmp_path: Path) -> None:
    one, two = open_ledger(tmp_path), open_ledger(tmp_path)
    assert [finish(one), finish(two), finish(one)] == [0, 1, 2]
    assert not one.is_over
    with ExitStack() as held:
        claim = take(two, held)
        assert claim is not None
        with one.claim() as none:
            assert none is None, "the fourth of four is given out"
        assert not one.is_over, "it is still under way"
        two.study.tell(claim.trial, 1.0)
    assert [ledger.is_over for ledger in (one, two)] == [True, True]


def test_a_living_workers_trial_is_left_alone_and_a_dead_ones_is_given_again_once(tmp_path: Path) -> None:
    dead, one = open_ledger(tmp_path), open_ledger(tmp_path)
    with ExitStack() as held:
        lost = take(dead, held)
        assert lost is not None
        lost.trial.report(0.5, 1)
        assert finish(one) == 1, "the first is held: another is begun"
    with one.claim() as again:
        assert again is not None
        assert (again.slot, again.trial.number) == (lost.slot, 2)
        assert again.trial.params == lost.trial.params
        assert again.trial.user_attrs["retry_of"] == lost.trial.number
        with open_ledger(tmp_path).claim() as other:
            assert other is not None
            assert "retry_of" not in other.trial.user_attrs
    trials = one.trials()
    assert trials[0].state is TrialState.FAIL
    assert [trial.number for trial in counted(trials)] == [1, 2, 3]


def test_killed_while_it_puts_a_trial_back_it_doubles_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ledger = open_ledger(tmp_path)
    with ExitStack() as held:
        lost = take(ledger, held)
    assert lost is not None
    with monkeypatch.context() as patch:
        patch.setattr(optuna.Study, "tell", lambda *_args, **_more: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt), ledger.claim():
            pass
    again = open_ledger(tmp_path)
    with again.claim() as claim:
        assert claim is not None
        assert claim.trial.number == 1
    assert [trial.state for trial in again.trials()] == [TrialState.FAIL, TrialState.RUNNING]


def test_a_trial_that_ends_while_another_worker_looks_is_not_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    living, one = open_ledger(tmp_path), open_ledger(tmp_path)
    held = ExitStack()
    claim = take(living, held)
    assert claim is not None
    trial = claim.trial
    taking = FileLocks.take

    def take_after_it_ended(locks: FileLocks, name: str) -> ExitStack | None:
        if not trial_is_told:
            trial_is_told.append(name)
            living.study.tell(trial, 0.5)
            held.close()
        return taking(locks, name)

    trial_is_told: list[str] = []
    monkeypatch.setattr(FileLocks, "take", take_after_it_ended)
    assert finish(one) == 1
    assert trial_is_told == ["trial-0"], "it ended between the look at the trials and the look at its lock"
    trials = one.trials()
    assert [(trial.number, trial.state) for trial in trials] == [(0, TrialState.COMPLETE), (1, TrialState.COMPLETE)]


def test_a_trial_that_kills_its_workers_is_given_up(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ledger = open_ledger(tmp_path, trials=1)
    for _ in range(ATTEMPTS):
        with ledger.claim() as claim:
            assert claim is not None
            assert claim.slot == 0
    with ledger.claim() as none:
        assert none is None
    assert ledger.is_over
    assert len(counted(ledger.trials())) == 1
    assert "it is given up" in capsys.readouterr().out


def test_a_trial_that_gets_on_is_never_given_up(tmp_path: Path) -> None:
    ledger = open_ledger(tmp_path, trials=1)
    for attempt in range(2 * ATTEMPTS):
        with ledger.claim() as claim:
            assert claim is not None
            for epoch in range(attempt // 2 + 1):  # every second attempt ends an epoch more
                claim.trial.report(0.5, epoch + 1)
    assert not ledger.is_over


def test_a_budget_of_time_counts_what_the_trials_took(tmp_path: Path) -> None:
    ledger = open_ledger(tmp_path, budget_seconds=1e-9)
    with ledger.claim() as claim:
        assert claim is not None
        claim.trial.set_user_attr(ERROR, "crashed")
        ledger.study.tell(claim.trial, state=TrialState.FAIL)
    assert ledger.is_over
    assert not open_ledger(tmp_path, budget_seconds=60.0).is_over
