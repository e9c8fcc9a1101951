from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from voxloop.training.interruption import NOTICE_SECONDS, Interruption


@pytest.fixture(autouse=True)
def handler_of_its_own() -> Iterator[list[int]]:
    received: list[int] = []
    before = signal.signal(signal.SIGTERM, lambda number, _frame: received.append(number))
    yield received
    signal.signal(signal.SIGTERM, before)


class CountedNotice:
    """A notice that counts how often it is looked for."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.looks = 0

    def exists(self) -> bool:
        self.looks += 1
        return self.path.exists()

    def __str__(self) -> str:
        return str(self.path)


def asks(interruption: Interruption) -> bool:
    return interruption.reason is not None


def test_sigterm_is_the_reason_and_the_handler_before_is_put_back(handler_of_its_own: list[int]) -> None:
    before = signal.getsignal(signal.SIGTERM)
    interruption = Interruption()
    with interruption.listening() as listening:
        assert listening is interruption
        assert not asks(interruption)
        os.kill(os.getpid(), signal.SIGTERM)
        assert interruption.reason == "SIGTERM"
        os.kill(os.getpid(), signal.SIGTERM)
        assert interruption.reason == "SIGTERM"
    assert handler_of_its_own == []
    assert signal.getsignal(signal.SIGTERM) is before
    os.kill(os.getpid(), signal.SIGTERM)
    assert handler_of_its_own == [signal.SIGTERM]


def test_the_handler_is_put_back_after_an_error_too() -> None:
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(ZeroDivisionError), Interruption().listening():
        raise ZeroDivisionError
    assert signal.getsignal(signal.SIGTERM) is before


def test_another_thread_listens_to_the_notice_alone(tmp_path: Path) -> None:
    before = signal.getsignal(signal.SIGTERM)
    (tmp_path / "notice").touch()
    found: list[str | None] = []

    def train() -> None:
        with Interruption(tmp_path / "notice").listening() as interruption:
            found.append(interruption.reason)

    thread = threading.Thread(target=train)
    thread.start()
    thread.join()
    assert found == [f"the notice {tmp_path / 'notice'}"]
    assert signal.getsignal(signal.SIGTERM) is before


def test_a_notice_is_looked_for_once_a_second(tmp_path: Path) -> None:
    seconds = 100.0
    notice = CountedNotice(tmp_path / "notice")
    interruption = Interruption(notice, clock=lambda: seconds)  # type: ignore[arg-type]
    assert [interruption.reason for _ in range(1000)] == [None] * 1000
    assert notice.looks == 1
    notice.path.touch()
    seconds += NOTICE_SECONDS / 2
    assert not asks(interruption)
    seconds += NOTICE_SECONDS / 2
    assert interruption.reason == f"the notice {notice}"
    assert notice.looks == 2


def test_a_notice_once_seen_stays_a_reason(tmp_path: Path) -> None:
    (tmp_path / "notice").touch()
    interruption = Interruption(tmp_path / "notice")
    assert asks(interruption)
    (tmp_path / "notice").unlink()
    assert asks(interruption)


def test_no_notice_no_reason(tmp_path: Path) -> None:
    assert Interruption().reason is None
    assert Interruption(tmp_path / "missing" / "notice").reason is None
