"""`evaluation.json`: what was evaluated on what, and the measures, tied by digest to the answers beside it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Literal, Self, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from voxloop.config import StrictModel
from voxloop.errors import InputError
from voxloop.store.atomic import write_file

EVALUATION_NAME = "evaluation.json"
ANSWERS_NAME = "answers.parquet"
CONFUSION_NAME = "confusion.png"
TEST_SPLIT = "test"
"""Name of the set that is the test split of the dataset itself."""
SHOWN_MEASURES = 4


class ModelRecord(BaseModel):
    """The part of an exported model's `model.json` that scoring needs."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    task: str
    labels: tuple[str, ...]
    sample_rate: int
    encoding: dict[str, Any]


class ChampionRecord(StrictModel):
    """`champion.json`: which version was in force, and whether one has ever been."""

    version: int | None
    model_digest: str | None
    ever: bool


class Champion(StrictModel):
    """The champion an evaluation met; `incomparable` says why it was not scored, empty where it was."""

    version: int | None
    model_digest: str
    labels: tuple[str, ...]
    incomparable: str = ""


class Counts(StrictModel):
    """How much evidence there is.

    Args:
        utterances: Test utterances that were scored.
        speakers: Speakers who said them.
        unlabelled: Test rows that say nothing of what is asked; they were not scored.
        per_label: Utterances of each label, for families whose references are labels.
    """

    utterances: int
    speakers: int
    unlabelled: int
    per_label: dict[str, int]


Measures = dict[str, float | None]
"""What the family measures, by name; None for what cannot be."""


class MeasuresOfBoth(StrictModel):
    """Measures of both models on the same rows; None where nothing could be measured."""

    challenger: Measures | None
    champion: Measures | None


class SetReport(StrictModel):
    """What was found on one evaluation set.

    Args:
        name: `test` for the test split of the dataset, else the name of a frozen set.
        digest: Of the dataset, or of the set's record: of every byte of it.
        counted: Whether a look at these figures is one that wears the set.
    """

    name: str
    digest: str
    counted: bool
    counts: Counts
    measures: MeasuresOfBoth


class Evaluation(StrictModel):
    """The content of `evaluation.json`."""

    schema_version: Literal[3] = 3
    task: str
    dataset_digest: str
    model_digest: str
    answers_digest: str
    champion: Champion | None
    champion_ever: bool
    labels: tuple[str, ...]
    encoding: dict[str, Any]
    """The challenger's: what its answers mean, and what a right one is."""
    sets: tuple[SetReport, ...] = Field(min_length=1)
    configuration: dict[str, Any] | None = None
    """How the models were asked, every value of `ScoringConfig`; None where an older version wrote the report."""

    @model_validator(mode="after")
    def _sets_have_names_of_their_own(self) -> Self:
        if len({one.name for one in self.sets}) < len(self.sets):
            raise ValueError("two evaluation sets have one name")
        return self

    def find_set(self, name: str) -> SetReport:
        """Return the report of a set.

        Raises:
            InputError: It was not evaluated.
        """
        for one in self.sets:
            if one.name == name:
                return one
        raise InputError(
            f"there is no evaluation set {name!r}",
            rule=f"evaluated were {', '.join(one.name for one in self.sets)}",
            remedy="name one of these, or evaluate on it",
        )

    def write(self, folder: Path) -> None:
        """Write `evaluation.json` into `folder`."""
        text = json.dumps(self.model_dump(mode="json"), indent=2, sort_keys=True, allow_nan=False)
        write_file(folder / EVALUATION_NAME, text + "\n")

    def lines(self) -> list[str]:
        """Return what was found, a line a model and set."""
        return [line for one in self.sets for line in self._lines_of(one)]

    def _lines_of(self, one: SetReport) -> list[str]:
        rows = f"{one.counts.utterances} utterances of {one.counts.speakers} speakers, {one.name}"
        challenger = f"challenger: {_show(one.measures.challenger)} on {rows}"
        if self.champion is None:
            return [challenger, "champion: there is none"]
        found = self.champion.incomparable or f"{_show(one.measures.champion)} on the same"
        return [challenger, f"champion {self.champion.version}: {found}"]


def _show(measures: Measures | None) -> str:
    known = {name: value for name, value in (measures or {}).items() if value is not None}
    if not known:
        return "nothing measured"
    # Those by trait stand behind their mean and would fill the screen.
    shown = list(known.items())[:SHOWN_MEASURES]
    return ", ".join(f"{name.replace('_', ' ')} {value:.3f}" for name, value in shown)


Record = TypeVar("Record", bound=BaseModel)


def read_json_record(model: type[Record], path: Path) -> Record:
    """Read a JSON file as `model`.

    Raises:
        InputError: The file is missing or malformed.
    """
    remedy = "make it again with the step that writes it"
    if not path.is_file():
        raise InputError(f"{path.parent.name}/{path.name} is missing", remedy=remedy)
    try:
        return model.model_validate_json(path.read_bytes())
    except ValidationError as malformed:
        first = malformed.errors(include_url=False)[0]
        place = ".".join(str(part) for part in first["loc"]) or "the file"
        raise InputError(f"{path.parent.name}/{path.name}: {place}", rule=first["msg"], remedy=remedy) from None
