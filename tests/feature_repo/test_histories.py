"""Random histories through Feast and through plain loops: the same answers, past and present (1,000 in `make soak`)."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.feature_repo.conftest import Repo
from tests.feature_repo.histories import Fact, answer, check_histories
from voxloop.settings import get_settings


@pytest.mark.slow
def test_random_histories_equal_the_oracle(repo: Repo, tmp_path: Path) -> None:
    count = max(15, get_settings().trial_count(1_000))
    assert check_histories(repo.store, count, tmp_path, "h") > 4 * count


def test_the_oracle_itself_by_hand() -> None:
    view = "speaker_prosody"
    first, corrected, next_event, twin = (
        Fact(view, 10, 10, 1),
        Fact(view, 10, 50, 2),
        Fact(view, 20, 30, 3),
        Fact(view, 20, 30, 4),
    )
    told = [first, next_event, corrected, twin]
    assert [answer(told, view, at) for at in (9, 10, 29, 30, 60)] == [None, first, first, twin, twin]
    assert answer([first, corrected], view, 60) == corrected
    assert answer(told, "utterance_prosody", 60) is None
