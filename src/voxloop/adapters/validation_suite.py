"""The numbers of a validation suite: `configs/validation/<task>.yaml`. Light, for it is read before anything heavy."""

from __future__ import annotations

import math
from datetime import datetime
from typing import Literal

from pydantic import Field, field_validator, model_validator

from voxloop.config import StrictModel

AudioColumn = Literal["loudness_dbfs", "duration_s", "characters_per_second"]


class Range(StrictModel):
    """Bounds of a number, both inside."""

    minimum: float
    maximum: float

    @model_validator(mode="after")
    def _ordered(self) -> Range:
        if not self.minimum <= self.maximum:
            raise ValueError("the minimum is above the maximum")
        return self


class Tolerance(StrictModel):
    """How far a figure may lie from the one before: a share of it, a step in its own unit, or both together."""

    share: float = Field(default=0.0, ge=0.0)
    step: float = Field(default=0.0, ge=0.0)

    def around(self, value: float) -> tuple[float, float]:
        """Return the lowest and the highest figure that is still like `value`."""
        width = abs(value) * self.share + self.step
        return value - width, value + width


class RecordedRange(StrictModel):
    """When a recording can have been made.

    Args:
        earliest: Nothing is older.
        at: The moment of the check, after which nothing was recorded; without it the future is not looked for.
    """

    earliest: datetime
    at: datetime | None = None

    @field_validator("earliest", "at")
    @classmethod
    def _aware(cls, moment: datetime | None) -> datetime | None:
        if moment is not None and moment.tzinfo is None:
            raise ValueError("the time needs a zone, such as a final Z")
        return moment


class TextConfig(StrictModel):
    """What a text may be made of.

    Args:
        alphabets: Letters of a language, lower case, by its code; a language that is not here may use any one script.
        marks: What any language may use beside its letters.
        fit_rows: Fewest rows from which the fit of texts to durations is taken.
        least_fit: Correlation of text length and duration, within speaker and emotion, that texts in their place have;
            below it they are not what was said. In [0, 1).
    """

    alphabets: dict[str, str]
    marks: str
    fit_rows: int = Field(ge=3)
    least_fit: float = Field(ge=0.0, lt=1.0)


class PreviousConfig(StrictModel):
    """How unlike the dataset that was accepted last a new one may be.

    Args:
        least_rows: Share of the previous rows that must be there again.
        quantiles: Tolerance of the quantiles of a column.
        label_share: By how much the share of a label may move, in [0, 1].
        label_levels: Tolerance of a column's median among the rows of one label: what notices labels on wrong rows.
        label_rows: Fewest rows a label needs, before and now, for that.
        missing_share: By how much the share of nulls of a column may rise, in [0, 1].
        text_fit: Share of the previous fit of texts to durations that must be left.
    """

    least_rows: float = Field(ge=0.0)
    quantiles: dict[AudioColumn, Tolerance]
    label_share: float = Field(ge=0.0, le=1.0)
    label_levels: dict[AudioColumn, Tolerance]
    label_rows: int = Field(ge=1)
    missing_share: float = Field(ge=0.0, le=1.0)
    text_fit: float = Field(ge=0.0, le=1.0)


class SuiteConfig(StrictModel):
    """One file of `configs/validation`.

    Args:
        version: Counts the changes of the suite.
        minimum_rows: Fewest rows of each split; fewer are `CANNOT_TELL`.
        sound: Whether every row has to have sound, or may be words alone.
        sample_rate: The one rate of all rows, in Hz.
        duration_s: Bounds of every row's duration.
        duration_tolerance_s: How far `duration_s` may lie from `num_samples / sample_rate`.
        loudness_dbfs: Bounds of every row's level.
        loudness_tolerance_db: How far `loudness_dbfs` may lie from the level of the audio.
        listen_rows: Rows, evenly spread, whose audio is decoded; of the others header, end and digest are checked.
        characters_per_second: Bounds of text length over duration.
        age: Bounds, in years.
        recorded_at: When recordings can have been made.
        labels: What may stand in a column, by column; null is judged by `maximum_missing`.
        learnt: The column of `labels` that the task learns: it needs two different ones.
        largest_share: Share of the rows that one label of `learnt` may have.
        traits: Bounds of every trait, on the scale of its source; `*` stands for sources that are not named.
        constant: Columns that must not change within another one: `{gender: speaker_id}`.
        age_span: Years by which the age of one speaker may differ between rows.
        named: Columns whose values stand inside the utterance's id, if they do in most rows.
        maximum_repeated_audio: Share of rows whose audio another row has too, in [0, 1].
        maximum_missing: Share of nulls a column may hold, by column, in [0, 1].
        text: What a text may be made of.
        previous: How unlike the dataset accepted last this one may be.
        failing_rows: How many rows that break a rule a report names.
    """

    version: int = Field(ge=1)
    minimum_rows: dict[Literal["train", "dev", "test"], int]
    sound: Literal["required", "optional"]
    sample_rate: int = Field(gt=0)
    duration_s: Range
    duration_tolerance_s: float = Field(ge=0)
    loudness_dbfs: Range
    loudness_tolerance_db: float = Field(ge=0)
    listen_rows: int = Field(ge=0)
    characters_per_second: Range
    age: Range
    recorded_at: RecordedRange
    labels: dict[str, tuple[str, ...]]
    learnt: str | None = None
    largest_share: float = Field(gt=0.0, le=1.0)
    traits: dict[str, Range]
    constant: dict[str, str]
    age_span: int = Field(ge=0)
    named: tuple[str, ...]
    maximum_repeated_audio: float = Field(ge=0.0, le=1.0)
    maximum_missing: dict[str, float]
    text: TextConfig
    previous: PreviousConfig
    failing_rows: int = Field(ge=1)

    @model_validator(mode="after")
    def _agree(self) -> SuiteConfig:
        if "*" not in self.traits:
            raise ValueError("traits needs bounds for *")
        if self.learnt is not None and len(self.labels.get(self.learnt, ())) < 2:
            raise ValueError(f"labels needs at least two for the learnt {self.learnt}")
        if any(math.isnan(share) or not 0 <= share <= 1 for share in self.maximum_missing.values()):
            raise ValueError("a share lies in [0, 1]")
        return self
