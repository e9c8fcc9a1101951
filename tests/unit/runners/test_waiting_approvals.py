from __future__ import annotations

from datetime import UTC, datetime

import pytest

from tests.unit.release.approval_rows import append_approval
from tests.unit.runners.own_airflow import AirflowFailException, AirflowSkipException
from voxloop.ledger.book import open_ledger
from voxloop.release.claims import close_claim, take_claim
from voxloop.release.freezes import freeze_family
from voxloop.release.versions import MODEL_DIGEST, ModelVersion
from voxloop.runners import waiting_approvals
from voxloop.runners.waiting_approvals import deploy_waiting
from voxloop.settings import Settings, now

AT = now()  # an approval of long ago waits no more


def make_version(number: int) -> ModelVersion:
    return ModelVersion("emotion", number, "run", {MODEL_DIGEST: f"{number:064d}"})


class Deploys:
    """Stands for the command: promotes on the ledger alone, and may be told to pass versions over or to fail."""

    def __init__(self, settings: Settings, serves: list[int], fails: bool = False) -> None:
        self.ledger, self.serves, self.fails, self.count = open_ledger(settings), serves, fails, 0

    def __call__(self, arguments: list[str]) -> str:
        assert arguments == ["deploy", "--task", "emotion"]
        self.count += 1
        if self.fails:
            raise AirflowFailException("exit 4")
        if self.serves:
            claim = take_claim(self.ledger, make_version(self.serves.pop()), replaces=None, place="here", at=AT)
            close_claim(self.ledger, claim, at=AT)
        return f"done {self.count}"


@pytest.mark.parametrize(
    ("approved", "serves", "asked"),
    [([], [], 1), ([1], [1], 1), ([1, 2], [1, 2], 2), ([1, 2, 3], [1, 2, 3], 3), ([1, 2], [2], 2), ([1], [], 2)],
)
def test_it_is_asked_until_none_is_left_or_nothing_comes_of_it(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, approved: list[int], serves: list[int], asked: int
) -> None:
    deploys = Deploys(settings, serves)
    monkeypatch.setattr(waiting_approvals, "run_command", deploys)
    for number in approved:
        append_approval(deploys.ledger, "emotion", number, AT)
    assert deploy_waiting("emotion") == f"done {asked}"


def test_a_failure_ends_it_and_a_freeze_skips_it(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    deploys = Deploys(settings, [], fails=True)
    monkeypatch.setattr(waiting_approvals, "run_command", deploys)
    with pytest.raises(AirflowFailException):
        deploy_waiting("emotion")
    freeze_family(deploys.ledger, "emotion", until=datetime(2999, 1, 1, tzinfo=UTC), because="the fair", at=AT)
    with pytest.raises(AirflowSkipException, match="the fair"):
        deploy_waiting("emotion")
    assert deploys.count == 1
