"""`evaluation.json`: what was evaluated on what, and the measures, tied by digest to the answers beside it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Literal, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from voxloop.config import StrictModel
from voxloop.errors import InputError
from voxloop.store.atomic import write_file

EVALUATION_NAME = "evaluation.json"
ANSWERS_NAME = "answers.parquet"
CONFUSION_NAME = "confusion.png"


class ModelRecord(BaseModel):
    """The part of an exported model's `model.json` that scoring needs."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    task: str
    labels: tuple[str, ...]
    sample_rate: int


class ChampionRecord(StrictModel):
    """`champion.json`: which version was in force, and whether one has ever been."""

    version: int | None
    model_digest: str | None
    ever: bool


class Champion(StrictModel):
    """The champion an evaluation met."""

    version: int | None
    model_digest: str
    labels: tuple[str, ...]


class Counts(StrictModel):
    """How much evidence there is. `unlabelled` test rows carry no emotion and were not scored."""

    utterances: int
    speakers: int
    unlabelled: int
    per_label: dict[str, int]


class Measures(StrictModel):
    """Shares of 1: unweighted average recall, weighted accuracy, macro-averaged F1."""

    uar: float
    wa: float
    macro_f1: float


class MeasuresOfBoth(StrictModel):
    """Measures of both models on the same rows; None where nothing could be measured."""

    challenger: Measures | None
    champion: Measures | None


class Evaluation(StrictModel):
    """The content of `evaluation.json`."""

    schema_version: Literal[1] = 1
    task: str
    dataset_digest: str
    model_digest: str
    answers_digest: str
    champion: Champion | None
    champion_ever: bool
    labels: tuple[str, ...]
    counts: Counts
    measures: MeasuresOfBoth

    def write(self, folder: Path) -> None:
        """Write `evaluation.json` into `folder`."""
        text = json.dumps(self.model_dump(mode="json"), indent=2, sort_keys=True, allow_nan=False)
        write_file(folder / EVALUATION_NAME, text + "\n")

    def lines(self) -> list[str]:
        """Return what was found, a line a model."""
        rows = f"{self.counts.utterances} test utterances of {self.counts.speakers} speakers"
        challenger = f"challenger: {_show(self.measures.challenger)} on {rows}"
        if self.champion is None:
            return [challenger, "champion: there is none"]
        return [challenger, f"champion {self.champion.version}: {_show(self.measures.champion)} on the same"]


def _show(measures: Measures | None) -> str:
    if measures is None:
        return "nothing measured"
    return f"UAR {measures.uar:.3f}, WA {measures.wa:.3f}, macro F1 {measures.macro_f1:.3f}"


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
