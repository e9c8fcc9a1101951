from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.unit.ledger.books import open_book
from voxloop.errors import InputError
from voxloop.release.freezes import find_freeze, freeze_family, unfreeze_family

AT = datetime(2026, 1, 2, 12, tzinfo=UTC)
DAY = timedelta(days=1)


def test_a_freeze_lasts_until_its_moment(tmp_path: Path) -> None:
    ledger = open_book(tmp_path)
    assert find_freeze(ledger.read(), "emotion", AT) is None
    for _ in range(2):
        freeze_family(ledger, "emotion", until=AT + DAY, because=" the fair ", at=AT)
    (entry,) = ledger.read()
    assert (entry.kind, entry.content) == ("freeze", {"until": "2026-01-03T12:00:00+00:00", "because": "the fair"})
    assert str(find_freeze([entry], "emotion", AT)) == "emotion is frozen until 2026-01-03 12:00 UTC: the fair"
    assert find_freeze([entry], "emotion", AT + DAY) is None
    assert find_freeze([entry], "asr", AT) is None


def test_the_newest_says_how_long(tmp_path: Path) -> None:
    ledger = open_book(tmp_path)
    freeze_family(ledger, "emotion", until=AT + 9 * DAY, because="the fair", at=AT)
    freeze_family(ledger, "emotion", until=AT + DAY, because="shorter", at=AT)
    assert find_freeze(ledger.read(), "emotion", AT + 2 * DAY) is None
    assert unfreeze_family(ledger, "emotion", because="done", at=AT)
    assert find_freeze(ledger.read(), "emotion", AT) is None
    assert not unfreeze_family(ledger, "emotion", because="done", at=AT)
    freeze_family(ledger, "emotion", until=AT + DAY, because="shorter", at=AT)
    assert find_freeze(ledger.read(), "emotion", AT) is not None
    assert [entry.kind for entry in ledger.read()] == ["freeze", "freeze", "unfreeze", "freeze"]


@pytest.mark.parametrize(("until", "because"), [(AT, "x"), (AT - DAY, "x"), (AT + DAY, " ")])
def test_what_is_no_freeze_is_refused(tmp_path: Path, until: datetime, because: str) -> None:
    ledger = open_book(tmp_path)
    with pytest.raises(InputError):
        freeze_family(ledger, "emotion", until=until, because=because, at=AT)
    assert ledger.read() == []
