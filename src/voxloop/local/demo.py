"""Two nights of the whole loop on this machine, told as they happen.

Night one trains on what there is and an approver appoints the first champion. Night two brings new speakers: the
scheduler trains a challenger, the gate holds it against the champion scored again on the same data, a person (here:
the REST call the UI makes) approves it, and Airflow swaps it in on Triton.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from voxloop.adapters.mlflow_rest import find_alias
from voxloop.adapters.mlflow_sign_in import Credentials
from voxloop.approval_app.accounts import AccountBook
from voxloop.config import Overrides, apply_overrides, find_config, load_config
from voxloop.errors import InputError, RefusedError, ServiceUnavailableError, VoxloopError
from voxloop.local.demo_config import DemoConfig, Night
from voxloop.local.down import down
from voxloop.local.registry_view import approve, collect_rows, show_rows
from voxloop.local.up import up
from voxloop.monitoring.retraining import ASKED, Reason
from voxloop.release.roles import Role
from voxloop.release.versions import CHAMPION
from voxloop.runners.airflow_api import ENDED, AirflowApi
from voxloop.runners.nightly_retraining import run_folder, training_arguments
from voxloop.runners.result import RunResult
from voxloop.runners.retrain import retraining_folder
from voxloop.settings import Settings, child_environment, get_settings, now
from voxloop.store.revision import read_code_revision

DEPLOY_SECONDS = 420.0
"""How long an approval may take: it wakes Airflow in seconds, the schedule in five minutes; a swap takes seconds."""

NIGHT_SECONDS = 3600.0
APPROVER = "demo-approver"
NIGHTLY, NIGHT_ONE, NIGHT_TWO = "nightly_retraining", "demo-night-one", "demo-night-two"


def demo(*, corpus: str = "world", path: Path | None = None, keep: bool = False, overrides: Overrides = ()) -> int:
    """Run two nights of the loop and end with a table of what was trained, judged and served.

    It uses a state folder of its own under the state folder, so that nothing of yours is touched. The job store in it
    is kept: a demo that was killed goes on where it stopped.

    Args:
        corpus: `world` for the built-in speaker world, `nemo` for real recordings.
        path: Folder of the corpus, for one that is on disk.
        keep: Leave everything up at the end and print the addresses.

    Raises:
        RefusedError: The project has uncommitted changes: such a tree may train, never register.
        InputError: A corpus without its folder, or one the demo has no configuration for.
    """
    config = load_config(DemoConfig, find_config("demo", corpus), overrides)
    _check_corpus(corpus, path)
    _check_tree(get_settings())
    settings = apply_overrides([f"home={get_settings().home / f'demo-{corpus}'}"])
    clock = Clock()
    with _platform(settings, clock, keep=keep):
        return Loop(config, corpus, path, settings, clock, add_approver(settings)).run()


def add_approver(settings: Settings) -> Credentials:
    """Make an account for whoever approves, and return it: the demo plays a person who did not train."""
    password = AccountBook(settings.mlflow_accounts).add(APPROVER, Role.APPROVER, (f"{APPROVER}@localhost",), now())
    return Credentials(APPROVER, password)


class Clock:
    """Prints what happens with the time since the start."""

    def __init__(self) -> None:
        self._start = time.monotonic()

    def say(self, text: str) -> None:
        """Print one line, stamped with minutes and seconds."""
        minutes, seconds = divmod(int(time.monotonic() - self._start), 60)
        print(f"[{minutes:2d}:{seconds:02d}] {text}", flush=True)


class Loop:
    """The two nights of one demo."""

    def __init__(
        self,
        config: DemoConfig,
        corpus: str,
        path: Path | None,
        settings: Settings,
        clock: Clock,
        approver: Credentials,
    ) -> None:
        self.config = config
        self.approver = approver
        self.corpus = corpus
        self.path = path
        self.settings = settings
        self.clock = clock

    def run(self) -> int:
        """Run both nights; return 0 when the challenger of night two is the champion that Triton serves."""
        self.clock.say(f"night one: {self.config.night_one.title}")
        first = self._train_here(self.config.night_one)
        self._approve_and_wait(first)
        self.clock.say(f"night two: {self.config.night_two.title}")
        second = self._train_by_scheduler(self.config.night_two)
        self._approve_and_wait(second)
        self._ask(second)
        rows = collect_rows(self.settings, self.config.task)
        print(f"\n{show_rows(rows)}\n", flush=True)
        served = [row for row in rows if row.version == second.version and "champion" in row.aliases and row.is_served]
        return 0 if served else 1

    def _arguments(self, night: Night) -> dict[str, object]:
        """Return the arguments of the training pipeline for one night, all but the family."""
        return {
            "config": self.config.config,
            "poison_policy": self.config.poison_policy,
            "policy": self.config.policy,
            "corpus": self.corpus,
            "corpus_path": str(self.path.absolute()) if self.path else "",
            "corpus_overrides": list(night.corpus_overrides),
            "overrides": list(self.config.task_overrides),
        }

    def _train_here(self, night: Night) -> RunResult:
        out = run_folder(NIGHT_ONE)
        changes = {**self._arguments(night), "bootstrap": True, "because": self.config.because}
        told = {"arguments": "local", "task": self.config.task, "changes": changes}
        _run_voxloop(*training_arguments(told, out))
        return _require_version(RunResult.read(out))

    def _train_by_scheduler(self, night: Night) -> RunResult:
        airflow = AirflowApi.connect(self.settings)
        task, changes = self.config.task, self._arguments(night)
        airflow.trigger(NIGHTLY, run_id=NIGHT_TWO, conf={"task": task, "changes": changes})
        self.clock.say(f"Airflow's scheduler runs {NIGHTLY}: {self.settings.airflow_url}")
        if (state := self._follow(airflow)) != "success":
            raise VoxloopError(
                f"the nightly run ended in {state}", remedy=f"look at run {NIGHT_TWO} in {self.settings.airflow_url}"
            )
        asked = Reason(self.config.task, ASKED, NIGHT_TWO)
        return _require_version(RunResult.read(retraining_folder(self.settings, asked.retrain_id)))

    def _follow(self, airflow: AirflowApi) -> str:
        """Print what the training task prints, until the run has ended; return the run's state."""
        told, end = 0, time.monotonic() + NIGHT_SECONDS
        while (state := airflow.run_state(NIGHTLY, NIGHT_TWO)) not in ENDED and time.monotonic() < end:
            time.sleep(2)
            told = self._tell(airflow, told)
        self._tell(airflow, told)
        return state

    def _tell(self, airflow: AirflowApi, told: int) -> int:
        """Print the lines of the training task's log beyond the first `told`; return how many there are."""
        if airflow.task_states(NIGHTLY, NIGHT_TWO).get("run_training", "none") not in ("running", *ENDED):
            return told
        lines = airflow.task_log(NIGHTLY, NIGHT_TWO, "run_training")
        # Airflow tells of starting its worker before the command line, and of ending it after the result.
        begin = next((number for number, line in enumerate(lines) if line.startswith("$ ")), len(lines))
        end = next((number for number, line in enumerate(lines) if line.startswith("Done. Returned")), len(lines))
        for line in lines[max(told, begin + 1) : end]:
            print(f"    {line}", flush=True)
        return min(len(lines), max(told, end)) if begin < len(lines) else told

    def _approve_and_wait(self, result: RunResult) -> None:
        """Approve a version as the UI does, then wait until Airflow has made it the champion."""
        version = result.version or 0
        self.clock.say(f"{self.config.task} version {version} waits for approval: {self.settings.mlflow_url}")
        approve(self.settings, self.approver, self.config.task, version)
        self.clock.say(f"{self.approver.name} approved it; Airflow's deploy_approved takes it to Triton in a minute")
        end = time.monotonic() + DEPLOY_SECONDS
        while not self._is_champion(version):
            if time.monotonic() > end:
                raise ServiceUnavailableError(
                    f"version {version} is not in service {DEPLOY_SECONDS:.0f} s after its approval",
                    remedy=f"look at deploy_approved in Airflow: {self.settings.airflow_url}",
                )
            time.sleep(1)
        self.clock.say(f"version {version} is the champion, served by Triton at {self.settings.triton_url}")

    def _is_champion(self, version: int) -> bool:
        champion = find_alias(self.settings, self.config.task, CHAMPION)
        return champion is not None and champion.number == version

    def _ask(self, result: RunResult) -> None:
        """Ask the served model about one utterance of the test split."""
        import soundfile

        from voxloop.data.shards import iter_audio

        row, waveform = next(iter_audio(Path(result.folders["ingest"]["out"]), "test"))
        wav = self.settings.home / f"ask-{row['utterance_id']}.wav"
        soundfile.write(wav, waveform, row["sample_rate"], subtype="PCM_16")
        self.clock.say(f"asking about a speaker no model was trained on, who sounds of {row['emotion']}: {wav}")
        _run_voxloop("ask", self.config.task, str(wav))


@contextmanager
def _platform(settings: Settings, clock: Clock, *, keep: bool) -> Iterator[None]:
    """Start from nothing but the job store, and stop everything at the end, also after an error."""
    down()
    for entry in settings.home.glob("*"):
        if entry.name not in ("store", "runner.key"):
            shutil.rmtree(entry) if entry.is_dir() else entry.unlink()
    clock.say("starting MLflow, Triton and Airflow")
    up()
    try:
        yield
    finally:
        if keep:
            _print_addresses(settings)
        else:
            clock.say("stopping everything")
            down()


def _print_addresses(settings: Settings) -> None:
    print(
        f"\nLeft up. MLflow {settings.mlflow_url}  Airflow {settings.airflow_url}  Triton {settings.triton_url}\n"
        f"  export VOXLOOP_HOME={settings.home}\n"
        "  voxloop status\n"
        "  voxloop users add NAME --role viewer     # an account to look at MLflow with\n"
        "  voxloop ask emotion FILE.wav\n"
        "  voxloop down",
        flush=True,
    )


def _check_corpus(corpus: str, path: Path | None) -> None:
    if corpus != "world" and path is None:
        raise InputError(
            f"the corpus {corpus} lies in a folder", rule="--path names it", remedy="make demo CORPUS=nemo DATA=path"
        )
    if path is not None and not path.exists():
        raise InputError(f"{path} does not exist", rule="--path is the corpus folder", remedy="unpack the corpus first")


def _check_tree(settings: Settings) -> None:
    """Refuse at once what `register` would refuse after minutes of training."""
    revision = read_code_revision(settings.project_root)
    if revision.dirty:
        raise RefusedError(
            f"{settings.project_root} has uncommitted changes or is no git checkout",
            rule="such a tree may train, never register a model",
            remedy="commit or stash them, then run the demo again",
        )


def _require_version(result: RunResult) -> RunResult:
    if result.version is None:
        raise VoxloopError(
            f"no version was registered: data {result.data_verdict}, gate {result.verdict}",
            rule="only PASS goes on",
            remedy="read the reasons above, or the verdict in MLflow",
        )
    return result


def _run_voxloop(*tokens: str) -> None:
    """Run a `voxloop` command in a process of its own, its output on ours."""
    with subprocess.Popen([sys.executable, "-m", "voxloop", *tokens], env=child_environment()) as process:
        try:
            code = process.wait()
        except BaseException:
            process.terminate()  # it takes its own children along
            raise
    if code:
        raise VoxloopError(f"voxloop {' '.join(tokens[:2])} ended with exit code {code}", rule="see above")
