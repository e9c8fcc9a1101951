"""The world as a process: told "the next window", it talks to the gateway, and lets labelled speech arrive.

    python -m voxloop.local.simulation.talk --task emotion --days 30 --seed 7 --gateway http://127.0.0.1:8090 …

One JSON line on standard input asks for one thing, one on standard output answers it. Nothing of what is answered says
what is being played: how many requests were answered, and which folder of labelled speech is there now.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np

from voxloop.config import find_config, load_config
from voxloop.errors import VoxloopError
from voxloop.local.simulation.callers import Callers, Heard
from voxloop.local.simulation.config import SimulationConfig
from voxloop.local.simulation.labels import write_batch
from voxloop.local.simulation.scenario import Scenario, draw_scenario
from voxloop.local.simulation.voices import Voices
from voxloop.store.atomic import write_file

LABELLED_SHARE = 4
"""One answer in so many is labelled a window later."""


class World:
    """Who talks in one simulation.

    Args:
        config: How it drifts.
        scenario: What happens when.
        callers: Who asks; None while nothing is in service yet.
        place: Folder of what was heard, of the labelled batches and of the sounds.
    """

    def __init__(self, config: SimulationConfig, scenario: Scenario, callers: Callers | None, place: Path) -> None:
        self._voices = Voices(config, scenario.seed)
        self._scenario, self._callers, self._place = scenario, callers, place
        self._unlabelled: list[Heard] = []

    def first_batch(self) -> dict[str, Any]:
        """Let the labelled speech arrive that there was before anything was in service."""
        return self._arrive(0)

    def talk(self, number: int) -> dict[str, Any]:
        """Talk through one window, label part of the one before, and let labelled speech arrive if it is its time."""
        if self._callers is None:
            raise VoxloopError("nobody can be asked", rule="--gateway and --keys say whom")
        window = self._scenario.window(number)
        labels = self._callers.label(self._unlabelled)
        heard = [self._callers.ask(one, one.make_sound(self._sounds)) for one in self._voices.list_heard(window)]
        pages = [one.as_page() for one in heard]
        write_file(name_heard(self._place, number), json.dumps({"window": number, "heard": pages}, indent=1) + "\n")
        answered = [one for one in heard if one.answer is not None]
        draw = np.random.default_rng([self._scenario.seed, number])
        chosen = draw.permutation(len(answered))[: len(answered) // LABELLED_SHARE]
        self._unlabelled = [answered[place] for place in sorted(chosen)]
        arrived = {} if window.labels is None else self._arrive(1 + self._scenario.drifts.index(window.labels))
        return {"asked": len(heard), "answered": len(answered), "labels": labels, **arrived}

    @property
    def _sounds(self) -> Path:
        return self._place / "sounds"

    def _arrive(self, batch: int) -> dict[str, Any]:
        drift = None if batch == 0 else self._scenario.drifts[batch - 1]
        name, folder = f"batch-{batch:02d}", self._place / "labelled" / f"batch-{batch:02d}"
        if not folder.exists():
            write_batch(folder, name, self._voices.list_labelled(batch, drift), self._sounds)
        return {"arrived": str(folder)}


def name_heard(place: Path, number: int) -> Path:
    """Return the file of what was heard in a window."""
    return place / "heard" / f"window-{number:04d}.json"


def read_scenario(task: str, days: int, seed: int) -> tuple[SimulationConfig, Scenario]:
    """Return the configuration of a simulation and its script."""
    config = load_config(SimulationConfig, find_config("simulation", task))
    quiet = config.platform.reference_windows
    return config, draw_scenario(days, seed, config.strengths, quiet_windows=quiet)


def main(tokens: list[str] | None = None) -> None:
    """Answer what is asked on standard input until it ends."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--task", required=True)
    parser.add_argument("--days", type=int, required=True)
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--place", type=Path, required=True)
    parser.add_argument("--gateway", default="")
    parser.add_argument("--keys", type=Path)
    told = parser.parse_args(tokens)
    config, scenario = read_scenario(told.task, told.days, told.seed)
    callers = None
    if told.gateway:
        keys = told.keys.read_text(encoding="ascii").split()
        callers = Callers(told.gateway, told.task, keys, pause=config.talk.pause_seconds)
    (told.place / "heard").mkdir(parents=True, exist_ok=True)
    world = World(config, scenario, callers, told.place)
    for line in sys.stdin:
        try:
            asked = json.loads(line)
            answer = world.first_batch() if asked["do"] == "first batch" else world.talk(int(asked["window"]))
        except VoxloopError as known:
            answer = {"error": str(known)}
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
