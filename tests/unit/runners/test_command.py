from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from voxloop.runners.command import copy_output, run_process
from voxloop.runners.nightly_retraining import run_training


@pytest.fixture(scope="module", autouse=True)
def airflow_exceptions(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ModuleType]:
    """Airflow makes a folder where it thinks it lives as soon as it is imported: not in the user's home."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AIRFLOW_HOME", str(tmp_path_factory.mktemp("airflow")))
        yield pytest.importorskip("airflow.sdk.exceptions")


def python(code: str) -> list[str]:
    return [sys.executable, "-c", code]


def test_output_is_copied_as_it_comes_and_the_last_line_returned(capfd: pytest.CaptureFixture[str]) -> None:
    assert run_process(python("import sys; print('one'); print('two', file=sys.stderr); print('  ')")) in ("one", "two")
    out = capfd.readouterr().out
    assert out.startswith(f"$ {sys.executable}")
    assert "one\n" in out
    assert "two\n" in out


def test_a_parameter_that_is_wrong_ends_a_nightly_run_for_good(airflow_exceptions: ModuleType) -> None:
    params = {"arguments": "local", "changes": {"settings.home": "/elsewhere"}}
    with pytest.raises(
        airflow_exceptions.AirflowFailException, match=r"a change of 'settings\.home'; what a run changes"
    ):
        run_training(params, "by hand")


@pytest.mark.parametrize(
    ("code", "final"),
    [("exit(75)", False), ("exit(85)", False), ("exit(143)", False), ("import os; os.kill(os.getpid(), 9)", False)]
    + [(f"exit({number})", True) for number in (1, 2, 3, 4, 130)],
)
def test_exit_codes_decide_between_retry_and_stop(airflow_exceptions: ModuleType, code: str, final: bool) -> None:
    with pytest.raises(airflow_exceptions.AirflowException, match="boom") as raised:
        run_process(python(f"print('boom', flush=True); {code}"))
    assert isinstance(raised.value, airflow_exceptions.AirflowFailException) is final


def test_a_missing_command_is_final(airflow_exceptions: ModuleType) -> None:
    with pytest.raises(airflow_exceptions.AirflowFailException, match="/no/such/command does not start"):
        run_process(["/no/such/command"])


@pytest.fixture
def keyboard() -> Iterator[None]:
    """SIGINT raises KeyboardInterrupt, whatever a test before left behind."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("keyboard")
def test_an_interrupted_task_takes_its_command_along() -> None:
    process = subprocess.Popen(
        python("import time; print('up', flush=True); time.sleep(60)"), stdout=subprocess.PIPE, text=True
    )

    def interrupt() -> None:
        time.sleep(0.3)
        os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=interrupt).start()
    with pytest.raises(KeyboardInterrupt):
        copy_output(process)
    assert process.returncode is not None


def test_output_that_is_no_text_does_not_stop_the_task(capfd: pytest.CaptureFixture[str]) -> None:
    run_process(python(r"import sys; sys.stdout.buffer.write(b'\xff\n')"))
    assert "�" in capfd.readouterr().out


def test_importing_it_loads_neither_airflow_nor_anything_heavy(tmp_path: Path) -> None:
    heavy = "'airflow', 'torch', 'pandas', 'numpy', 'kfp', 'mlflow', 'httpx'"
    code = f"import sys, voxloop.runners.command; print([name for name in ({heavy}) if name in sys.modules])"
    assert subprocess.run(python(code), capture_output=True, text=True, check=True).stdout == "[]\n"
