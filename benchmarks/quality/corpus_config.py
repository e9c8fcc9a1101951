"""`configs/quality/<corpus>.yaml`: what is measured on a corpus, and on which folds."""

from __future__ import annotations

from pydantic import Field

from benchmarks.quality.digit_strings import StringsConfig
from benchmarks.quality.fold_plans import FoldsConfig
from voxloop.config import StrictModel
from voxloop.errors import InputError


class RatersConfig(StrictModel):
    """Noise on the traits, one draw a speaker and trait, as of people who rate them."""

    noise_sd: float = Field(ge=0.0)
    """In points of the questionnaire. With s the spread of the traits, whoever knows them exactly reaches a CCC of
    2 s^2 / (2 s^2 + noise_sd^2)."""
    seed: int = 0


class CorpusQuality(StrictModel):
    """How a corpus is measured. The first of `folds` is the one taken unless another is named."""

    folds: dict[str, FoldsConfig] = Field(min_length=1)
    ingest: tuple[str, ...] = ()
    """Overrides of `configs/corpora/<corpus>.yaml`."""
    tasks: dict[str, tuple[str, ...]] = Field(min_length=1)
    """Tasks, each with overrides of its configuration, for ours and for baselines of the same family alike."""
    ours: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    """Further overrides by task, for our own network alone."""
    strings: StringsConfig | None = None
    """Join single words into strings."""
    raters: RatersConfig | None = None
    """Rate the traits with noise."""
    caution: str = ""
    """What a reader of the figures must know."""

    def choose_folds(self, name: str | None) -> tuple[str, FoldsConfig]:
        """Return the name and the definition of the folds asked for.

        Raises:
            InputError: There are none of that name.
        """
        chosen = name or next(iter(self.folds))
        if chosen not in self.folds:
            raise InputError(
                f"no folds {chosen!r} of this corpus", rule=f"they are {', '.join(self.folds)}", remedy="name one"
            )
        return chosen, self.folds[chosen]

    def overrides_of(self, task: str, folds: FoldsConfig, *, ours: bool) -> tuple[str, ...]:
        """Return the overrides of a task's configuration on some folds, for our own network or for a baseline.

        Raises:
            InputError: The corpus is not measured in it.
        """
        if task not in self.tasks:
            raise InputError(
                f"this corpus has no labels for {task}",
                rule=f"it has them for {', '.join(self.tasks)}",
                remedy="name one",
            )
        return (*self.tasks[task], *folds.overrides, *((*self.ours.get(task, ()), *folds.ours) if ours else ()))
