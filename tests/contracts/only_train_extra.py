"""Ingests a small speaker world, then trains, resumes and exports all families with the `train` extra alone.

`python only_train_extra.py FOLDER`: every module of another installed distribution is hidden from the import system, as
it would be in a fresh environment with `pip install voxloop[train]`. Ends in one JSON line.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Sequence
from importlib.machinery import ModuleSpec, PathFinder
from importlib.metadata import PackageNotFoundError, packages_distributions, requires
from pathlib import Path
from types import ModuleType
from typing import Any, ClassVar

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

WORLD = (
    "world.home.speakers=8",
    "world.utterances_per_speaker=4",
    "world.traits.voice=1",
    "world.traits.words=1",
    "split={salt: s, shares: {train: 0.5, dev: 0.25, test: 0.25}}",
)
SHORT = ("epochs=2", "checkpoints.every_seconds=0")
OWN = {"personality": ("modalities=[words]",)}
"""Prosody is measured by librosa, which is of another extra."""


def needed_by(name: str, extra: str) -> set[str]:
    """Return the distributions that `name[extra]` needs here, itself among them, by canonical name."""
    found: set[tuple[str, str]] = set()
    waiting = [(name, extra), (name, "")]
    while waiting:
        asked = waiting.pop()
        if asked in found:
            continue
        found.add(asked)
        for requirement in _requirements(asked[0]):
            if requirement.marker is None or requirement.marker.evaluate({"extra": asked[1]}):
                waiting += [(canonicalize_name(requirement.name), more) for more in ("", *requirement.extras)]
    return {one for one, _ in found}


def _requirements(name: str) -> Iterable[Requirement]:
    try:
        return [Requirement(line) for line in requires(name) or []]
    except PackageNotFoundError:  # of another platform
        return []


class OnlyAllowed(PathFinder):
    """Finds modules and distributions as `PathFinder` does, but none of a distribution that is not allowed."""

    allowed: ClassVar[set[str]] = set()
    hidden: ClassVar[set[str]] = set()

    @classmethod
    def find_spec(
        cls, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Return nothing for a hidden module."""
        return None if fullname.partition(".")[0] in cls.hidden else super().find_spec(fullname, path, target)

    @classmethod
    def find_distributions(cls, *arguments: Any, **named: Any) -> Iterable[Any]:
        """Give the allowed ones: packages ask by name whether another is installed."""
        found = PathFinder.find_distributions(*arguments, **named)
        return (one for one in found if canonicalize_name(one.name) in cls.allowed)


def hide_all_but(allowed: set[str]) -> None:
    """Hide every distribution but these."""
    owners = packages_distributions()
    OnlyAllowed.allowed = allowed
    OnlyAllowed.hidden = {name for name, of in owners.items() if not {canonicalize_name(one) for one in of} & allowed}
    sys.meta_path[:] = [OnlyAllowed if finder is PathFinder else finder for finder in sys.meta_path]


def train_all(folder: Path) -> dict[str, object]:
    """Return, by family, how often its training was stopped, and what its export wrote."""
    from voxloop.config import find_config, load_config
    from voxloop.errors import TrainingInterruptedError
    from voxloop.jobs.ingest import ingest
    from voxloop.tasks import get_task, task_names
    from voxloop.training.export import export_model
    from voxloop.training.export_config import ExportConfig
    from voxloop.training.fit import fit_task
    from voxloop.training.interruption import Interruption

    class AtOnce(Interruption):
        """Asks to stop after the first step."""

        @property
        def reason(self) -> str | None:
            return "a test"

    dataset = ingest(out=folder / "dataset", overrides=WORLD)
    found: dict[str, object] = {}
    for name in task_names():
        task, stops = get_task(name), 0
        recipe = load_config(task.Config, find_config("tasks", name, "smoke"), (*SHORT, *OWN.get(name, ())))
        weights, model = folder / name / "weights", folder / name / "model"
        for place in (weights, model):
            place.mkdir(parents=True)
        told: Interruption = AtOnce()
        while True:
            try:
                fit_task(
                    dataset, weights, task=task, recipe=recipe, checkpoints=folder / name / "kept", interruption=told
                )
                break
            except TrainingInterruptedError:
                stops, told = stops + 1, Interruption()
        export_model(weights, model, load_config(ExportConfig, find_config("export")))
        found[name] = {"stops": stops, "exported": sorted(path.name for path in model.iterdir())}
    return found


if __name__ == "__main__":
    hide_all_but(needed_by("voxloop", "train"))
    done = train_all(Path(sys.argv[1]))
    print(json.dumps({"hidden": sorted(OnlyAllowed.hidden), "families": done}))
