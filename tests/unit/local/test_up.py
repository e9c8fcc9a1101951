from __future__ import annotations

import socket
from pathlib import Path

import pytest

from voxloop.errors import PortTakenError, RefusedError
from voxloop.local.down import stop_platform
from voxloop.local.programs import PROGRAMS, read_platform
from voxloop.local.supervisor import Supervisor
from voxloop.local.up import one_at_a_time, read_last_line, start_platform
from voxloop.settings import Settings


def test_a_taken_port_starts_nothing_and_writes_nothing(settings: Settings) -> None:
    with socket.socket() as listener:
        listener.bind((settings.host, settings.ports.triton_grpc))
        listener.listen(1)
        with pytest.raises(PortTakenError, match=f"port {settings.ports.triton_grpc} for triton_grpc"):
            start_platform(settings, PROGRAMS)
    assert not Supervisor(settings.home).is_alive()
    assert read_platform(settings.home) is None
    assert [path.name for path in settings.home.rglob("*") if path.is_file()] == ["lock"]


def test_two_at_once_are_refused(home: Path) -> None:
    with one_at_a_time(home), pytest.raises(RefusedError, match="another `voxloop up`"), one_at_a_time(home):
        pass
    with one_at_a_time(home):  # free again
        pass


def test_stopping_nothing_is_no_error(settings: Settings, capsys: pytest.CaptureFixture[str]) -> None:
    stop_platform(settings)
    stop_platform(settings)
    assert capsys.readouterr().out == "nothing was running\n" * 2


@pytest.mark.parametrize(("content", "last"), [(b"", ""), (b"one\ntwo\n\n  \n", "two"), (b"\xff\xfe bad", "�� bad")])
def test_the_last_line_that_says_something(tmp_path: Path, content: bytes, last: str) -> None:
    (tmp_path / "log").write_bytes(content)
    assert read_last_line(tmp_path / "log") == last


def test_no_log_no_line(tmp_path: Path) -> None:
    assert read_last_line(tmp_path / "log") == ""
