"""Prove that the gate can say no."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter
from cyclopts.validators import Number

from voxloop.config import Overrides, find_config, load_config
from voxloop.errors import VoxloopError

if TYPE_CHECKING:
    from voxloop.selftest.config import SelfTestConfig
    from voxloop.selftest.report import NotTold
    from voxloop.selftest.trial import Outcome

Attempt = Callable[[str, int, "Mapping[str, SelfTestConfig]"], "list[Outcome]"]


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
    and judged by the code that judges real candidates. On two cores, two families at once, a seed takes 9 minutes of
    recognition, 9 to 15 of emotion and 1.6 of personality. A line is printed for each when it is done; one that
    crashes is not told, which is red, and the others go on.

    Args:
        task: One family; all of them when left out.
        seed: The first seed: of the world, of the training and of the faults.
        seeds: How many seeds, one after the other.
        through_pipeline: Send one fault of each family through the whole pipeline as well, by `voxloop run training` on
            a platform that is thrown away, with an MLflow of its own. Some three minutes more a family and seed; needs
            a checkout without uncommitted changes.
        as_json: End with one line of JSON: `kill_rate`, `control_pass_rate` and a rate for each fault, and under
            `not_told` what crashed.
        overrides: Changes to `configs/selftest/TASK.yaml`.

    Raises:
        InputError: There is no such task.
        VoxloopError: A fault passed, was caught for another reason, a control did not pass, or a seed crashed.
    """
    from voxloop.selftest.config import SelfTestConfig
    from voxloop.selftest.report import as_json as write_json
    from voxloop.selftest.report import as_lines, is_green
    from voxloop.tasks import require_task, task_names

    if task is not None:
        require_task(task)
    names = task_names() if task is None else [task]
    configs = {name: load_config(SelfTestConfig, find_config("selftest", name), overrides) for name in names}
    tries: tuple[Attempt, ...] = (_try, _send) if through_pipeline else (_try,)
    outcomes: list[Outcome] = []
    not_told: list[NotTold] = []
    for number, name, attempt in ((n, name, one) for n in range(seed, seed + seeds) for name in names for one in tries):
        _tell(attempt, name, number, configs, outcomes, not_told)
    print("\n".join(as_lines(outcomes, not_told)), flush=True)
    if as_json:
        print(write_json(outcomes, not_told), flush=True)
    if not is_green(outcomes, not_told):
        _raise(outcomes, not_told)


def _tell(
    attempt: Attempt,
    task: str,
    seed: int,
    configs: Mapping[str, SelfTestConfig],
    outcomes: list[Outcome],
    not_told: list[NotTold],
) -> None:
    """Add what one family and seed came to, or that it crashed, and print a line of it."""
    import time

    from voxloop.selftest.report import NotTold, summarise

    started = time.monotonic()
    try:
        found = attempt(task, seed, configs)
        told = summarise(found)
        outcomes += found
    except Exception as crash:  # noqa: BLE001 - whatever breaks one seed, the figures of the others are kept
        not_told.append(NotTold.of(task, seed, crash))
        told = f"NOT TOLD, {not_told[-1].error}"
    print(f"selftest {task} seed {seed} is done: {told}; {time.monotonic() - started:.0f} s", flush=True)


def _try(task: str, seed: int, configs: Mapping[str, SelfTestConfig]) -> list[Outcome]:
    from voxloop.selftest.suite import collect_suite

    with _scratch() as folder:
        return collect_suite(task, seed, configs[task], folder).judge()


def _send(task: str, seed: int, configs: Mapping[str, SelfTestConfig]) -> list[Outcome]:
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


def _raise(outcomes: Sequence[Outcome], not_told: Sequence[NotTold]) -> None:
    bad = next((one for one in outcomes if not one.good), None)
    if bad is None and not_told:
        _raise_crash(not_told[0])
    if bad is None:
        raise VoxloopError("the self-test tried nothing", rule="it needs faults and controls", remedy="configure some")
    what = "control did not pass" if bad.is_control else "fault was not caught for its reason"
    raise VoxloopError(
        f"{bad.task}, seed {bad.seed}: the {what}: {bad.name} ({bad.verdict or 'no verdict'}: {bad.reason})",
        rule="what is known to be bad never passes, what is known to be good does",
        remedy="promote nothing until it is green again: docs/runbooks/gate_selftest.md",
    )


def _raise_crash(one: NotTold) -> None:
    # Its own exit code: a changed checkout or a configuration that does not fit is another thing to mend than a gate.
    kind = type(one.crash) if isinstance(one.crash, VoxloopError) else VoxloopError
    raise kind(
        f"{one.task}, seed {one.seed}: not told: {one.error}",
        rule="a self-test that crashes has shown nothing of the gate",
        remedy="mend what crashed and run that seed again: docs/runbooks/gate_selftest.md",
    ) from one.crash
