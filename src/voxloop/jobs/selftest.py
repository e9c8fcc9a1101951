"""Prove that the gate can say no."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter
from cyclopts.validators import Number

from voxloop.config import Overrides, find_config, load_config
from voxloop.errors import VoxloopError

if TYPE_CHECKING:
    from voxloop.selftest.config import SelfTestConfig
    from voxloop.selftest.trial import Outcome


def selftest(
    *,
    task: str | None = None,
    seed: int = 1,
    seeds: Annotated[int, Parameter(validator=Number(gte=1))] = 1,
    through_pipeline: Annotated[bool, Parameter(negative=())] = False,
    as_json: Annotated[bool, Parameter(name="--json", negative=())] = False,
    overrides: Overrides = (),
) -> None:
    """Show the gate models known to be bad, each of which it must refuse for the right reason, and good ones.

    A family is trained on the speaker world, corrupted in every way that `configs/selftest/TASK.yaml` names, evaluated
    and judged by the code that judges real candidates. About two minutes a family and seed on two cores.

    Args:
        task: One family; all of them when left out.
        seed: The first seed: of the world, of the training and of the faults.
        seeds: How many seeds, one after the other.
        through_pipeline: Send one fault of each family through the whole pipeline as well, by `voxloop run training` on
            a platform that is thrown away, with an MLflow of its own. Some three minutes more a family and seed; needs
            a checkout without uncommitted changes.
        as_json: End with one line of JSON: `kill_rate`, `control_pass_rate` and a rate for each fault.
        overrides: Changes to `configs/selftest/TASK.yaml`.

    Raises:
        InputError: There is no such task.
        VoxloopError: A fault passed, was caught for another reason, or a control did not pass.
    """
    from voxloop.selftest.config import SelfTestConfig
    from voxloop.selftest.report import as_json as write_json
    from voxloop.selftest.report import as_lines, is_green
    from voxloop.tasks import require_task, task_names

    if task is not None:
        require_task(task)
    names = task_names() if task is None else [task]
    configs = {name: load_config(SelfTestConfig, find_config("selftest", name), overrides) for name in names}
    tries = (_try, _send) if through_pipeline else (_try,)
    trials = [(number, name, attempt) for number in range(seed, seed + seeds) for name in names for attempt in tries]
    outcomes = [one for number, name, attempt in trials for one in attempt(name, number, configs)]
    print("\n".join(as_lines(outcomes)), flush=True)
    if as_json:
        print(write_json(outcomes), flush=True)
    if not is_green(outcomes):
        _raise(outcomes)


def _try(task: str, seed: int, configs: dict[str, SelfTestConfig]) -> list[Outcome]:
    from voxloop.selftest.suite import collect_suite

    with _scratch() as folder:
        return collect_suite(task, seed, configs[task], folder).judge()


def _send(task: str, seed: int, configs: dict[str, SelfTestConfig]) -> list[Outcome]:
    from voxloop.jobs.selftest_platform import send_through

    with _scratch() as folder:
        return send_through(task, seed, configs[task], folder)


@contextmanager
def _scratch() -> Iterator[Path]:
    import tempfile

    from voxloop.settings import get_settings

    scratch = get_settings().home / "scratch"
    scratch.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=scratch, prefix="selftest-") as folder:
        yield Path(folder)


def _raise(outcomes: list[Outcome]) -> None:
    bad = next((one for one in outcomes if not one.good), None)
    if bad is None:
        raise VoxloopError("the self-test tried nothing", rule="it needs faults and controls", remedy="configure some")
    what = "control did not pass" if bad.is_control else "fault was not caught for its reason"
    raise VoxloopError(
        f"{bad.task}, seed {bad.seed}: the {what}: {bad.name} ({bad.verdict or 'no verdict'}: {bad.reason})",
        rule="what is known to be bad never passes, what is known to be good does",
        remedy="promote nothing until it is green again: docs/runbooks/gate_selftest.md",
    )
