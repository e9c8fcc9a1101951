"""A real supervisord with small programs."""

from __future__ import annotations

import socket
import stat
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from voxloop.errors import ConfigError, ServiceUnavailableError, VoxloopError
from voxloop.local.processes import find_marked
from voxloop.local.programs import Program
from voxloop.local.supervisor import Supervisor, choose_socket, make_private
from voxloop.local.up import wait_until_healthy

SLEEP = (sys.executable, "-c", "import time; time.sleep(60)")
CRASH = (sys.executable, "-c", "print('no such thing', flush=True); raise SystemExit(3)")
# A child in a session of its own, as Airflow's tasks are in a group of their own.
ESCAPE = (sys.executable, "-c", f"import subprocess; subprocess.run({list(SLEEP)!r}, start_new_session=True)")


def program(folder: Path, name: str, argv: tuple[str, ...]) -> Program:
    return Program(name=name, address="", health="http://127.0.0.1:1/", log=folder / f"{name}.log", argv=argv)


@pytest.fixture
def supervisor(tmp_path: Path) -> Iterator[Supervisor]:
    running = Supervisor(tmp_path)
    yield running
    running.shut_down()


def wait_for(condition: object, seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not condition():  # type: ignore[operator]
        assert time.monotonic() < end, "not in time"
        time.sleep(0.05)


def test_programs_start_singly_and_all_of_them_end(supervisor: Supervisor, tmp_path: Path) -> None:
    assert not supervisor.is_alive()
    supervisor.launch([program(tmp_path, "one", SLEEP), program(tmp_path, "two", ESCAPE)])
    assert supervisor.is_alive()
    assert {name: state.alive for name, state in supervisor.states().items()} == {"one": False, "two": False}
    supervisor.start("two")
    supervisor.start("two")  # twice is once
    assert [name for name, state in supervisor.states().items() if state.alive] == ["two"]
    wait_for(lambda: len(find_marked(supervisor.mark)) == 3)  # supervisord, the program, its child
    assert supervisor.shut_down() == 1  # the child that left the group
    assert find_marked(supervisor.mark) == []
    assert not supervisor.is_alive()


def test_only_its_user_may_talk_to_it(supervisor: Supervisor, tmp_path: Path) -> None:
    supervisor.launch([program(tmp_path, "one", SLEEP)])
    assert stat.S_IMODE(supervisor.socket.parent.stat().st_mode) == 0o700
    assert stat.S_IMODE(supervisor.socket.stat().st_mode) == 0o600
    assert stat.S_IMODE(supervisor.config.stat().st_mode) == 0o600


def test_a_program_that_ends_while_starting_is_named_with_its_last_line(supervisor: Supervisor, tmp_path: Path) -> None:
    crash = program(tmp_path, "crash", CRASH)
    supervisor.launch([crash])
    supervisor.start("crash")
    with pytest.raises(ServiceUnavailableError, match=r"crash has ended while starting.*no such thing.*crash\.log"):
        wait_until_healthy(supervisor, [crash], time.monotonic(), time.monotonic() + 20)


def test_a_program_that_is_not_healthy_in_time_is_named_with_its_log(supervisor: Supervisor, tmp_path: Path) -> None:
    silent = program(tmp_path, "silent", SLEEP)
    supervisor.launch([silent])
    supervisor.start("silent")
    with pytest.raises(ServiceUnavailableError, match=r"silent is not healthy in time.*silent\.log"):
        wait_until_healthy(supervisor, [silent], time.monotonic(), time.monotonic() + 0.5)


def test_a_command_that_is_not_there_is_named(supervisor: Supervisor, tmp_path: Path) -> None:
    supervisor.launch([program(tmp_path, "absent", ("/no/such/command",))])
    with pytest.raises(VoxloopError, match="absent does not start"):
        supervisor.start("absent")


def test_what_a_killed_supervisord_left_behind_is_found_and_ended(supervisor: Supervisor, tmp_path: Path) -> None:
    supervisor.launch([program(tmp_path, "one", SLEEP)])
    supervisor.start("one")
    pid = supervisor.states()["one"].pid
    psutil.Process(int((supervisor.run / "supervisord.pid").read_text())).kill()
    wait_for(lambda: not supervisor.is_alive())
    assert psutil.pid_exists(pid)
    assert supervisor.shut_down() >= 1
    assert not psutil.pid_exists(pid)


def test_states_of_nothing_is_a_known_error(tmp_path: Path) -> None:
    with pytest.raises(ServiceUnavailableError, match=r"supervisord\.log"):
        Supervisor(tmp_path).states()


def test_a_socket_that_never_answers_does_not_hang(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("voxloop.local.supervisor_socket.TIMEOUT", 0.2)
    deaf = Supervisor(tmp_path)
    make_private(deaf.run)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(deaf.socket))
        listener.listen(8)
        answers: list[bool] = []
        asking = threading.Thread(target=lambda: answers.append(deaf.is_alive()))
        asking.start()
        asking.join(5)
        assert answers == [False]


def test_a_path_too_long_for_a_socket_gets_a_short_private_one(tmp_path: Path) -> None:
    short = choose_socket(Path("/short/run"))
    long = choose_socket(tmp_path / ("x" * 100) / "run")
    assert short == Path("/short/run/supervisor.sock")
    assert len(str(long)) < 95
    assert long != choose_socket(tmp_path / ("y" * 100) / "run")


def test_a_home_with_a_long_path_works(tmp_path: Path) -> None:
    deep = Supervisor(tmp_path / ("x" * 100))
    try:
        deep.launch([program(tmp_path, "one", SLEEP)])
        assert deep.is_alive()
        assert stat.S_IMODE(deep.socket.parent.stat().st_mode) == 0o700
    finally:
        deep.shut_down()
        deep.socket.parent.rmdir()


def test_a_link_is_no_private_folder(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    with pytest.raises(ConfigError, match="not ours"):
        make_private(tmp_path / "link")
