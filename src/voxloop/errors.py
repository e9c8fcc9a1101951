"""Every error voxloop raises on purpose.

    VoxloopError                    exit 1   something is wrong and trying again will not help
    ├── InputError                  exit 2   what was asked for cannot be: a path, a file, an option
    │   ├── ConfigError             exit 2   a key, a value or a file of the configuration
    │   ├── CorpusError             exit 2   a corpus folder is not what its reader expects
    │   └── PortTakenError          exit 2   another process listens where we should
    ├── RefusedError                exit 3   an act that the rules forbid, whoever asks
    ├── IntegrityError              exit 4   bytes and their recorded digest disagree
    ├── ServiceUnavailableError     exit 75  a server does not answer: trying again can help
    └── TrainingInterruptedError    exit 85  told to stop and stopped at a checkpoint: trying again goes on from there

A rejected model is a verdict (`voxloop.verdict`), not an exception. Runners read `transient` (or the exit
codes 75, EX_TEMPFAIL of sysexits.h, and 85, HTCondor's checkpoint exit code) to decide between a retry and a stop.
"""

from __future__ import annotations

from typing import ClassVar


class VoxloopError(Exception):
    """A failure a person can act on: what happened, the rule it broke, what to do.

    Args:
        problem: What is wrong, naming the offending value.
        rule: The rule that value breaks.
        remedy: What to do about it, as an instruction.
    """

    exit_code: ClassVar[int] = 1
    transient: ClassVar[bool] = False

    def __init__(self, problem: str, *, rule: str = "", remedy: str = "") -> None:
        self.problem = problem
        self.rule = rule
        self.remedy = remedy
        super().__init__(str(self))

    def __str__(self) -> str:
        parts = (self.problem, self.rule, self.remedy)
        return "; ".join(" ".join(part.split()) for part in parts if part)

    def __reduce__(self) -> tuple[object, ...]:
        """Keep the three parts when the error crosses a process boundary."""
        return (_rebuild, (type(self), self.problem, self.rule, self.remedy))


def _rebuild(kind: type[VoxloopError], problem: str, rule: str, remedy: str) -> VoxloopError:
    return kind(problem, rule=rule, remedy=remedy)


class InputError(VoxloopError):
    """What was asked for cannot be done as asked."""

    exit_code = 2


class ConfigError(InputError):
    """A configuration file, key or value is not acceptable."""


class CorpusError(InputError):
    """A corpus folder does not hold what its reader expects."""


class PortTakenError(InputError):
    """Another process already listens on a port voxloop was told to use."""


class RefusedError(VoxloopError):
    """An act that the rules forbid: registering a dirty tree, deploying the unapproved."""

    exit_code = 3


class IntegrityError(VoxloopError):
    """Bytes and their recorded digest disagree."""

    exit_code = 4


class ServiceUnavailableError(VoxloopError):
    """A server does not answer, or not in time; the same call may succeed later."""

    exit_code = 75
    transient = True


class TrainingInterruptedError(VoxloopError):
    """A training was told to stop and has left a checkpoint; the same call goes on from it."""

    exit_code = 85
    transient = True
