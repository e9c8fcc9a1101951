"""The platform's side of a simulation: window after window, what its scheduler and its people do.

It is given a world that talks, and what that leaves in a folder. It knows no scenario and no seed.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from voxloop.adapters.mlflow_sign_in import Credentials
from voxloop.errors import VoxloopError
from voxloop.local.registry_view import approve
from voxloop.local.simulation.acts import Acts
from voxloop.local.simulation.checkout import ARGUMENTS
from voxloop.local.simulation.clock import SimulationClock
from voxloop.local.simulation.config import PlatformConfig
from voxloop.local.simulation.world_process import WorldProcess
from voxloop.store.atomic import write_file

LENGTH = timedelta(hours=6)
"""Of a window."""
BEGIN = timedelta(minutes=5)
"""After the begin of a window callers are heard."""
WRITTEN = timedelta(minutes=2)
"""After the end of a window its rows are settled (`settle_seconds` of configs/drift)."""
FIRST_RUN = "simulation-first"

Trainer = Callable[[str, str, dict[str, Any]], dict[str, Any]]
"""Runs `nightly_retraining` under a name: dag, run id, parameters in; the outcome of `run_training`, or `skipped`."""


@dataclass
class Journal:
    """What was done in each window, as the platform's side saw it; written after every one."""

    path: Path
    windows: list[dict[str, Any]] = field(default_factory=list)
    models: list[dict[str, Any]] = field(default_factory=list)
    sets: list[dict[str, Any]] = field(default_factory=list)

    def write(self) -> None:
        """Write it down."""
        said = {"windows": self.windows, "models": self.models, "sets": self.sets}
        write_file(self.path, json.dumps(said, indent=2) + "\n")


class PlatformSide:
    """Runs the platform through a simulation.

    Args:
        acts: On the platform.
        config: How it is run.
        clock: Of the platform.
        approver: Who approves: another account than the trainer's.
        corpus: Folder that trainings read.
        trainer: Runs a retraining.
        journal: What was done.
        say: Tells a person.
    """

    def __init__(
        self,
        acts: Acts,
        config: PlatformConfig,
        clock: SimulationClock,
        approver: Credentials,
        corpus: Path,
        trainer: Trainer,
        journal: Journal,
        say: Callable[[str], None],
    ) -> None:
        self.acts, self.config, self.clock, self.approver = acts, config, clock, approver
        self.corpus, self.trainer, self.journal, self.say = corpus, trainer, journal, say
        self._referred: datetime | None = None
        """Begin of what the next reference is made of; None while there is one."""
        self._started: set[str] = set()
        """Runs of `nightly_retraining`: an episode starts one."""

    def appoint_first(self, batch: Path, at: datetime) -> None:
        """Train the first champion on the labelled speech there is, and put it into service."""
        self._receive(batch, at)
        params = {"arguments": ARGUMENTS, "bootstrap": True, "because": self.config.because}
        outcome = self.acts.do("train", FIRST_RUN, json.dumps(params))["said"]
        if not self._promote(outcome, at, window=None):
            raise VoxloopError(
                f"there is no first champion: data {outcome['data_verdict']}, gate {outcome['verdict']}",
                rule="a simulation begins with a model in service",
                remedy=f"the reasons are in {self.acts.log} and {outcome['folder']}",
            )

    def run(self, world: WorldProcess, begin: datetime, count: int) -> None:
        """Run through all windows.

        Args:
            world: Talks.
            begin: Of the first window, aware, on a whole window after midnight.
            count: Of windows.
        """
        self._referred = begin
        for number in range(count):
            start = begin + number * LENGTH
            self.clock.reach(start + BEGIN)  # later where a training took its time
            said = world.ask(do="window", window=number)
            time.sleep(self.config.settle_seconds)
            end = start + LENGTH
            self.clock.put_on(end + WRITTEN)
            page = {"number": number, "start": start.isoformat(), "talk": said}
            if arrived := said.pop("arrived", None):
                page["arrived"] = self._receive(Path(arrived), end)
            page |= self._watch(number, end)
            self.journal.windows.append(page)
            self.journal.write()
            self.say(_describe(page))

    def _receive(self, batch: Path, at: datetime) -> str:
        """Cut an evaluation set out of what arrived before anything learns from it; then let it join the corpus."""
        name = self.acts.freeze_set(batch, at)
        self.acts.join_corpus(batch, self.corpus)
        self.journal.sets.append({"name": name, "at": at.isoformat()})
        return name

    def _watch(self, number: int, end: datetime) -> dict[str, Any]:
        """Do what `drift_watch` does at the end of a window, and what follows of it."""
        if self._referred is not None and not self._refer(end):
            return {"watch": "no reference yet"}
        ended = self.acts.do_all(("watch", "decide", "retrain"))
        if "said" not in ended["watch"]:
            return {"watch": ended["watch"]["skipped"]}
        page = {
            "watch": ended["watch"]["said"],
            "scores": self._read_scores(),
            "decision": ended["decide"]["said"],
        }
        trigger = ended["retrain"].get("trigger")
        if trigger is None or trigger["run_id"] in self._started:
            return page
        self._started.add(trigger["run_id"])
        began = time.monotonic()
        outcome = self.trainer(trigger["dag"], trigger["run_id"], trigger["params"])
        outcome |= {"run": trigger["run_id"], "seconds": round(time.monotonic() - began, 1)}
        if "skipped" in outcome:
            return {**page, "retraining": outcome}
        promoted = self._promote(outcome, end, window=number)
        return {**page, "retraining": {**outcome, "promoted": promoted}}

    def _promote(self, outcome: dict[str, Any], at: datetime, *, window: int | None) -> bool:
        """Approve what passed the gate and put it into service; its reference is to be made anew."""
        version = outcome["version"]
        if version is None:
            return False
        approve(self.acts.settings, self.approver, self.acts.task, version)
        self.acts.do("deploy")
        self.acts.retire_reference(at)
        self._referred = at
        model = {"version": version, "digest": outcome["model_digest"], "run_id": outcome["run_id"]}
        self.journal.models.append({**model, "window": window, "at": at.isoformat()})
        self.journal.write()
        return True

    def _refer(self, end: datetime) -> bool:
        """Make the reference once there is enough to make it of; say whether there is one now."""
        since = self._referred
        if since is None or end - since < self.config.reference_windows * LENGTH:
            return False
        if self.acts.make_reference(since, end):
            self._referred = None
        return self._referred is None

    def _read_scores(self) -> dict[str, Any]:
        """Return what the watch said of its latest window: the word, and the greatest distance in thresholds."""
        path = self.acts.settings.drift / self.acts.task / "report.json"
        latest = json.loads(path.read_text(encoding="utf-8"))["windows"][-1]
        shares = [(one["value"] / one["threshold"], one) for one in latest["findings"] if one["threshold"] > 0]
        share, most = max(shares, key=lambda pair: pair[0], default=(None, None))
        column = None if most is None else f"{most['measure']} of {most['column']}"
        return {"outcome": latest["outcome"], "share": share, "column": column, "rows": latest["rows"]}


def _describe(page: dict[str, Any]) -> str:
    said = f"{page['start'][:16]}  {page['talk']['answered']} of {page['talk']['asked']} answered"
    scores = page.get("scores", {})
    share = "" if scores.get("share") is None else f" ({scores['share']:.2f} of the threshold, {scores['column']})"
    parts = [said, f"{scores['outcome']}{share}" if scores else page["watch"]]
    if "arrived" in page:
        parts.append(f"labelled speech arrived: {page['arrived']}")
    if "decision" in page:
        parts.append(page["decision"].partition(";")[0])
    if "retraining" in page:
        told = page["retraining"]
        parts.append(told.get("skipped") or f"gate {told['verdict']}, version {told['version']}")
    return "; ".join(parts)
