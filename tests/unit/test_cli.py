from __future__ import annotations

import subprocess
import sys

import pytest

from voxloop.cli import COMMANDS, FAMILIES, run_command, take_overrides
from voxloop.errors import ConfigError
from voxloop.settings import Settings, get_settings


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.name)
def test_every_command_explains_itself(command: object, capsys: pytest.CaptureFixture[str]) -> None:
    name = command.name  # type: ignore[attr-defined]
    assert run_command([*name.split(), "--help"]) == 0
    assert f"Usage: voxloop {name}" in capsys.readouterr().out


def test_help_loads_no_command_and_nothing_heavy() -> None:
    script = (
        "import sys; from voxloop.cli import run_command; run_command(['--help']);"
        "print([m for m in sys.modules if m.split('.')[0] in"
        " {'torch','pandas','kfp','mlflow','airflow','numpy','pydantic','yaml'} or m.startswith('voxloop.jobs')])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


@pytest.mark.parametrize(
    ("tokens", "rest", "taken"),
    [
        (["train", "--set", "a=1", "--out", "x"], ["train", "--out", "x"], ("a=1",)),
        (["train", "--set=a=1", "--set", "b=2"], ["train"], ("a=1", "b=2")),
        (["up"], ["up"], ()),
    ],
)
def test_overrides_are_taken_from_anywhere(tokens: list[str], rest: list[str], taken: tuple[str, ...]) -> None:
    assert take_overrides(tokens) == (rest, taken)


def test_an_override_without_a_value_is_refused() -> None:
    with pytest.raises(ConfigError, match="--set has no value"):
        take_overrides(["train", "--set"])


def test_a_mistyped_option_is_one_error_with_the_nearest_and_exit_code_2(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run_command(["train", "--datset", "x"]) == 2
    assert "--dataset" in capsys.readouterr().err


def test_a_setting_can_be_set_on_any_command(settings: Settings) -> None:
    run_command(["train", "--dataset", "no-such", "--out", "x", "--set", "settings.ports.mlflow=5055"])
    assert get_settings().ports.mlflow == 5055


def test_a_missing_input_is_one_line_and_exit_code_2(
    settings: Settings, capsys: pytest.CaptureFixture[str], tmp_path: object
) -> None:
    assert run_command(["train", "--dataset", "no-such", "--out", f"{tmp_path}/out"]) == 2
    message = capsys.readouterr().err.strip()
    assert message.startswith("voxloop: ")
    assert "no-such" in message
    assert "\n" not in message


def test_a_wrong_option_of_a_family_points_to_its_own_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command(["evalset", "cut", "--domian", "x"]) == 2
    error = capsys.readouterr().err.strip()
    assert error.endswith("see voxloop evalset cut --help")


@pytest.mark.parametrize("family", sorted(FAMILIES))
def test_a_family_lists_its_commands(family: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command([family]) == 0
    inside = [command.name.split()[1] for command in COMMANDS if command.name.startswith(f"{family} ")]
    assert inside
    assert all(name in capsys.readouterr().out for name in inside[:1])
