"""`voxloop simulate`: weeks of production in minutes, and what became of the served model with and without voxloop."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter

from voxloop.config import apply_overrides, find_config, load_config
from voxloop.errors import ServiceUnavailableError, VoxloopError
from voxloop.local.simulation.config import WINDOWS_A_DAY, PlatformConfig, SimulationConfig, require_days
from voxloop.local.simulation.world_process import WorldProcess
from voxloop.settings import Settings, environment_of, get_settings, now

FLAG = Parameter(negative=())
PROGRAMS = ("mlflow", "triton", "gateway")
KEPT = ("store", "runner.key", "world")
"""Of an earlier simulation: results of steps and sounds, which are costly and the same again."""
BROKEN_PROMISE = 1
RETRAINING_SECONDS = 3 * 3600.0
START_SECONDS = 600


def simulate(
    *,
    seed: int,
    days: int = 30,
    task: str = "emotion",
    scheduler: bool = True,
    keep: Annotated[bool, FLAG] = False,
) -> int:
    """Let a simulated world talk to the whole platform for some days, and show what became of the served model.

    The world is a process of its own: from the seed it draws when production drifts and how (a telephone, noise,
    another tempo, other accents), and what is unusual for a while and no reason to train. It talks to the gateway in
    windows of six hours; labelled speech arrives as it would. The platform is given sounds, speakers and times alone,
    and does at the end of each window what its DAGs' tasks do; its clock is put on between two windows. A platform of
    its own is used, under the state folder, and taken down at the end.

    Ends with `simulation.html` (quality over time with and without voxloop, drift, retrainings, promotions) and
    `simulation.json`, and with exit code 1 where a promise of `configs/simulation` was broken.

    Args:
        seed: Everything that happens is a function of it.
        days: Of production, after the day the reference is made of.
        task: Family.
        scheduler: Run the first retraining by Airflow's live scheduler; the others run without it.
        keep: Leave the platform up at the end.

    Raises:
        RefusedError: The project has uncommitted changes: such a tree may train, never register.
        InputError: There are too few days.
        VoxloopError: There is no first champion, or an act of the platform failed.
    """
    from voxloop.local.demo import Clock

    require_days(days)
    config = load_config(SimulationConfig, find_config("simulation", task))
    clock = Clock()
    settings = _prepare(task, seed, config.platform)
    (settings.home / "world").mkdir(exist_ok=True)
    with _platform(settings, scheduler=scheduler, keep=keep):
        if scheduler:
            _pause_watch(settings)
        arguments = _tell_world(settings, task, days, seed)
        with WorldProcess(arguments, environment_of(settings), settings.home / "logs" / "world.log") as world:
            windows = config.platform.reference_windows + days * WINDOWS_A_DAY
            _play(settings, task, config.platform, world, windows, clock, scheduler=scheduler)
        return _score(settings, task, days, seed)


def _prepare(task: str, seed: int, config: PlatformConfig) -> Settings:
    """Make a home of its own, a checkout of its own, and a clock of its own."""
    from voxloop.local.down import down
    from voxloop.local.simulation.checkout import make_checkout
    from voxloop.local.simulation.clock import start_clock

    shipped = get_settings()
    triton = shipped.triton_python.parents[1]
    home = shipped.home / f"simulation-{task}-{seed}"
    apply_overrides([f"home={home}", f"triton_venv={triton}"])
    down()
    home.mkdir(parents=True, exist_ok=True)
    for entry in home.glob("*"):
        if entry.name not in KEPT:
            shutil.rmtree(entry) if entry.is_dir() else entry.unlink()
    for left in ("heard", "labelled"):
        shutil.rmtree(home / "world" / left, ignore_errors=True)
    (home / "logs").mkdir()
    project = make_checkout(shipped.project_root, home / "project", task, config, home / "corpus")
    start_clock(home / "clock")
    return apply_overrides([f"project_root={project}", f"clock_file={home / 'clock'}"])


@contextmanager
def _platform(settings: Settings, *, scheduler: bool, keep: bool) -> Iterator[None]:
    from voxloop.local import programs
    from voxloop.local.down import stop_platform
    from voxloop.local.up import start_platform

    start_platform(settings, programs.PROGRAMS if scheduler else PROGRAMS, START_SECONDS)
    try:
        yield
    finally:
        if not keep:
            stop_platform(settings)


def _pause_watch(settings: Settings) -> None:
    """Keep the scheduler, whose clock is real, from watching in the middle of simulated windows."""
    from voxloop.runners.airflow_api import AirflowApi

    AirflowApi.connect(settings).pause("drift_watch")


def _tell_world(settings: Settings, task: str, days: int, seed: int) -> tuple[str, ...]:
    """Return the command line of the world, its keys in a file of its own."""
    from voxloop.gateway.keys import KeyBook
    from voxloop.store.atomic import write_file

    book = KeyBook(settings.gateway_keys)
    keys = [book.add("callers", (task,), now()), book.add("listeners", ("label",), now())]
    path = write_file(settings.home / "world" / "keys", "\n".join(keys) + "\n", mode=0o600)
    told = {"task": task, "days": days, "seed": seed, "place": settings.home / "world"}
    told |= {"gateway": settings.gateway_url, "keys": path}
    return tuple(f"--{name}={value}" for name, value in told.items())


def _play(
    settings: Settings,
    task: str,
    config: PlatformConfig,
    world: WorldProcess,
    windows: int,
    clock: Any,
    *,
    scheduler: bool,
) -> None:
    from voxloop.local.demo import add_approver
    from voxloop.local.simulation.acts import Acts
    from voxloop.local.simulation.clock import SimulationClock
    from voxloop.local.simulation.run import Journal, PlatformSide

    acts = Acts(settings, task, settings.home / "logs" / "acts.log")
    lead = SimulationClock(settings.home / "clock", now)
    journal = Journal(settings.home / "journal.json")
    trainer = Trainer(acts, settings, has_scheduler=scheduler)
    side = PlatformSide(
        acts, config, lead, add_approver(settings), settings.home / "corpus", trainer, journal, clock.say
    )
    clock.say("labelled speech is recorded, and the first champion trained")
    side.appoint_first(Path(world.ask(do="first batch")["arrived"]), now())
    begin = _find_midnight(now())
    clock.say(f"the first champion serves; production begins at {begin:%Y-%m-%d} (simulated), {windows} windows")
    side.run(world, begin, windows)


class Trainer:
    """Runs retrainings: the first by the live scheduler where there is one, the others as its task would.

    Args:
        acts: Without the scheduler.
        settings: Where Airflow is.
        has_scheduler: Whether it runs.
    """

    def __init__(self, acts: Any, settings: Settings, *, has_scheduler: bool) -> None:
        self._acts, self._settings, self._is_due = acts, settings, has_scheduler

    def __call__(self, dag: str, run_id: str, params: dict[str, Any]) -> dict[str, Any]:
        """Run a retraining; return the outcome that the task hands on, or why it was `skipped`."""
        if self._is_due:
            self._is_due = False
            return {**self._train_by_scheduler(dag, run_id, params), "by": "scheduler"}
        ended = self._acts.do("train", run_id, json.dumps(params))
        return dict(ended["said"]) if "said" in ended else {"skipped": ended["skipped"]}

    def _train_by_scheduler(self, dag: str, run_id: str, params: dict[str, Any]) -> dict[str, Any]:
        from voxloop.runners.airflow_api import AirflowApi

        airflow = AirflowApi.connect(self._settings)
        airflow.trigger(dag, run_id=run_id, conf=params)
        state = airflow.wait_for_run(dag, run_id, timeout=RETRAINING_SECONDS)
        if state != "success":
            raise VoxloopError(f"run {run_id} of {dag} ended in {state}", remedy=f"see {self._settings.airflow_url}")
        if airflow.task_states(dag, run_id).get("run_training") == "skipped":
            return {"skipped": "the scheduler's task was skipped; its log says why"}
        outcome = airflow.xcom(dag, run_id, "run_training")
        if not isinstance(outcome, dict):
            raise ServiceUnavailableError(f"run {run_id} of {dag} handed nothing on")
        return outcome


def _find_midnight(at: datetime) -> datetime:
    """Return the next midnight, an hour away at least."""
    day = (at + timedelta(hours=1)).replace(hour=0, minute=0, second=0, microsecond=0)
    return day + timedelta(days=1)


def _score(settings: Settings, task: str, days: int, seed: int) -> int:
    """Have the score kept by a process with stock clients; return 0 where every promise was kept."""
    from voxloop.adapters.mlflow_sign_in import find_credentials

    out, began = settings.home / "report", time.monotonic()
    told = {"task": task, "days": days, "seed": seed, "mlflow": settings.mlflow_url, "out": out}
    told |= {"place": settings.home / "world", "journal": settings.home / "journal.json"}
    told |= {"sets": settings.evaluation_sets / task}
    who = find_credentials(settings)
    signed = {} if who is None else {"MLFLOW_TRACKING_USERNAME": who.name, "MLFLOW_TRACKING_PASSWORD": who.password}
    command = [sys.executable, "-P", "-m", "voxloop.local.simulation.score"]
    done = subprocess.run(
        [*command, *(f"--{name}={value}" for name, value in told.items())],
        env=environment_of(settings) | signed | {"MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false"},
        check=False,
    )
    if done.returncode:
        raise VoxloopError(f"the score could not be kept (exit code {done.returncode})", remedy="see above")
    report = json.loads((out / "simulation.json").read_text(encoding="utf-8"))
    print(f"{out / 'simulation.html'} ({time.monotonic() - began:.0f} s of scoring)", flush=True)
    return 0 if report["holds"] else BROKEN_PROMISE
