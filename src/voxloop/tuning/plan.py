"""What all trials of a study have in common, and the study itself."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import optuna

from voxloop.config import build_config, resolved
from voxloop.errors import InputError
from voxloop.tasks import Task
from voxloop.tasks.recipe import Recipe
from voxloop.tuning.report import StudyReport, read_study
from voxloop.tuning.sampling import make_pruner
from voxloop.tuning.space import SearchSpace
from voxloop.tuning.storage import Kept

MADE_FOR = "made_for"


@dataclass(frozen=True)
class Plan:
    """What all trials of a study have in common.

    Args:
        dataset: Folder written by ingest.
        task: The family.
        recipe: The configuration that is varied.
        space: How.
        features: Parquet table, for families that take features.
        name: Of the study.
        digest: Of all of this, and of the code.
    """

    dataset: Path
    task: Task
    recipe: Recipe
    space: SearchSpace
    features: Path | None
    name: str
    digest: str

    @cached_property
    def values(self) -> dict[str, Any]:
        """The configuration as plain values."""
        return resolved(self.recipe)

    def configure(self, overrides: tuple[str, ...]) -> Recipe:
        """Return the configuration of a trial; raises `ConfigError` when the family refuses it."""
        return build_config(self.task.Config, self.values, overrides, origin=f"the configuration of {self.task.NAME}")

    @property
    def epochs(self) -> int:
        """Epochs of the longest trial."""
        searched = [one.ends() for one in self.space.parameters if one.path == "epochs"]
        return max(searched[0]) if searched else self.recipe.epochs

    def read(self, study: optuna.Study) -> StudyReport:
        """Return what the study holds now."""
        return read_study(
            study, task=self.task.NAME, digest=self.digest, objective=self.task.OBJECTIVE, space=self.space
        )


def open_study(plan: Plan, kept: Kept) -> optuna.Study:
    """Return the study of this name, made when missing.

    Raises:
        InputError: It was made for something else.
    """
    with kept.locks.alone("ledger"):
        study = optuna.create_study(
            storage=kept.storage,
            study_name=plan.name,
            direction="maximize" if plan.task.OBJECTIVE.mode == "max" else "minimize",
            pruner=make_pruner(plan.space, plan.epochs),
            load_if_exists=True,
        )
        made_for = study.user_attrs.get(MADE_FOR)
        if made_for is None:
            study.set_user_attr(MADE_FOR, plan.digest)
    if made_for not in {None, plan.digest}:
        raise InputError(
            f"the study {plan.name} is there, made for something else",
            rule="all its trials have data, configuration, search space and code in common",
            remedy="name another --study, or leave it out: then its name follows from them",
        )
    return study
