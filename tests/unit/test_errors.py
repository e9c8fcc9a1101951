from __future__ import annotations

import pickle

import pytest

from voxloop import errors
from voxloop.errors import ConfigError, VoxloopError


@pytest.mark.parametrize(
    ("kind", "code", "transient"),
    [
        (errors.VoxloopError, 1, False),
        (errors.InputError, 2, False),
        (errors.ConfigError, 2, False),
        (errors.CorpusError, 2, False),
        (errors.PortTakenError, 2, False),
        (errors.RefusedError, 3, False),
        (errors.IntegrityError, 4, False),
        (errors.ServiceUnavailableError, 75, True),
        (errors.TrainingInterruptedError, 85, True),
    ],
)
def test_each_error_has_its_exit_code_and_says_whether_trying_again_helps(
    kind: type[VoxloopError], code: int, transient: bool
) -> None:
    assert (kind.exit_code, kind.transient) == (code, transient)


def test_the_message_is_one_line_of_value_rule_and_remedy() -> None:
    error = ConfigError("lr = -1", rule="must be\n  positive", remedy="raise it")
    assert str(error) == "lr = -1; must be positive; raise it"


def test_an_error_crosses_a_process_boundary_whole() -> None:
    error = ConfigError("lr = -1", rule="positive", remedy="raise it")
    copy = pickle.loads(pickle.dumps(error))  # noqa: S301
    assert (type(copy), copy.problem, copy.rule, copy.remedy) == (
        ConfigError,
        "lr = -1",
        "positive",
        "raise it",
    )
